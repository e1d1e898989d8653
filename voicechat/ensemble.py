"""All that can speak in this house: its loaded models, each with its workers and as the router sees it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from voicechat.library.parts import Part, find, spoken
from voicechat.models.manager import ModelManager
from voicechat.models.shelf import original
from voicechat.models.stock import Model
from voicechat.placement import Replica, Router, Wish
from voicechat.placement.affinity import Affinity
from voicechat.pool import ClauseEnded, Pool, Spoken
from voicechat.protocols import Capabilities, TtsEngine

ANSWERS = 8
"""Answers that a worker can be busy with before anybody hears it: the voices for a processor are ten times as fast."""

ABSENT = Capabilities(streaming=True, languages=())


@dataclass(frozen=True, slots=True)
class Voice:
    """A loaded model as it speaks, and as it is chosen."""

    model: Model[TtsEngine]
    pool: Pool
    replica: Replica


class Ensemble:
    """The voices of this house. On the loop.

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
