"""LiveKit's agents with their OpenAI plug-in; a microphone and a loudspeaker stand where a room would be."""

import asyncio
import time
from typing import Any

from facts import tell
from livekit import rtc
from livekit.agents import Agent, AgentSession, RunContext, function_tool, utils
from livekit.agents.voice import io
from livekit.plugins import openai
from microphone import RATE, Microphone
from scene import BEFORE_CUT, HOURS, LONGEST, MODEL, Scene, scene


class Ear(io.AudioInput):
    """Gives the framework what the microphone hears."""

    def __init__(self, microphone: Microphone) -> None:
        super().__init__(label="microphone")
        self._pieces = microphone.pieces()

    async def __anext__(self) -> rtc.AudioFrame:
        piece = await anext(self._pieces)
        return rtc.AudioFrame(piece, RATE, 1, len(piece) // 2)


class Loudspeaker(io.AudioOutput):
    """Plays nothing, in real time: sound that was captured has been heard when as much time has passed."""

    def __init__(self) -> None:
        super().__init__(label="loudspeaker", capabilities=io.AudioOutputCapabilities(pause=False), sample_rate=RATE)
        self.begun = asyncio.Event()
        self.seconds = 0.0
        self._captured = 0.0
        self._since = 0.0
        self._finishing: asyncio.Task[None] | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if not self._captured:
            self._since = time.monotonic()
            self.begun.set()
            self.on_playback_started(created_at=time.time())
        self._captured += frame.duration
        self.seconds += frame.duration

    def flush(self) -> None:
        super().flush()
        if self._captured:
            self._finishing = asyncio.create_task(self._play_out())

    def clear_buffer(self) -> None:
        if self._finishing:
            self._finishing.cancel()
        if self._captured:
            self._finish(interrupted=True)

    async def _play_out(self) -> None:
        await asyncio.sleep(self._captured - (time.monotonic() - self._since))
        self._finish(interrupted=False)

    def _finish(self, interrupted: bool) -> None:
        played = min(self._captured, time.monotonic() - self._since)
        self._captured = 0.0
        self.on_playback_finished(playback_position=played, interrupted=interrupted)


class Guide(Agent):
    """Without tools."""


class Informed(Agent):
    @function_tool
    async def opening_hours(self, context: RunContext[None], hall: str) -> str:
        """When a hall is open."""
        tell("tool", name="opening_hours", arguments={"hall": hall})
        return HOURS


class Talk:
    """Follows a session; `over` is set at the end of the scene: an answer was heard, or the server truncated it."""

    def __init__(self, asked: Scene, loudspeaker: Loudspeaker) -> None:
        self.over = asyncio.Event()
        self._scene, self._loudspeaker = asked, loudspeaker

    def add(self, event: Any) -> None:
        """An item of the framework's own history; an answer is added when it has been heard, or cut."""
        item = event.item
        if item.type != "message":
            return
        if item.role == "assistant" and self._scene.interrupts:
            tell("cut", text=item.text_content or "")
            return
        tell("said", role=item.role, text=item.text_content or "")
        if item.role == "assistant":
            tell("sound", seconds=self._loudspeaker.seconds)
            self.over.set()

    def hear_server(self, message: dict[str, Any]) -> None:
        if message["type"] == "conversation.item.truncated":
            self.over.set()

    def fail(self, event: Any) -> None:
        tell("error", message=str(event.error))


async def main() -> None:
    asked = scene()
    microphone, loudspeaker = Microphone(asked.speech), Loudspeaker()
    talk = Talk(asked, loudspeaker)
    async with asyncio.timeout(LONGEST), utils.http_context.open():
        model = openai.realtime.RealtimeModel(model=MODEL, base_url=f"{asked.url}/v1", api_key=asked.key)
        session: AgentSession[None] = AgentSession(llm=model)
        session.on("conversation_item_added", talk.add)
        session.on("error", talk.fail)
        session.input.audio, session.output.audio = Ear(microphone), loudspeaker
        agent = (Informed if asked.calls else Guide)(instructions=asked.instructions)
        await session.start(agent)
        agent.realtime_llm_session.on("openai_server_event_received", talk.hear_server)
        tell("connected")
        microphone.speak()
        if asked.interrupts:
            await loudspeaker.begun.wait()
            await asyncio.sleep(BEFORE_CUT)
            microphone.speak()
        await talk.over.wait()
        await session.aclose()
    tell("closed")


asyncio.run(main())
