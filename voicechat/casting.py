"""Who speaks a caller's answers: the voice they want, the model that has it, and the replica of it that has time.

A choice waits for nothing. Where the wanted model is not there yet, it is loaded beside the session, and until then
another speaks: the interim one, or whoever spoke before.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from voicechat.conversation import SessionSettings
from voicechat.errors import NoReplica, VoicechatError
from voicechat.events import Event, Failed, Noted, SettingsChanged
from voicechat.library.parts import Part, find, spoken
from voicechat.models.manager import ModelManager
from voicechat.models.shelf import original
from voicechat.models.stock import Lease, Model
from voicechat.placement import Replica, Router, Wish
from voicechat.placement.affinity import Affinity
from voicechat.pool import ClauseEnded, Pool, Spoken
from voicechat.protocols import Capabilities, TtsEngine
from voicechat.reply import Speaker
from voicechat.words.pace import Pace

ANSWERS = 8
"""Answers that a worker can be busy with before anybody hears it: the voices for a processor are ten times as fast."""

TOLD_VOICES = 32
"""Unknown voices that one caller is told of."""

ABSENT = Capabilities(streaming=True, languages=())


@dataclass(frozen=True, slots=True)
class Voice:
    """A loaded model as it speaks, and as it is chosen."""

    model: Model[TtsEngine]
    pool: Pool
    replica: Replica


class Ensemble:
    """All that can speak in this house. On the loop.

    `pool` makes the workers of a model, which tell what they do to its second argument. `interim` is a model that
    speaks while others load; empty: none.
    """

    def __init__(
        self,
        models: ModelManager[TtsEngine],
        router: Router,
        affinity: Affinity,
        *,
        pool: Callable[[Model[TtsEngine], Callable[[Spoken], None]], Pool],
        interim: str = "",
        alias: Callable[[str], str] = lambda voice: voice,
    ) -> None:
        self.models, self.router, self.affinity = models, router, affinity
        self.interim = interim
        self._make_pool = pool
        self._alias = alias
        self._voices: WeakKeyDictionary[Model[TtsEngine], Voice] = WeakKeyDictionary()
        self._absent: dict[str, Replica] = {}

    def find(self, wanted: str) -> Part | None:
        """The model for a voice; see `parts.find`."""
        known: dict[str, list[str]] = {name: [] for name in self.models.recipes}
        for model in self.models.loaded():
            known[original(model.name)] = [voice.name for voice in model.engine.voices]
        return find(self._alias(wanted), self.models.default, known)

    def speaking(self, language: str) -> Part:
        """The model for a language and its voice in it: the default if it can, or else a loaded one that can.

        Where none can, the default: whether another engine stands in is for the router to say.
        """
        models = sorted(self.models.loaded(), key=lambda model: original(model.name) != self.models.default)
        for model in models:
            if (voice := spoken(model.engine.voices, language)) is not None:
                return Part(original(model.name), voice)
        return Part(self.models.default)

    def choose(self, name: str, bound: str = "", language: str = "") -> Voice | None:
        """Who speaks for a model; None: it must be loaded first. Raises NoReplica where it cannot speak at all, or not
        in the language, and no other can."""
        now = asyncio.get_running_loop().time()
        voices = {voice.replica: voice for voice in map(self._voice, self.models.loaded())}
        for voice in voices.values():
            voice.replica.waiting = voice.pool.waiting
            voice.replica.factor = voice.pool.factor
            if not voice.pool.in_work and not voice.pool.waiting:
                voice.replica.seen = now  # nothing is asked of it
        replicas = list(voices)
        if name and not any(replica.engine == name for replica in replicas):
            absent = self._absent.setdefault(name, Replica(f"{name}@", name, "", ABSENT, resident=False))
            absent.seen = now
            replicas.append(absent)
        return voices.get(self.router.choose(replicas, Wish(language, engine=name), now, bound).replica)

    def any(self) -> Voice:
        """The default model, which is always there."""
        loaded = self.models.loaded()
        return self._voice(next((model for model in loaded if model.name == self.models.default), loaded[0]))

    def _voice(self, model: Model[TtsEngine]) -> Voice:
        voice = self._voices.get(model)
        if voice is None:
            voice = self._voices[model] = self._new(model)
        return voice

    def _new(self, model: Model[TtsEngine]) -> Voice:
        engine = model.engine
        loop = asyncio.get_running_loop()

        def alive(spoken: Spoken) -> None:
            if isinstance(spoken, ClauseEnded) and spoken.outcome == "done":
                replica.seen = loop.time()

        pool = self._make_pool(model, alive)
        replica = Replica(
            f"{model.name}@{model.device}",
            original(model.name),
            model.device,
            engine.capabilities,
            tuple(voice.name for voice in engine.voices),
            capacity=ANSWERS * len(pool.workers),
            seen=loop.time(),
        )
        return Voice(model, pool, replica)


class Casting:
    """One session's speakers. `open` it before and `close` it after; `run` runs beside the session.

    `caller` is who calls, as far as their program says, and otherwise the session: each voice stays with its replica
    as long as it is the same caller's. `left` is how many seconds of an answer's sound have been queued and not heard;
    `tell` emits events.
    """

    def __init__(
        self,
        ensemble: Ensemble,
        session: str,
        *,
        in_flight: int,
        left: Callable[[], float],
        tell: Callable[[Event], None],
        caller: str = "",
    ) -> None:
        self._ensemble, self._caller = ensemble, caller or session
        self._returns = bool(caller)
        self._in_flight, self._left, self._tell = in_flight, left, tell
        self._paces: defaultdict[str, defaultdict[str, Pace]] = defaultdict(lambda: defaultdict(Pace))
        self._lease: Lease[TtsEngine] | None = None
        self._wanted = ""  # the model that shall speak next
        self._refused: set[str] = set()  # models that could not be loaded
        self._unknown: set[str] = set()  # voices that nobody has, told already
        self._bound: dict[str, str] = {}  # for each model, the replica that speaks for this caller
        self._kept: dict[str, str] = {}  # the same as affinity knows it
        self._changed = asyncio.Event()

    async def open(self) -> None:
        """Raises VoicechatError."""
        self._lease = await self._ensemble.models.acquire()
        self._wanted = self._lease.model.name
        await self._recall(original(self._wanted))

    async def close(self) -> None:
        """A caller who has a name may come again, and finds the same voices."""
        if self._lease is not None:
            self._lease.close()
        for model in () if self._returns else self._kept:
            await self._ensemble.affinity.forget(self._key(model))

    async def _recall(self, model: str) -> None:
        """Which replica spoke for this caller before; it is known when the answer is begun."""
        if model not in self._kept:
            self._kept[model] = await self._ensemble.affinity.get(self._key(model))
            self._bound.setdefault(model, self._kept[model])

    def _key(self, model: str) -> str:
        return f"{self._caller}:{model}"

    def observe(self, event: Event) -> None:
        """Who asks for another voice gets it loaded at once, and hears it in the next answer."""
        if isinstance(event, SettingsChanged):
            self._refused.clear()
            self._want(self._part(event.settings).model)

    def cast(self, settings: SessionSettings) -> Speaker:
        """See `reply.Cast`."""
        part = self._part(settings)
        self._want(part.model)
        voice, named = self._voice_for(part, "" if settings.voice else settings.language or "")
        paces = self._paces[original(voice.model.name)]
        return Speaker(voice.pool, self._in_flight, self._left, paces, named, lambda: self._begin(voice))

    def _voice_for(self, part: Part, language: str) -> tuple[Voice, str]:
        """Who speaks now, and with which voice."""
        ensemble = self._ensemble
        if language:
            main = language.partition("-")[0]  # its voices are of some region
            with suppress(NoReplica):  # then the default speaks it as well as it can
                voice = ensemble.choose(part.model, self._bound.get(part.model, ""), main)
                if voice is not None:
                    return self._bind(voice), spoken(voice.model.engine.voices, language) or ""
        try:
            voice = ensemble.choose(part.model, self._bound.get(part.model, ""))
            if voice is not None:
                return self._bind(voice), part.voice
            held = original(self._lease.model.name) if self._lease is not None else ensemble.models.default
            for name in (ensemble.interim, held, ensemble.models.default):
                if name and (voice := ensemble.choose(name)) is not None:
                    return voice, ""
        except NoReplica:
            pass  # all are stuck, by all we know: it is told when this one is, too
        return ensemble.any(), ""

    def _bind(self, voice: Voice) -> Voice:
        model = original(voice.model.name)
        self._bound[model] = voice.replica.name
        if self._kept.get(model) != voice.replica.name:
            self._changed.set()
        return voice

    def _begin(self, voice: Voice) -> Callable[[], None]:
        """An answer begins: its model stays until it is over, whatever the caller asks for meanwhile."""
        lease = self._ensemble.models.take(voice.model.name)
        voice.replica.in_flight += 1

        def over() -> None:
            voice.replica.in_flight -= 1
            if lease is not None:
                lease.close()

        return over

    def _part(self, settings: SessionSettings) -> Part:
        """The voice that was asked for; where none was, one for the caller's language."""
        wanted = settings.voice
        if not wanted and settings.language:
            return self._ensemble.speaking(settings.language)
        part = self._ensemble.find(wanted)
        if part is None:
            self._miss(wanted)
            part = Part(self._ensemble.models.default)
        return part

    def _miss(self, wanted: str) -> None:
        if wanted not in self._unknown and len(self._unknown) < TOLD_VOICES:
            self._unknown.add(wanted)
            message = f"there is no voice {wanted[:100]!r}; the default speaks"
            self._tell(Noted("voice_unknown", message, "session.audio.output.voice"))

    def _want(self, model: str) -> None:
        if model != self._wanted and model not in self._refused:
            self._wanted = model
            self._changed.set()

    async def run(self) -> None:
        """Loads what is wanted, and tells affinity who speaks; for ever."""
        async with asyncio.TaskGroup() as group:
            following: asyncio.Task[None] | None = None
            while True:
                await self._changed.wait()
                self._changed.clear()
                if following is not None:
                    following.cancel()  # a load that has begun goes on
                following = group.create_task(self._follow())

    async def _follow(self) -> None:
        wanted, held = self._wanted, self._lease
        await self._recall(original(wanted))
        for model, replica in list(self._bound.items()):
            if replica and self._kept.get(model) != replica:
                self._kept[model] = replica
                await self._ensemble.affinity.bind(self._key(model), replica)
        if held is not None and held.model.name == wanted:
            return
        try:
            self._lease = await self._ensemble.models.acquire(wanted)
        except VoicechatError as error:
            self._refused.add(wanted)
            self._wanted = held.model.name if held is not None else self._ensemble.models.default
            self._tell(Failed(error.code, error.message, "session.audio.output.voice"))
            return
        if held is not None:
            held.close()
