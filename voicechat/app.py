"""The composition root: the only file that knows which engines and doors there are, and puts them together."""

import asyncio
import gc
import importlib
import os
import secrets
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from types import ModuleType
from typing import Any, Final, cast

import structlog

from voicechat import adapters, logs
from voicechat.config import Settings
from voicechat.conversation import SessionSettings, TurnDetection
from voicechat.ears import Ears
from voicechat.echo import Gate
from voicechat.endpointing import Endpointing, Waits
from voicechat.errors import AdapterUnavailable, ConfigError, NoRoom, VoicechatError
from voicechat.events import Failed
from voicechat.lane import ThreadLane
from voicechat.metrics import Metrics
from voicechat.models import ModelManager
from voicechat.opinion import SecondOpinion
from voicechat.pipeline import Pipeline, Recogniser
from voicechat.pool import Pool, places_on, workers_for
from voicechat.protocols import Agent, AsrEngine, Lane, Peer, Spotter, TtsEngine, TurnDetector, VadEngine
from voicechat.reply import Speaker
from voicechat.session import Session
from voicechat.turnstile import Turnstile, Worker

PREFERRED: Final = {"asr": ("whisper", "pocketsphinx"), "tts": ("piper", "espeak"), "spotter": ("pocketsphinx",)}
"""With `engine: auto`, the first of these that can be loaded here."""

SETTINGS: Final = {"spotter": "turn.barge_in.spotter"}
"""Where a kind's engine is named, if not in `engine` of a section of its own."""

BELIEF: Final = {"pocketsphinx": 0.4}
"""How far the words of a recogniser are believed at the end of a turn; others 1.0. It hears some in a room's noise."""

SWITCH_SECONDS: Final = 0.001
"""How long a thread may keep the interpreter while the loop wants it; Python's own 5 ms is a quarter of a packet."""

LAG_PERIOD: Final = 0.1
CLOSE_SECONDS: Final = 0.8
"""For requests that are under way when the server ends; engines have as long after it, and the whole two seconds."""


def choose(kind: str, wanted: str, *arguments: object) -> Any:
    """Loads the wanted engine of a kind, or with "auto" the best that is present. Blocking.

    Raises ConfigError for a name that no adapter has, AdapterError when it cannot be loaded.
    """
    if wanted != "auto":
        return _module(kind, wanted).load(*arguments)
    reasons = []
    for name in PREFERRED[kind]:
        try:
            return _module(kind, name).load(*arguments)
        except AdapterUnavailable as error:
            reasons.append(f"{name}: {error.message}")
    raise AdapterUnavailable("no_engine", f"no {kind} engine can be loaded here; {'; '.join(reasons)}")


def _module(kind: str, name: str) -> ModuleType:
    names = adapters.names(kind)
    if name not in names:
        key = SETTINGS.get(kind, f"{kind}.engine")
        allowed = ", ".join([*(["auto"] if kind in PREFERRED else []), *names])
        raise ConfigError("bad_config", f"{key}: found '{name}'; allowed: {allowed}")
    return importlib.import_module(f"voicechat.adapters.{kind}.{name}")


def _spotter(settings: Settings) -> Spotter | None:
    """The one that is wanted; with "auto", none where none can be loaded. Raises ConfigError or AdapterError."""
    wanted = settings.turn.barge_in.spotter
    if wanted == "none":
        return None
    try:
        return cast(Spotter, choose("spotter", wanted, settings))
    except AdapterUnavailable:
        if wanted != "auto":
            raise
        return None


