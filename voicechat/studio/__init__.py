"""The house at work for who holds no session: words spoken, sound understood, so many at a time."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from voicechat.config import Settings
from voicechat.ensemble import Ensemble
from voicechat.errors import NoRoom, PeerError
from voicechat.models.manager import ModelManager
from voicechat.models.shelf import original
from voicechat.protocols import AsrEngine, Hearer, Job, Lane, NamedVoice, Outcome, Studio
from voicechat.protocols.studio import Done, JobBegun, JobEnded, Kind
from voicechat.studio.listening import Recording
from voicechat.studio.speaking import Speaking


class HouseStudio(Speaking):
    """See `protocols.Studio`. `observe` hears of every job. On the loop."""

    def __init__(
        self,
        settings: Settings,
        ensemble: Ensemble,
        recognisers: ModelManager[AsrEngine],
        lane: Lane,
        observe: Callable[[Done], None],
    ) -> None:
        super().__init__(ensemble, voice=settings.tts.voice, in_flight=settings.tts.in_flight)
        self.lane = lane
        self.languages = (settings.asr.language,)
        self._recognisers = recognisers
        self._observe = observe
        self._most = self._places = settings.server.max_jobs

    @property
    def voices(self) -> Sequence[NamedVoice]:
        """Where two models have a voice of the same name, the second one's is named with its model before it."""
        loaded = {original(model.name): model.engine for model in self._ensemble.models.loaded()}
        found: dict[str, NamedVoice] = {}
        for model in self._speakers():
            engine = loaded.get(model)
            if engine is None:
                found.setdefault(model, NamedVoice(model, "", model))
                continue
            for voice in engine.voices:
                name = f"{model}-{voice.name}" if voice.name in found else voice.name
                found[name] = NamedVoice(name, voice.language, model)
        return list(found.values())

    @property
    def models(self) -> Sequence[str]:
        understand = sorted(self._recognisers.recipes, key=lambda name: name != self._recognisers.default)
        return list(dict.fromkeys([*self._speakers(), *understand]))

    def _speakers(self) -> list[str]:
        models = self._ensemble.models
        return sorted(models.recipes, key=lambda name: name != models.default)

    @contextmanager
    def admit(self, kind: Kind) -> Iterator[Job]:
        """See `protocols.Studio.admit`."""
        if self._places == 0:
            self._observe(JobEnded(kind, Outcome.REFUSED, None))
            raise NoRoom(f"all {self._most} places for speech and transcriptions are taken")
        self._places -= 1
        self._observe(JobBegun(kind))
        clock = asyncio.get_running_loop().time
        job, begun = Job(), clock()
        try:
            yield job
        except BaseException as error:
            job.outcome = _outcome(error)
            raise
        finally:
            self._places += 1
            self._observe(JobEnded(kind, job.outcome, clock() - begun))

    def listen(self, language: str | None, model: str = "") -> Hearer:
        known = model if model in self._recognisers.recipes else ""
        return Recording(self._recognisers, known, language)


def _outcome(error: BaseException) -> Outcome:
    match error:
        case asyncio.CancelledError() | ConnectionError() | TimeoutError():
            return Outcome.LEFT
        case PeerError():
            return Outcome.REJECTED
        case NoRoom():
            return Outcome.REFUSED
    return Outcome.FAILED


def build(
    settings: Settings,
    ensemble: Ensemble,
    recognisers: ModelManager[AsrEngine],
    lane: Lane,
    observe: Callable[[Done], None] = lambda done: None,
) -> Studio:
    """The studio of a house, whose doors work on the lane."""
    return HouseStudio(settings, ensemble, recognisers, lane, observe)
