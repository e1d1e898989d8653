"""The composition root: the only file that knows which engines and doors there are, and puts them together."""

import asyncio
import gc
import importlib
import os
import secrets
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from types import ModuleType
from typing import Any, Final, cast

import structlog

from voicechat import adapters, logs
from voicechat.casting import Casting, Ensemble
from voicechat.config import Settings
from voicechat.conversation import SessionSettings, TurnDetection
from voicechat.ears import Ears
from voicechat.echo.gate import Gate
from voicechat.errors import AdapterUnavailable, ConfigError, NoRoom, VoicechatError
from voicechat.events import Failed
from voicechat.lane import ThreadLane
from voicechat.library.catalogue import BUILT_IN, Entry, Kind
from voicechat.metrics import Metrics
from voicechat.models import footprint, hardware, warmup
from voicechat.models.desk import Desk
from voicechat.models.evictor import Evictor
from voicechat.models.machine import Machine
from voicechat.models.manager import LOAD_SECONDS, ModelManager
from voicechat.models.residency import Limits
from voicechat.models.shelf import COPY, Recipes, Shelf
from voicechat.models.stock import Model, Recipe
from voicechat.opinion import SecondOpinion
from voicechat.pipeline import Pipeline, Recogniser
from voicechat.placement import Device, Router, affinity
from voicechat.pool import MOST_WORKERS, Pool, Spoken, places_on, workers_for
from voicechat.protocols import Agent, AsrEngine, Lane, Peer, Spotter, TtsEngine, TurnDetector, VadEngine
from voicechat.session import Session
from voicechat.turnstile import Turnstile, Worker
from voicechat.turntaking.endpointing import Endpointing, Waits

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


def _on(settings: Settings, kind: str, device: str) -> Settings:
    """Settings with which a kind's engines are loaded on a device."""
    section = getattr(settings, kind)
    return settings.model_copy(update={kind: section.model_copy(update={"device": device})})