class House:
    """All that lives as long as the server: engines, lanes, metrics, and the sessions that run.

    `lanes` makes a lane of a name and a deadline in seconds.
    """

    def __init__(self, settings: Settings, lanes: Callable[[str, float], Lane] = ThreadLane) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.asr: ModelManager[AsrEngine] = ModelManager()
        self.tts: ModelManager[TtsEngine] = ModelManager()
        self.agent: Agent
        self._fast: VadEngine
        self._slow: VadEngine
        self._detector: TurnDetector | None = None
        self._spotter: Spotter | None = None
        self._detecting: Lane
        self._make_lane = lanes
        self._lanes: list[Lane] = []
        self._running: dict[str, Pipeline] = {}
        self._places = settings.server.max_sessions
        self._log = structlog.get_logger()

    async def open(self) -> None:
        """Loads every engine. Raises AdapterError or ConfigError."""
        settings = self.settings
        hearing = tuple(self._lane(f"asr-{i}", settings.asr.deadline) for i in range(min(4, os.cpu_count() or 1)))
        speaking = self._lane("tts-0", settings.tts.deadline)
        self.agent = choose("agent", settings.agent.engine, settings)
        phrases = self.agent.phrases
        async with asyncio.TaskGroup() as group:
            group.create_task(self.asr.load(lambda: choose("asr", settings.asr.engine, settings, phrases), hearing))
            group.create_task(self.tts.load(lambda: choose("tts", settings.tts.engine, settings), (speaking,)))
            fast = group.create_task(speaking.run(lambda: choose("vad", "webrtc", settings)))
            slow = group.create_task(speaking.run(lambda: choose("vad", "silero", settings)))
            spotter = group.create_task(speaking.run(lambda: _spotter(settings)))
        self._fast, self._slow, self._spotter = fast.result(), slow.result(), spotter.result()
        self._pool = self._speakers(self.tts.list()[0].engine, speaking)
        if settings.turn.detector:
            self._detecting = self._lane("turn-0", settings.asr.deadline)
            self._detector = await self._detecting.run(lambda: choose("turn", "smart_turn", settings))
        self._check_voice()

    def _speakers(self, engine: TtsEngine, first: Lane) -> Pool:
        """The workers of an engine, of which the first is there."""
        knobs = self.settings.tts
        more = [self._lane(f"tts-{number}", knobs.deadline) for number in range(1, workers_for(engine, knobs.workers))]
        turnstile = Turnstile(lambda device: places_on(device, knobs.per_device))
        return Pool([Worker(engine, lane) for lane in (first, *more)], turnstile, [self.metrics.observe_synthesis])

    def _check_voice(self) -> None:
        """Raises ConfigError. A caller who asks for a voice that is not there gets the first; an operator is told."""
        wanted = self.settings.tts.voice
        with self.tts.lend() as model:
            names = [voice.name for voice in model.engine.voices]
        if wanted and wanted not in names:
            allowed = f"allowed with {self.tts.default}: {', '.join(names)}"
            raise ConfigError("bad_config", f"tts.voice: found '{wanted}'; {allowed}")

    def describe(self) -> str:
        return f"asr {self.asr.default}, tts {self.tts.default}, agent {self.agent.name}"

    @contextmanager
    def admit(self) -> Iterator[str]:
        """See `protocols.Reception.admit`."""
        if self._places == 0:
            self.metrics.refused.inc()
            raise NoRoom(f"all {self.settings.server.max_sessions} lines are busy")
        self._places -= 1
        try:
            yield f"sess_{secrets.token_hex(8)}"
        finally:
            self._places += 1

    async def serve(self, session: str, peer: Peer) -> None:
        """See `protocols.Reception.serve`."""
        knobs = self.settings.turn
        state = Session(
            session, self._defaults(), knobs, [self.metrics.observe, logs.observer(session), peer.notify]
        )
        with self.asr.lend() as asr, self.tts.lend():
            patience = self._patience(asr.engine.name)
            gate = Gate(knobs.echo.margin_db) if knobs.echo.gate else None
            pipeline = Pipeline(
                state,
                peer,
                ears=Ears(self._fast.open(), self._slow.open(), patience=patience, gate=gate, spotter=self._spotter),
                recogniser=Recogniser(asr.engine, asr.lane()),
                agent=self.agent,
                speaker=Speaker(self._pool, self.settings.tts.in_flight, lambda: peer.left),
                settings=self.settings,
                chores=[patience.run] if isinstance(patience, SecondOpinion) else [],
            )
            self._running[session] = pipeline
            try:
                await pipeline.run()
            except Exception:  # a bug ends its session, never the server
                self._log.exception("session failed", session=session)
                peer.notify(Failed("internal_error", "the session failed; please call again"))
            finally:
                del self._running[session]

    def _patience(self, recogniser: str) -> Endpointing | SecondOpinion | None:
        """What makes a session's silences adapt, if anything does."""
        knobs = self.settings.turn.endpointing
        if not knobs.adaptive:
            return None
        waits = Waits(
            knobs.least,
            knobs.usual,
            knobs.most,
            BELIEF.get(recogniser, 1.0) if knobs.words is None else knobs.words,
            self.settings.vad.silero.threshold,
        )
        endpointing = Endpointing(waits, language=self.settings.asr.language, phrases=self.agent.phrases)
        if self._detector is None:
            return endpointing
        return SecondOpinion(endpointing, self._detector, self._detecting)

    def end_sessions(self) -> None:
        for pipeline in self._running.values():
            pipeline.end("shutdown")

    async def close(self) -> None:
        """Frees engines and threads; the sessions have ended before."""
        if hasattr(self, "agent"):
            await self.agent.close()
        if self._spotter is not None:
            self._spotter.close()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.asr.close())
            group.create_task(self.tts.close())
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes:
                group.create_task(lane.close())

    def _lane(self, name: str, deadline: float) -> Lane:
        lane = self._make_lane(name, deadline)
        self._lanes.append(lane)
        return lane

    def _defaults(self) -> SessionSettings:
        settings = self.settings
        return SessionSettings(
            instructions=settings.agent.instructions,
            voice=settings.tts.voice,
            turns=TurnDetection(
                threshold=settings.vad.silero.threshold, silence=settings.turn.silence, prefix=settings.turn.prefix
            ),
        )

    async def watch_loop(self) -> None:
        """Measures how late the loop runs its timers, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_PERIOD
            await asyncio.sleep(LAG_PERIOD)
            self.metrics.loop_lag.observe(max(0.0, loop.time() - due))


async def run(settings: Settings, *, ready: Callable[[str], None], stop: asyncio.Event) -> None:
    """Serves until `stop` is set; calls `ready` with one line that names the URL. Raises VoicechatError."""
    from aiohttp import web

    house = House(settings)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(house.close)
        if not await _before(stop, _unwrapped(_load(house))):
            return
        from voicechat.transport import http
        from voicechat.transport.silence import SILENCE

        site = http.build(settings, house, registry=house.metrics.registry)
        runner = web.AppRunner(site, access_log=None, shutdown_timeout=CLOSE_SECONDS)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        port = await _listen(runner, settings.server.host, settings.server.port)
        assert runner.server is not None
        for watch in (house.watch_loop(), site[SILENCE].cut(runner.server)):
            stack.callback(asyncio.create_task(watch).cancel)
        gc.collect()
        gc.freeze()
        ready(f"voicechat ready at {_url(settings.server.host, port)} ({house.describe()})")
        await stop.wait()
        house.end_sessions()


async def _load(house: House) -> None:
    importing = asyncio.create_task(asyncio.to_thread(importlib.import_module, "voicechat.transport.http"))
    await house.open()
    await importing  # half a second, while the engines load on their lanes


async def _before(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Whether the work was done before `stop` was set; if not, it is cancelled. Raises what the work raises."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return working.done() and working.result() is None
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


async def _unwrapped(opening: Awaitable[None]) -> None:
    """Waits; of several engines that failed to load, the first tells."""
    try:
        await opening
    except* VoicechatError as group:
        error = group.exceptions[0]
        raise error from None


async def _listen(runner: Any, host: str, port: int) -> int:
    """Binds; returns the port. Raises ConfigError when the address cannot be had."""
    from aiohttp import web

    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError as error:
        unknown = isinstance(error, socket.gaierror)  # its numbers are not the system's
        reason = os.strerror(error.errno) if error.errno and not unknown else error.strerror or str(error)
        raise VoicechatError("cannot_listen", f"cannot listen on {host}:{port}: {reason}") from None
    return int(runner.addresses[0][1])


def _url(host: str, port: int) -> str:
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{name}:{port}"


def announce(line: str) -> None:
    """The ready line, on standard output at once: programs wait for it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def serve(settings: Settings, *, ready: Callable[[str], None] = announce) -> None:
    """Serves until SIGINT or SIGTERM. Blocking. Raises VoicechatError when it cannot begin."""
    logs.configure(settings.log)
    sys.setswitchinterval(SWITCH_SECONDS)

    async def until_signalled() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await run(settings, ready=ready, stop=stop)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(until_signalled())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where it is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
