"""OpenAI's own Python package: it brings the events, the program plays, truncates and runs tools itself."""

import asyncio
import base64
import json
import time
from typing import Any

from facts import tell
from microphone import Microphone
from openai import AsyncOpenAI
from scene import BEFORE_CUT, HOURS, LONGEST, MODEL, PARAMETERS, Scene, scene

TOOL = {"type": "function", "name": "opening_hours", "description": "When a hall is open.", "parameters": PARAMETERS}


class Talk:
    """One connection; `hear` is given every event until it says that the scene is over."""

    def __init__(self, connection: Any, asked: Scene, microphone: Microphone) -> None:
        self._connection, self._scene, self._microphone = connection, asked, microphone
        self._item = ""
        self._first_sound = 0.0
        self._bytes = 0
        self._calls = 0

    async def hear(self, event: Any) -> bool:
        match event.type:
            case "session.updated":
                tell("connected", voice=event.session.audio.output.voice)
                self._microphone.speak()
            case "error":
                tell("error", code=event.error.code, message=event.error.message)
            case "conversation.item.input_audio_transcription.completed":
                tell("said", role="user", text=event.transcript)
            case "response.output_audio.delta":
                await self._play(event)
            case "response.output_audio_transcript.done" if not self._scene.interrupts:
                tell("said", role="assistant", text=event.transcript)
            case "input_audio_buffer.speech_started" if self._bytes:
                await self._truncate()
            case "conversation.item.truncated":
                await self._connection.conversation.item.retrieve(item_id=event.item_id)
            case "conversation.item.retrieved":
                tell("cut", text=event.item.content[0].transcript or "")
                return True
            case "response.done":
                return await self._finish(event.response)
        return False

    async def _play(self, event: Any) -> None:
        if not self._bytes:
            self._item, self._first_sound = event.item_id, time.monotonic()
            if self._scene.interrupts:
                asyncio.get_running_loop().call_later(BEFORE_CUT, self._microphone.speak)
        self._bytes += len(base64.b64decode(event.delta))

    async def _truncate(self) -> None:
        """Says how much of the answer has been played: what came, or as much as time has passed."""
        played = min(time.monotonic() - self._first_sound, self._bytes / 48_000)
        await self._connection.conversation.item.truncate(
            item_id=self._item, content_index=0, audio_end_ms=int(1000 * played)
        )

    async def _finish(self, response: Any) -> bool:
        calls = [item for item in response.output if item.type == "function_call"]
        for call in calls:
            tell("tool", name=call.name, arguments=json.loads(call.arguments))
            result = {"type": "function_call_output", "call_id": call.call_id, "output": HOURS}
            await self._connection.conversation.item.create(item=result)
        if calls:
            await self._connection.response.create()
        elif not self._scene.interrupts:
            tell("sound", seconds=self._bytes / 48_000)
            return True
        return False


async def send(connection: Any, microphone: Microphone) -> None:
    async for piece in microphone.pieces():
        await connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())


async def main() -> None:
    asked = scene()
    microphone = Microphone(asked.speech)
    client = AsyncOpenAI(api_key=asked.key, base_url=f"{asked.url}/v1")
    async with asyncio.timeout(LONGEST), client, client.realtime.connect(model=MODEL) as connection:
        await connection.session.update(
            session={
                "type": "realtime",
                "instructions": asked.instructions,
                "tools": [TOOL] if asked.calls else [],
                "audio": {"output": {"voice": "marin"}},
            }
        )
        sending = asyncio.create_task(send(connection, microphone))
        talk = Talk(connection, asked, microphone)
        async for event in connection:
            if await talk.hear(event):
                break
        sending.cancel()
    tell("closed")


asyncio.run(main())