class House:
    """All that lives as long as the server: engines, lanes, metrics, and the sessions that run.

    `lanes` makes a lane of a name and a deadline in seconds; `survey` tells the devices.
    """

    def __init__(
        self,
        settings: Settings,
        lanes: Callable[[str, float], Lane] = ThreadLane,
        survey: Callable[[], Sequence[Device]] = hardware.devices,
    ) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.agent: Agent
        self.asr: ModelManager[AsrEngine]
        self.tts: ModelManager[TtsEngine]
        self.desk: Desk
        self._fast: VadEngine
        self._slow: VadEngine
        self._detector: TurnDetector | None = None
        self._spotter: Spotter | None = None
        self._detecting: Lane
        self._make_lane = lanes
        self._lanes: list[Lane] = []
        self._shelf = Shelf(settings.models.root)
        self._look = survey
        self._devices: Sequence[Device] = ()
        self._running: dict[str, Pipeline] = {}
        self._places = settings.server.max_sessions
        self._log = structlog.get_logger()

    async def open(self) -> None:
        """Loads every engine. Raises VoicechatError, alone or in a group."""
        settings = self.settings
        self.agent = choose("agent", settings.agent.engine, settings)
        helping = self._lane("house", settings.asr.deadline)
        await helping.run(self._look_at_the_shelf)
        self._furnish()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._stock("asr", self.asr, settings.asr.engine, settings.asr.preload))
            group.create_task(self._stock("tts", self.tts, settings.tts.engine, settings.tts.preload))
            fast = group.create_task(helping.run(lambda: choose("vad", "webrtc", settings)))
            slow = group.create_task(helping.run(lambda: choose("vad", "silero", settings)))
            spotter = group.create_task(helping.run(lambda: _spotter(settings)))
        self._fast, self._slow, self._spotter = fast.result(), slow.result(), spotter.result()
        await self._stock_more()
        if settings.turn.detector:
            self._detecting = self._lane("turn-0", settings.asr.deadline)
            self._detector = await self._detecting.run(lambda: choose("turn", "smart_turn", settings))
        self._check_voice()

    def _look_at_the_shelf(self) -> None:
        """Blocking. A folder that cannot be read has no models: the built-in ones need none."""
        try:
            self._shelf.entries()
        except AdapterUnavailable as error:
            self._log.warning("no models", error=error.message)

    def _furnish(self) -> None:
        """What models live on: devices, lanes, limits, and who chooses between those that speak."""
        knobs = self.settings.models
        self._evictor = Evictor(Limits(knobs.ttl, knobs.resident_cap, knobs.memory_budget), knobs.evict_interval)
        makers = [self._lane(f"load-{number}", LOAD_SECONDS) for number in range(knobs.max_parallel_loads)]
        self._machine = machine = Machine(
            lanes=self._lanes_on, makers=makers, survey=self._survey_devices, measure=footprint.used
        )
        self.asr = ModelManager(
            "asr", self._recipes("asr", self.agent.phrases), machine, self._evictor,
            warm_up=warmup.listen, observe=self.metrics.observe_models,
        )  # fmt: skip
        self.tts = ModelManager(
            "tts", self._recipes("tts"), machine, self._evictor,
            warm_up=warmup.speak, observe=self.metrics.observe_models,
        )  # fmt: skip
        routing = self.settings.routing
        self._affinity = affinity.connect(routing.affinity)
        self._turnstile = Turnstile(lambda device: places_on(device, self.settings.tts.per_device))
        self._ensemble = Ensemble(
            self.tts,
            Router(
                routing.strategy,
                stale_seconds=routing.stale_seconds,
                fallback=routing.fallback,
                observers=[self.metrics.observe_routing],
            ),
            self._affinity,
            pool=self._pool,
            interim=self.settings.tts.interim,
            alias=self._shelf.alias,
        )
        self.desk = Desk(self._shelf, {"asr": self.asr, "tts": self.tts}, self._survey_devices)

    def _survey_devices(self) -> Sequence[Device]:
        """Blocking."""
        self._devices = self._look()
        return self._devices

    def _recipes(self, kind: Kind, *arguments: object) -> Recipes[Any]:
        """Of every model of a kind; `arguments` are what its adapters are loaded with beside the settings."""

        def recipe(engine: str, entry: Entry | None) -> Recipe[Any]:
            settings = self.settings if entry is None else entry.chosen(self.settings)
            wanted = "cpu" if engine in BUILT_IN else getattr(settings, kind).device

            def make(device: str) -> Any:
                if device == "cpu" and wanted == "auto" and len(self._devices) == 1:
                    device = wanted  # nothing here tells of GPUs; the engine's library may see one
                return choose(kind, engine, _on(settings, kind, device), *arguments)

            return Recipe(engine, make, wanted, memory=entry.size if entry is not None else 0)

        return Recipes(self._shelf, kind, adapters.names(kind), recipe)

    def _lanes_on(self, kind: str, device: str) -> tuple[Lane, ...]:
        """As many as can work at the same time."""
        knobs = self.settings.tts if kind == "tts" else self.settings.asr
        count = min(MOST_WORKERS, os.cpu_count() or 1)
        if kind == "tts" and self.settings.tts.workers is not None:
            count = self.settings.tts.workers
        place = kind if device == "cpu" else f"{kind}-{device}"
        return tuple(self._lane(f"{place}-{number}", knobs.deadline) for number in range(count))

    def _pool(self, model: Model[TtsEngine], tell: Callable[[Spoken], None]) -> Pool:
        """The workers of a model that speaks."""
        lanes = model.lanes[: workers_for(model.engine, self.settings.tts.workers)]
        workers = [Worker(model.engine, lane, model.device) for lane in lanes]
        return Pool(workers, self._turnstile, [self.metrics.observe_synthesis, tell])

    async def _stock(self, kind: str, models: ModelManager[Any], wanted: str, preload: Sequence[str]) -> None:
        """Loads the default model of a kind. Raises ConfigError or AdapterError."""
        for name in (*([] if wanted == "auto" else [wanted]), *preload):
            if name not in models.recipes:
                allowed = ", ".join([*(["auto"] if name == wanted else []), *models.recipes])
                key = "engine" if name == wanted else "preload"
                raise ConfigError("bad_config", f"{kind}.{key}: found '{name}'; allowed: {allowed}")
        reasons = []
        for name in PREFERRED[kind] if wanted == "auto" else (wanted,):
            try:
                await models.load(name)
            except AdapterUnavailable as error:
                if wanted != "auto":
                    raise
                models.forget(name)
                reasons.append(f"{name}: {error.message}")
            else:
                models.default = name
                models.keep(name)
                return
        raise AdapterUnavailable("no_engine", f"no {kind} engine can be loaded here; {'; '.join(reasons)}")

    async def _stock_more(self) -> None:
        """Loads what is not needed to begin with: that it cannot be loaded is told and no more. Raises ConfigError."""
        knobs = self.settings.tts
        copies = [f"{self.tts.default}{COPY}{number}" for number in range(2, knobs.copies + 1)]
        if knobs.interim:
            if knobs.interim not in self.tts.recipes:
                allowed = ", ".join(self.tts.recipes)
                raise ConfigError("bad_config", f"tts.interim: found '{knobs.interim}'; allowed: {allowed}")
            copies.append(knobs.interim)
        for name in copies:
            self.tts.keep(name)
        loads = [self.tts.load(name) for name in (*copies, *knobs.preload)]
        loads += [self.asr.load(name) for name in self.settings.asr.preload]
        for failure in await asyncio.gather(*loads, return_exceptions=True):
            if isinstance(failure, BaseException) and not isinstance(failure, VoicechatError):
                raise failure

    def _check_voice(self) -> None:
        """Raises ConfigError. A caller who asks for a voice that is not there gets the default; an operator is told."""
        wanted = self.settings.tts.voice
        if self._ensemble.find(wanted) is None:
            names = [voice.name for voice in self._ensemble.any().model.engine.voices]
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
        casting = Casting(
            self._ensemble,
            session,
            in_flight=self.settings.tts.in_flight,
            left=lambda: peer.left,
            tell=lambda event: state.emit(event),
        )
        observers = [self.metrics.observe, logs.observer(session), peer.notify, casting.observe]
        state = Session(session, self._defaults(), knobs, observers)
        async with AsyncExitStack() as stack:
            try:
                asr = await stack.enter_async_context(self.asr.lend())
                await casting.open()
            except VoicechatError as error:  # the house is closing
                peer.notify(Failed(error.code, error.message))
                return
            stack.push_async_callback(casting.close)
            patience = self._patience(asr.engine.name)
            gate = Gate(knobs.echo.margin_db) if knobs.echo.gate else None
            pipeline = Pipeline(
                state,
                peer,
                ears=Ears(self._fast.open(), self._slow.open(), patience=patience, gate=gate, spotter=self._spotter),
                recogniser=Recogniser(asr.engine, asr.lane()),
                agent=self.agent,
                speaker=casting,
                settings=self.settings,
                chores=[casting.run, *([patience.run] if isinstance(patience, SecondOpinion) else [])],
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
        if hasattr(self, "desk"):
            async with asyncio.TaskGroup() as group:
                group.create_task(self.asr.close())
                group.create_task(self.tts.close())
                group.create_task(self._affinity.close())
            await self._machine.close()
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

    def watches(self) -> list[Coroutine[Any, Any, None]]:
        """What runs beside the sessions, for ever."""
        return [self.watch_loop(), self._evictor.watch()]

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

        site = http.build(settings, house, registry=house.metrics.registry, operations=house.desk)
        runner = web.AppRunner(site, access_log=None, shutdown_timeout=CLOSE_SECONDS)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        port = await _listen(runner, settings.server.host, settings.server.port)
        assert runner.server is not None
        for watch in (*house.watches(), site[SILENCE].cut(runner.server)):
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
