"""OpenAI's agents for Python: the package keeps the history, truncates and runs tools by itself."""

import asyncio
from typing import Any

from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner
from facts import tell
from microphone import Microphone
from scene import BEFORE_CUT, HOURS, LONGEST, MODEL, Scene, scene


@function_tool
def opening_hours(hall: str) -> str:
    """When a hall is open."""
    tell("tool", name="opening_hours", arguments={"hall": hall})
    return HOURS


class Talk:
    """Follows a session's events until the scene is over."""

    def __init__(self, asked: Scene, microphone: Microphone) -> None:
        self._scene, self._microphone = asked, microphone
        self._connected = False
        self._bytes = 0
        self._truncated = ""
        self._history: list[Any] = []

    def hear(self, event: Any) -> bool:
        match event.type:
            case "error":
                tell("error", message=str(event.error))
            case "audio":
                self._play(len(event.audio.data))
            case "history_updated":
                self._history = event.history
                return self._is_cut()
            case "raw_model_event" if event.data.type == "raw_server_event":
                return self._hear_server(event.data.data)
        return False

    def _hear_server(self, message: dict[str, Any]) -> bool:
        match message["type"]:
            case "session.updated" if not self._connected:  # it updates again when it knows the session
                self._connected = True
                tell("connected")
                self._microphone.speak()
            case "conversation.item.truncated":
                self._truncated = message["item_id"]
            case "response.done" if not self._scene.interrupts and self._bytes:
                for role, text in self._said():
                    tell("said", role=role, text=text)
                tell("sound", seconds=self._bytes / 48_000)
                return True
        return False

    def _play(self, size: int) -> None:
        if not self._bytes and self._scene.interrupts:
            asyncio.get_running_loop().call_later(BEFORE_CUT, self._microphone.speak)
        self._bytes += size

    def _said(self) -> list[tuple[str, str]]:
        items = [item for item in self._history if item.type == "message"]
        return [(item.role, part.transcript or "") for item in items for part in item.content]

    def _is_cut(self) -> bool:
        """The history has the shortened answer once it was truncated and fetched again."""
        for item in self._history:
            if item.item_id == self._truncated and item.content and item.content[0].transcript:
                tell("cut", text=item.content[0].transcript)
                return True
        return False


async def main() -> None:
    asked = scene()
    microphone = Microphone(asked.speech)
    agent = RealtimeAgent(name="guide", instructions=asked.instructions, tools=[opening_hours] if asked.calls else [])
    where = {"url": f"{asked.socket}/v1/realtime?model={MODEL}", "api_key": asked.key}
    async with asyncio.timeout(LONGEST), await RealtimeRunner(agent).run(model_config=where) as session:

        async def send() -> None:
            async for piece in microphone.pieces():
                await session.send_audio(piece)

        sending = asyncio.create_task(send())
        talk = Talk(asked, microphone)
        async for event in session:
            if talk.hear(event):
                break
        sending.cancel()
    tell("closed")


asyncio.run(main())
