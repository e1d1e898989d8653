"""The house itself: it admits callers, serves each with a session of their own, and outlives them all."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import structlog

from voicechat import adapters, logs, studio
from voicechat.casting import Casting
from voicechat.config import Settings
from voicechat.conversation import SessionSettings, TurnDetection
from voicechat.ensemble import Ensemble
from voicechat.errors import NoRoom, VoicechatError
from voicechat.events import Failed
from voicechat.house import lag, listening, tools, voices
from voicechat.house.engines import Engines
from voicechat.house.lanes import Lanes
from voicechat.house.listening import Listening
from voicechat.house.stocking import stock, stock_more
from voicechat.kit import Kit
from voicechat.lane import ThreadLane
from voicechat.metrics import Metrics
from voicechat.models import hardware
from voicechat.opinion import SecondOpinion
from voicechat.pipeline import Pipeline
from voicechat.placement import Device, affinity
from voicechat.placement.affinity import Affinity
from voicechat.protocols import Agent, Lane, Peer, Studio
from voicechat.session import Session
from voicechat.understanding import Recogniser


class House:
    """All that lives as long as the server: engines, lanes, metrics, and the sessions that run.

    `lanes` makes a lane of a name and a deadline in seconds; `survey` tells the devices. `open` it first.
    """

    agent: Agent
    engines: Engines
    kit: Kit
    studio: Studio | None = None
    _affinity: Affinity
    _ensemble: Ensemble
    _listening: Listening

    def __init__(
        self,
        settings: Settings,
        lanes: Callable[[str, float], Lane] = ThreadLane,
        survey: Callable[[], Sequence[Device]] = hardware.devices,
    ) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self._lanes = Lanes(lanes)
        self._survey = survey
        self._opened = AsyncExitStack()
        self._running: dict[str, Pipeline] = {}
        self._places = settings.server.max_sessions
        self._log = structlog.get_logger()

    async def open(self) -> None:
        """Loads every engine. Raises VoicechatError, alone or in a group; `close` it then, too."""
        settings = self.settings
        self._opened.push_async_callback(self._lanes.close)
        self.agent = adapters.choose("agent", settings.agent.engine, settings)
        self._opened.push_async_callback(lambda: self.agent.close())  # whoever it is by then
        self.kit = await tools.gathered(settings, self._lanes.new)
        self._opened.push_async_callback(self.kit.close)
        helping = self._lanes.new("house", settings.asr.deadline)
        self.engines = engines = Engines(
            settings, self._lanes, self._survey, phrases=self.agent.phrases, observe=self.metrics.observe_models
        )
        self._opened.push_async_callback(engines.close)
        self._affinity = affinity.connect(settings.routing.affinity)
        self._opened.push_async_callback(self._affinity.close)
        self._ensemble = voices.gathered(settings, engines, self._affinity, self.metrics)
        working = self._lanes.new("studio", settings.asr.deadline)
        self.studio = studio.build(settings, self._ensemble, engines.asr, working, self.metrics.observe_jobs)
        await helping.run(engines.look)
        whole = engines.shelf.alias
        async with asyncio.TaskGroup() as group:
            group.create_task(stock(engines.asr, settings.asr.engine, settings.asr.preload, whole))
            group.create_task(stock(engines.tts, settings.tts.engine, settings.tts.preload, whole))
            hearing = group.create_task(listening.load(settings, helping, self._lanes))
        self._listening = hearing.result()
        self._opened.callback(self._listening.close)
        await stock_more(engines, settings)
        voices.check(self._ensemble, settings.tts.voice)

    def describe(self) -> str:
        return f"asr {self.engines.asr.default}, tts {self.engines.tts.default}, agent {self.agent.name}"

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

    async def serve(self, session: str, peer: Peer, caller: str = "") -> None:
        """See `protocols.Reception.serve`."""
        casting = Casting(
            self._ensemble,
            session,
            in_flight=self.settings.tts.in_flight,
            left=lambda: peer.left,
            tell=lambda event: state.emit(event),
            caller=caller,
        )
        observers = [self.metrics.observe, logs.observer(session), peer.notify, casting.observe]
        state = Session(session, self._defaults(), self.settings.turn, observers)
        async with AsyncExitStack() as stack:
            try:
                asr = await stack.enter_async_context(self.engines.asr.lend())
                await casting.open()
            except VoicechatError as error:  # the house is closing
                peer.notify(Failed(error.code, error.message))
                return
            stack.push_async_callback(casting.close)
            patience = self._listening.patience(asr.engine.name, self.agent.phrases)
            pipeline = Pipeline(
                state,
                peer,
                ears=self._listening.ears(patience),
                recogniser=Recogniser(asr.engine, asr.lane()),
                agent=self.agent,
                speaker=casting,
                settings=self.settings,
                kit=self.kit,
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

    def end_sessions(self) -> None:
        for pipeline in self._running.values():
            pipeline.end("shutdown")

    async def close(self) -> None:
        """Frees engines and threads; the sessions have ended before."""
        await self._opened.aclose()

    def watches(self) -> list[Coroutine[Any, Any, None]]:
        """What runs beside the sessions, for ever."""
        return [lag.watch(self.metrics.loop_lag.observe), self.engines.evictor.watch()]

    def _defaults(self) -> SessionSettings:
        settings = self.settings
        return SessionSettings(
            instructions=settings.agent.instructions,
            voice=settings.tts.voice,
            turns=TurnDetection(
                threshold=settings.vad.silero.threshold, silence=settings.turn.silence, prefix=settings.turn.prefix
            ),
        )
