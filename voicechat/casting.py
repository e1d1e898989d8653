"""Who speaks a caller's answers: the voice they want, the model that has it, and the replica of it that has time.

A choice waits for nothing. Where the wanted model is not there yet, it is loaded beside the session, and until then
another speaks: the interim one, or whoever spoke before.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress

from voicechat.conversation import SessionSettings
from voicechat.ensemble import Ensemble, Voice
from voicechat.errors import NoReplica, VoicechatError
from voicechat.events import Event, Failed, Noted, SettingsChanged
from voicechat.library.parts import Part, spoken
from voicechat.models.shelf import original
from voicechat.models.stock import Lease
from voicechat.protocols import TtsEngine
from voicechat.reply import Speaker
from voicechat.words.pace import Pace

TOLD_VOICES = 32
"""Unknown voices that one caller is told of."""


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
