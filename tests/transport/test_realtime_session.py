"""Whole turns through the WebSocket door: a real server and client, the real session, scripted engines."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import numpy as np
from aiohttp import ClientSession, ClientWebSocketResponse, web
from prometheus_client import CollectorRegistry

from tests.fakes import InlineLane, LoudnessVad, ScriptedAgent, ScriptedAsr, ScriptedTts
from voicechat.config import Settings
from voicechat.conversation import SessionSettings
from voicechat.ears import Ears
from voicechat.pipeline import Pipeline
from voicechat.pool import Pool
from voicechat.protocols import Peer
from voicechat.reply import Speaker
from voicechat.session import Session
from voicechat.transport import http
from voicechat.turnstile import Worker
from voicechat.understanding import Recogniser

SPEECH = base64.b64encode(np.full(24_000 * 8 // 10, 8000, np.int16).tobytes()).decode()
"""0.8 s that the scripted detectors take for speech; the silence after it comes by itself."""


class Answering:
    """A reception whose sessions understand and say what is scripted."""

    def __init__(self, *answers: str) -> None:
        self.asr = ScriptedAsr(*(f"question {n}" for n, _ in enumerate(answers)))
        self.agent = ScriptedAgent(list(answers))

    @contextmanager
    def admit(self) -> Iterator[str]:
        yield "sess_a"

    async def serve(self, session: str, peer: Peer, caller: str = "") -> None:
        settings, lane = Settings(), InlineLane()
        pipeline = Pipeline(
            Session(session, SessionSettings(), settings.turn, [peer.notify]),
            peer,
            ears=Ears(LoudnessVad(1000), LoudnessVad(4000)),
            recogniser=Recogniser(self.asr, lane),
            agent=self.agent,
            speaker=Speaker(Pool([Worker(ScriptedTts(), lane)]), 2, lambda: peer.left),
            settings=settings,
        )
        await pipeline.run()


@asynccontextmanager
async def calling(reception: Answering) -> AsyncIterator[ClientWebSocketResponse]:
    runner = web.AppRunner(http.build(Settings(), reception, registry=CollectorRegistry()), shutdown_timeout=1.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/realtime"
        async with ClientSession() as client, client.ws_connect(url) as socket, asyncio.timeout(30):
            yield socket
    finally:
        await runner.cleanup()


async def until(socket: ClientWebSocketResponse, kind: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    while not messages or messages[-1]["type"] != kind:
        messages.append(await socket.receive_json())
    return messages


def story(messages: list[dict[str, Any]]) -> list[str]:
    """The kinds of the messages; of deltas that follow one another only the first."""
    kinds: list[str] = []
    for message in messages:
        kind = str(message["type"])
        if not (kind.endswith("audio.delta") and kind in kinds):
            kinds.append(kind)
    return kinds


HEARD = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.completed",
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
]
ENDS = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "conversation.item.done",
    "response.done",
]


async def test_spoken_turn_is_answered_in_the_protocols_order() -> None:
    async with calling(Answering("good morning to you")) as socket:
        await until(socket, "session.created")
        await socket.send_json({"type": "input_audio_buffer.append", "audio": SPEECH})
        messages = await until(socket, "response.done")
    assert story(messages) == HEARD + ENDS
    response = messages[-1]["response"]
    assert response["status"] == "completed"
    assert response["output"][0]["content"][0]["transcript"] == "good morning to you"
    assert messages[6]["transcript"] == "question 0"


async def test_talking_over_the_answer_cuts_it_and_keeps_what_was_heard() -> None:
    long = " ".join(f"word{n}" for n in range(60))
    async with calling(Answering(long, "yes")) as socket:
        await until(socket, "session.created")
        await socket.send_json({"type": "input_audio_buffer.append", "audio": SPEECH})
        await until(socket, "response.output_audio.delta")
        await asyncio.sleep(0.6)
        await socket.send_json({"type": "input_audio_buffer.append", "audio": SPEECH})
        messages = await until(socket, "response.done")
        after = await until(socket, "response.done")
    kinds = story(messages)
    assert kinds[kinds.index("input_audio_buffer.speech_started") :] == ["input_audio_buffer.speech_started", *ENDS]
    response = messages[-1]["response"]
    assert response["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    heard = response["output"][0]["content"][0]["transcript"]
    assert long.startswith(heard) and 3 <= len(heard.split()) < 40
    assert after[-1]["response"]["output"][0]["content"][0]["transcript"] == "yes"
