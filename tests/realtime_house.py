"""The realtime protocol's WebSocket door before a real session with scripted engines: for whole turns on loopback."""


import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import numpy as np
from aiohttp import ClientSession, ClientWebSocketResponse, web
from prometheus_client import CollectorRegistry

from tests.fakes import InlineLane, LoudnessVad, ScriptedAgent, ScriptedAsr, ScriptedTools, ScriptedTts
from voicechat.config import Settings
from voicechat.conversation import Piece, SessionSettings
from voicechat.ears import Ears
from voicechat.kit import Kit
from voicechat.pipeline import Pipeline
from voicechat.pool import Pool
from voicechat.protocols import Agent, AsrEngine, Peer
from voicechat.reply import Speaker
from voicechat.session import Session
from voicechat.transport import http
from voicechat.turnstile import Worker
from voicechat.understanding import Recogniser

SPEECH = base64.b64encode(np.full(24_000 * 8 // 10, 8000, np.int16).tobytes()).decode()
"""0.8 s that the scripted detectors take for speech; the silence after it comes by itself."""


class Answering:
    """A reception whose sessions understand and say what is scripted."""

    def __init__(
        self,
        *answers: str | list[Piece],
        tools: ScriptedTools | None = None,
        settings: Settings | None = None,
        delay: float = 0.0,
        mind: Agent | None = None,
        recogniser: AsrEngine | None = None,
    ) -> None:
        """`mind` and `recogniser` do instead of what is scripted; a job on the lane takes `delay` seconds."""
        self.lane = InlineLane(delay)
        self.settings = settings or Settings()
        self.kit = Kit([tools] if tools else [])
        self.asr = ScriptedAsr(*(f"question {n}" for n, _ in enumerate(answers)))
        self.agent = ScriptedAgent(list(answers))
        self.mind = mind or self.agent
        self.recogniser = recogniser or self.asr

    @contextmanager
    def admit(self) -> Iterator[str]:
        yield "sess_a"

    async def serve(self, session: str, peer: Peer, caller: str = "") -> None:
        settings, lane = self.settings, self.lane
        pipeline = Pipeline(
            Session(session, SessionSettings(), settings.turn, [peer.notify]),
            peer,
            ears=Ears(LoudnessVad(1000), LoudnessVad(4000)),
            recogniser=Recogniser(self.recogniser, lane),
            agent=self.mind,
            speaker=Speaker(Pool([Worker(ScriptedTts(), lane)]), 2, lambda: peer.left),
            settings=settings,
            kit=self.kit,
        )
        await pipeline.run()


@asynccontextmanager
async def serving(reception: Answering, settings: Settings | None = None) -> AsyncIterator[str]:
    """The server's address."""
    app = http.build(settings or Settings(), reception, registry=CollectorRegistry())
    runner = web.AppRunner(app, shutdown_timeout=1.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def calling(
    reception: Answering, settings: Settings | None = None, query: str = "", **options: Any
) -> AsyncIterator[ClientWebSocketResponse]:
    async with serving(reception, settings) as url, ClientSession() as client, asyncio.timeout(30):
        async with client.ws_connect(f"{url}/v1/realtime{query}", **options) as socket:
            yield socket


async def until(socket: ClientWebSocketResponse, kind: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    while not messages or messages[-1]["type"] != kind:
        messages.append(await socket.receive_json())
    return messages


async def send(socket: ClientWebSocketResponse, kind: str, **fields: Any) -> None:
    await socket.send_json({"type": kind, **fields})
