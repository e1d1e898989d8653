"""The main job on the real server: real engines, real speech, a real WebRTC caller and a WebSocket client."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from tests.test_app import process
from voicechat import adapters
from voicechat.audio import AudioFrame, Samples, read_wav, resample
from voicechat.config import Settings
from voicechat.terminal.caller import Caller

pytestmark = pytest.mark.timeout(120)

WIRE = 24_000


@pytest.fixture(scope="module")
def question() -> AudioFrame:
    return spoken("what is your name")


def spoken(text: str) -> AudioFrame:
    engine = adapters.choose("tts", "espeak", Settings())
    try:
        pieces = [piece.samples for piece in engine.synthesize(text, "en-gb")]
        return AudioFrame(np.concatenate(pieces), engine.rate)
    finally:
        engine.close()


def loud(samples: Samples) -> float:
    """Seconds of 20 ms frames at 48 kHz with audible sound."""
    frames = samples[: len(samples) // 960 * 960].reshape(-1, 960).astype(np.int32)
    return float((np.abs(frames).max(axis=1) > 500).sum() * 0.02)


async def test_a_webrtc_caller_is_understood_and_hears_the_answer(question: AudioFrame) -> None:
    async with process() as (_, url), Caller(url) as caller:
        await caller.wait_for("session.created", 10)
        await caller.send({"type": "session.update", "session": {"type": "realtime", "include": ["voicechat.latency"]}})
        await caller.say(question.samples, question.rate)
        heard = await caller.wait_for("conversation.item.input_audio_transcription.completed", 20)
        assert heard["transcript"] == "what is your name"
        latency = await caller.wait_for("voicechat.latency", 20)
        parts = [latency[f"{part}_ms"] for part in ("endpointed", "understood", "first_word", "first_sound")]
        assert parts == sorted(parts)
        done = await caller.wait_for("response.done", 30)
        assert done["response"]["status"] == "completed"
        answer = done["response"]["output"][0]["content"][0]["transcript"]
        assert "voice chat" in answer
        assert loud(caller.heard) > 0.04 * len(answer.split())


async def test_speaking_over_the_answer_silences_it_and_history_keeps_what_was_heard(question: AudioFrame) -> None:
    async with process() as (_, url), Caller(url) as caller:
        await caller.wait_for("session.created", 10)
        await caller.say(*_sound(spoken("how do you work")))
        await caller.wait_for("output_audio_buffer.started", 20)
        await asyncio.sleep(1.5)
        await caller.say(question.samples, question.rate)
        cut = (await caller.wait_for("response.done", 20))["response"]
        assert cut["status"] == "cancelled"
        assert cut["status_details"]["reason"] == "turn_detected"
        item = cut["output"][0]
        await caller.send({"type": "conversation.item.retrieve", "item_id": item["id"]})
        kept = (await caller.wait_for("conversation.item.retrieved", 10))["item"]
        heard = kept["content"][0]["transcript"]
        assert heard == item["content"][0]["transcript"]
        whole = [event for _, event in caller.log if event["type"] == "response.output_audio_transcript.done"]
        made = whole[0]["transcript"].split()
        assert 0 < len(heard.split()) < len(made)
        assert [word.strip(".,") for word in made[: len(heard.split())]] == [
            word.strip(".,") for word in heard.split()
        ]
        answered = (await caller.wait_for("response.done", 30))["response"]
        assert answered["status"] == "completed"


def _sound(frame: AudioFrame) -> tuple[Samples, int]:
    return frame.samples, frame.rate


class Client:
    """A program on the WebSocket that speaks raw JSON."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.events: list[dict[str, Any]] = []

    async def send(self, **message: Any) -> None:
        await self._socket.send_str(json.dumps(message))

    async def hear(self, sound: AudioFrame) -> None:
        samples = resample(sound.samples, sound.rate, WIRE)
        samples = np.concatenate([samples, np.zeros(WIRE, np.int16)])
        for start in range(0, len(samples), 4800):
            piece = base64.b64encode(samples[start : start + 4800].tobytes()).decode()
            await self.send(type="input_audio_buffer.append", audio=piece)

    async def until(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(40):
            while True:
                event: dict[str, Any] = await self._socket.receive_json()
                self.events.append(event)
                if event["type"] == kind:
                    return event


@asynccontextmanager
async def client(url: str) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{url}/v1/realtime") as socket:
        yield Client(socket)


async def test_a_program_speaks_and_types_over_the_websocket_in_many_turns(question: AudioFrame) -> None:
    async with process() as (_, url), client(url) as program:
        await program.until("session.created")
        for _ in range(2):
            await program.hear(question)
            done = await program.until("response.done")
            assert "voice chat" in done["response"]["output"][0]["content"][0]["transcript"]
        sound = b"".join(
            base64.b64decode(event["delta"]) for event in program.events if event["type"].endswith("output_audio.delta")
        )
        assert np.abs(np.frombuffer(sound, "<i2").astype(np.int32)).max() > 3000
        typed = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Tell me a joke!"}]}
        await program.send(type="conversation.item.create", item=typed)
        await program.send(type="response.create")
        done = await program.until("response.done")
        assert len(done["response"]["output"][0]["content"][0]["transcript"].split()) > 4


async def test_bad_messages_are_told_and_the_session_goes_on(question: AudioFrame) -> None:
    async with process() as (_, url), client(url) as program:
        await program.until("session.created")
        await program.send(type="no.such.event", event_id="mine")
        assert (await program.until("error"))["error"]["event_id"] == "mine"
        await program.send(type="input_audio_buffer.append", audio="!!!")
        assert (await program.until("error"))["error"]["code"] == "audio_not_base64"
        await program.hear(question)
        done = await program.until("response.done")
        assert done["response"]["status"] == "completed"


async def test_people_are_understood(speech: Path) -> None:
    """A human voice over the WebSocket: most of the words of an easy clip arrive."""
    async with process() as (_, url), client(url) as program:
        await program.until("session.created")
        await program.hear(read_wav(speech / "goforward.wav"))
        heard = await program.until("conversation.item.input_audio_transcription.completed")
        assert set("go forward ten meters".split()) & set(heard["transcript"].split()) >= {"forward", "ten"}
        await program.until("response.done")
