"""A studio for the doors, and a small one of scripted engines for itself."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import aiohttp
import numpy as np
from aiohttp import web

from tests.fakes import InlineLane, ScriptedAsr, ScriptedTts
from voicechat.audio import AudioFrame
from voicechat.config import Settings
from voicechat.conversation import Transcript
from voicechat.ensemble import Ensemble
from voicechat.errors import EngineFailed, NoRoom
from voicechat.models.evictor import Evictor
from voicechat.models.machine import Machine
from voicechat.models.manager import ModelManager
from voicechat.models.residency import Limits
from voicechat.models.stock import Recipe
from voicechat.placement import Device, Router
from voicechat.placement.affinity import Memory
from voicechat.pool import Pool
from voicechat.protocols import AsrEngine, Hearer, Job, Lane, NamedVoice, Outcome, Passage, Studio, TtsEngine
from voicechat.protocols.studio import Done, Kind
from voicechat.studio import build
from voicechat.transport import http
from voicechat.transport.silence import SILENCE, Silence
from voicechat.turnstile import Turnstile, Worker

WORD_SECONDS = 0.1
RATE = 16_000


@dataclass
class ScriptedStudio:
    """Says a tenth of a second a word; "FAIL" fails there, "WAIT" goes on when `go` is set. Understands one text in
    each second of sound, a passage each."""

    places: int = 2
    fails: bool = False
    """Whether nothing can be understood."""
    waits: bool = False
    """Whether nothing is understood until `go` is set."""
    lane: Lane = field(default_factory=InlineLane)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    speaking: int = 0
    hearing: int = 0
    spoken: list[tuple[str, str, float]] = field(default_factory=list)
    asked: list[tuple[str | None, str]] = field(default_factory=list)
    jobs: list[tuple[Kind, Outcome]] = field(default_factory=list)
    """Those that are over, as their doors say; what an error would say is left out."""
    voices: Sequence[NamedVoice] = (NamedVoice("one", "en-GB", "small"), NamedVoice("large", "", "large"))
    models: Sequence[str] = ("small", "large", "ears")
    languages: Sequence[str] = ("en",)

    def has(self, voice: str) -> bool:
        return voice in ("", "one", "small", "large", "small-one")

    @contextmanager
    def admit(self, kind: Kind) -> Iterator[Job]:
        if self.places == 0:
            raise NoRoom("no place")
        self.places -= 1
        job = Job()
        try:
            yield job
        finally:
            self.places += 1
            self.jobs.append((kind, job.outcome))

    async def speak(self, text: str, voice: str, speed: float) -> AsyncGenerator[AudioFrame]:
        self.spoken.append((text, voice, speed))
        self.speaking += 1
        try:
            for word in text.split():
                if word == "FAIL":
                    raise EngineFailed("engine_failed", "scripted to fail")
                if word == "WAIT":
                    await self.go.wait()
                if word != "NOTHING":
                    yield AudioFrame(_hum(WORD_SECONDS), RATE)
                    await asyncio.sleep(0)
        finally:
            self.speaking -= 1

    def listen(self, language: str | None, model: str = "") -> Hearer:
        self.asked.append((language, model))
        self.hearing += 1
        return _ScriptedHearer(self)


class _ScriptedHearer:
    def __init__(self, studio: ScriptedStudio) -> None:
        self.passages: Sequence[Passage] = ()
        self.studio = studio

    async def hear(self, frame: AudioFrame) -> str | None:
        if self.studio.fails:
            raise EngineFailed("engine_failed", "scripted to fail")
        if self.studio.waits:
            await self.studio.go.wait()
        for _ in range(round(frame.seconds)):
            at = float(len(self.passages))
            self.passages = (*self.passages, Passage(Transcript(f"Second {at:g}.", 0.5), at, at + 1.0))
        await asyncio.sleep(0)
        return self._text()

    async def finish(self) -> Transcript:
        return Transcript(self._text(), 0.5)

    async def close(self) -> None:
        self.studio.hearing -= 1

    def _text(self) -> str:
        return " ".join(passage.transcript.text for passage in self.passages)


def _hum(seconds: float) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    times = np.arange(round(seconds * RATE)) / RATE
    return (8000 * np.sin(2 * np.pi * 220 * times)).astype(np.int16)


@dataclass
class Small:
    """A studio of the house with a model that speaks, "plain", one that is not loaded, "late", and a recogniser.

    `done` is what it told of its jobs.
    """

    studio: Studio
    speakers: list[ScriptedTts]
    asr: ScriptedAsr
    tts: ModelManager[TtsEngine]
    recognisers: ModelManager[AsrEngine]
    done: list[Done]


@asynccontextmanager
async def small(settings: Settings | None = None, *texts: str) -> AsyncIterator[Small]:
    """`texts` are what is understood, passage by passage."""
    speakers: list[ScriptedTts] = []
    asr = ScriptedAsr(*texts)

    def speaker(device: str) -> TtsEngine:
        speakers.append(ScriptedTts())
        return speakers[-1]

    async def nothing(engine: object, lane: Lane) -> None:
        """No warm-up."""

    lane = InlineLane(0.001)
    machine = Machine(
        lanes=lambda kind, device: (lane,),
        makers=[InlineLane()],
        survey=lambda: (Device("cpu", 1 << 40, 1 << 40),),
        measure=lambda device: 0,
    )
    evictor = Evictor(Limits(ttl=60.0))
    tts = ModelManager[TtsEngine](
        "tts", {name: Recipe(name, speaker) for name in ("late", "plain")}, machine, evictor, warm_up=nothing
    )
    recognisers = ModelManager[AsrEngine](
        "asr", {"ears": Recipe("ears", lambda device: asr)}, machine, evictor, warm_up=nothing
    )
    ensemble = Ensemble(
        tts, Router(), Memory(), pool=lambda model, tell: Pool([Worker(model.engine, lane)], Turnstile(), [tell])
    )
    tts.default, recognisers.default = "plain", "ears"
    await tts.load("plain")
    await recognisers.load("ears")
    try:
        done: list[Done] = []
        studio = build(settings or Settings(), ensemble, recognisers, lane, done.append)
        yield Small(studio, speakers, asr, tts, recognisers, done)
    finally:
        await tts.close()
        await recognisers.close()
        await machine.close()


@asynccontextmanager
async def serving(routes: Iterable[web.AbstractRouteDef], at: str) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """A server with these routes and nothing before them: a client, and the address of `at`."""
    app = web.Application(middlewares=[http.explain], client_max_size=http.BODY_BYTES)
    app[SILENCE] = Silence()
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession() as client:
            yield client, f"http://127.0.0.1:{runner.addresses[0][1]}{at}"
    finally:
        await runner.cleanup()
