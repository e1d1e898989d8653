"""How much of an answer a WebSocket client heard: by our clock when it is cut, and by its own when it says so."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import numpy as np
import pytest
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
WORDS = [f"word{n}" for n in range(80)]
WORD_SECONDS = 0.06
"""Of the scripted voice."""


class Answering:
    """A reception whose sessions answer with eighty words."""

    @contextmanager
    def admit(self) -> Iterator[str]:
        yield "sess_a"

    async def serve(self, session: str, peer: Peer, caller: str = "") -> None:
        settings, lane = Settings(), InlineLane()
        pipeline = Pipeline(
            Session(session, SessionSettings(), settings.turn, [peer.notify]),
            peer,
            ears=Ears(LoudnessVad(1000), LoudnessVad(4000)),
            recogniser=Recogniser(ScriptedAsr("question"), lane),
            agent=ScriptedAgent([" ".join(WORDS)]),
            speaker=Speaker(Pool([Worker(ScriptedTts(), lane)]), 2, lambda: peer.left),
            settings=settings,
        )
        await pipeline.run()


@asynccontextmanager
async def calling() -> AsyncIterator[ClientWebSocketResponse]:
    runner = web.AppRunner(http.build(Settings(), Answering(), registry=CollectorRegistry()), shutdown_timeout=1.5)
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


def seconds(messages: list[dict[str, Any]]) -> float:
    """Of sound in the messages."""
    deltas = [message["delta"] for message in messages if message["type"] == "response.output_audio.delta"]
    return sum(len(base64.b64decode(delta)) for delta in deltas) / 2 / 24_000


def begun(end: float) -> str:
    """The words that begin before so many seconds."""
    return " ".join(word for place, word in enumerate(WORDS) if place * WORD_SECONDS < end - 1e-6)


async def truncated(socket: ClientWebSocketResponse, item: str, milliseconds: int) -> str:
    """The text that is left of the answer when the client says how much it has played."""
    await socket.send_json(
        {"type": "conversation.item.truncate", "item_id": item, "content_index": 0, "audio_end_ms": milliseconds}
    )
    answer = (await until(socket, "conversation.item.truncated"))[-1]
    assert answer["audio_end_ms"] == milliseconds
    await socket.send_json({"type": "conversation.item.retrieve", "item_id": item})
    retrieved = (await until(socket, "conversation.item.retrieved"))[-1]
    return str(retrieved["item"]["content"][0]["transcript"])


async def test_what_the_client_says_that_it_played_counts_to_the_word() -> None:
    async with calling() as socket:
        await until(socket, "session.created")
        await socket.send_json({"type": "input_audio_buffer.append", "audio": SPEECH})
        messages = await until(socket, "response.output_audio.delta")
        await asyncio.sleep(0.7)
        await socket.send_json({"type": "response.cancel"})
        messages += await until(socket, "response.done")
        sent = seconds(messages)
        output = messages[-1]["response"]["output"][0]
        assumed = output["content"][0]["transcript"]
        assert sent > 0.5 and begun(sent).startswith(assumed)
        assert len(assumed.split()) < len(begun(sent).split()), "what the client still holds is not taken for heard"
        ends = [1e3 * sent, 1e3 * sent - 25, 481, 480, 479, 301, 60, 1]
        for end in map(int, ends):  # the client may only ever take back more
            assert await truncated(socket, output["id"], end) == begun(end / 1e3)


async def test_a_cut_takes_the_sound_that_a_prompt_client_has_played() -> None:
    async with calling() as socket:
        loop = asyncio.get_running_loop()
        await until(socket, "session.created")
        await socket.send_json({"type": "input_audio_buffer.append", "audio": SPEECH})
        await until(socket, "response.output_audio.delta")
        began = loop.time()
        await asyncio.sleep(0.1)  # the first fifth of a second was sent at once, and half of it is played
        await socket.send_json({"type": "response.cancel"})
        done = (await until(socket, "response.done"))[-1]
        played = loop.time() - began
    heard = len(done["response"]["output"][0]["content"][0]["transcript"].split())
    assert 1 <= heard <= played / WORD_SECONDS + 1
    assert heard * WORD_SECONDS == pytest.approx(0.1, abs=WORD_SECONDS + played - 0.1)
