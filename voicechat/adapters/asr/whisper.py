"""Whisper on CTranslate2, through faster-whisper: any language, on a processor or a GPU."""

import importlib.util
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from voicechat.adapters import whisper_models
from voicechat.adapters.tail import Tail
from voicechat.adapters.whisper_draft import Draft
from voicechat.adapters.whisper_window import WINDOW, Hearing, Window
from voicechat.audio import LISTEN_RATE, AudioFrame, Samples, silence
from voicechat.config import Settings
from voicechat.conversation import Transcript
from voicechat.errors import AdapterUnavailable, EngineFailed

PARTIAL_SECONDS: Final = 1.0
"""New sound needed for the next partial."""

PARTIAL_COST: Final = 0.5
"""Seconds. Where recognition takes longer there are no partials: the final transcript would wait for them."""

SHARE: Final = 0.5
"""Of the utterance's time, and of the engine's, that may go into partials."""

PAUSE: Final = 0.2
"""Seconds of quiet after which the caller may have finished: what they said is understood at once, so that the final
transcript is there when it is asked for. Shorter than any wait for the end of a turn."""

LONG: Final = 8 * LISTEN_RATE
"""Samples from which it pays to look for a part that is understood for good. The words of less are read in no time."""

UNREAD: Final = 0.5
"""Seconds of speech after the last piece from which on the model has left some for later."""

QUIET_DB: Final = -60.0
"""An utterance whose loudest tenth of a second is below has no speech: Whisper would make some up."""

ONCE: Final = (0.0,)
FALLBACK: Final = (0.0, 0.4)
"""Temperatures: two tries at most, since a caller waits."""

COMPUTE_TYPES: Final = {"cpu": ("int8", "float32"), "cuda": ("float16", "int8", "float32")}
"""Best first."""


def load(settings: Settings, phrases: Sequence[str]) -> "WhisperEngine":
    """Loads and warms up the model. Blocking for seconds. Raises AdapterUnavailable or EngineFailed.

    `phrases` are left alone: as a prompt they come back as text where nobody spoke.
    """
    directory = whisper_models.find(settings)
    if importlib.util.find_spec("faster_whisper") is None:
        raise AdapterUnavailable("library_missing", "asr whisper: the package faster-whisper is not installed")
    whisper_models.check(directory)
    import faster_whisper

    faster_whisper.transcribe.tqdm.monitor_interval = 0  # or a thread watches progress bars that nobody sees
    wanted = settings.asr.whisper
    device, index = _device(settings.asr.device)
    try:
        model = faster_whisper.WhisperModel(
            str(directory),
            device=device,
            device_index=index,
            compute_type=_compute_type(wanted.compute_type, device, index),
            cpu_threads=wanted.threads,
            num_workers=1,
            local_files_only=True,
        )
        engine = WhisperEngine(Window(model, wanted.beam_size, fitted=wanted.fitted_window), settings.asr.language)
        engine.warm_up()
    except (RuntimeError, ValueError, TypeError, KeyError, OSError, MemoryError) as error:
        raise EngineFailed("bad_model", f"{directory}: cannot be loaded: {_line(error)}") from error
    return engine


def _device(wanted: str) -> tuple[str, int]:
    """CTranslate2's name and number of the wanted device."""
    import ctranslate2

    count = ctranslate2.get_cuda_device_count()
    name, _, number = wanted.partition(":")
    if name == "auto":
        return ("cuda" if count else "cpu"), 0
    index = int(number or 0)
    if name == "cuda" and index >= count:
        raise AdapterUnavailable("no_device", f"asr.device: found {wanted!r}; CTranslate2 sees {count} CUDA devices")
    return name, index


def _compute_type(wanted: str, device: str, index: int) -> str:
    import ctranslate2

    if wanted != "default":
        return wanted
    supported = ctranslate2.get_supported_compute_types(device, index)
    return next((name for name in COMPUTE_TYPES[device] if name in supported), "default")


class Model(Protocol):
    """What the engine needs of `Window`."""

    languages: frozenset[str]

    def hear(
        self,
        samples: Samples,
        language: str | None,
        *,
        before: str = "",
        times: bool = False,
        temperatures: Sequence[float] = ONCE,
    ) -> Hearing: ...

    def close(self) -> None: ...


class WhisperEngine:
    """One model for all callers; CTranslate2 takes them one after the other."""

    name = "whisper"

    def __init__(self, model: Model, language: str, clock: Callable[[], float] = time.perf_counter) -> None:
        self._model = model
        self._language = language
        self._clock = clock
        self._closed = False
        self._rest_until = 0.0
        self.cost = 0.0
        """Seconds that the latest recognition took."""

    def open(self, language: str | None) -> "WhisperStream":
        return WhisperStream(self, self._known(language or self._language))

    def close(self) -> None:
        self._closed = True  # CTranslate2 may answer for a while after unloading
        self._model.close()

    def warm_up(self) -> None:
        self.hear(silence(1.0, LISTEN_RATE), self._known(self._language), temperatures=ONCE)

    def hear(
        self,
        samples: Samples,
        language: str | None,
        *,
        before: str = "",
        times: bool = False,
        temperatures: Sequence[float] = FALLBACK,
    ) -> Hearing:
        """As `Window.hear`. Raises EngineFailed."""
        if self._closed:
            raise EngineFailed("recognition_failed", "whisper: the engine is closed")
        start = self._clock()
        try:
            return self._model.hear(samples, language, before=before, times=times, temperatures=temperatures)
        except (RuntimeError, ValueError, MemoryError) as error:
            raise EngineFailed("recognition_failed", f"whisper: {_line(error)}") from error
        finally:
            end = self._clock()
            self.cost = end - start
            self._rest_until = end + self.cost * (1 / SHARE - 1)

    @property
    def is_quick(self) -> bool:
        """Whether a guess delays nobody's final transcript by much."""
        return self.cost <= PARTIAL_COST

    @property
    def is_rested(self) -> bool:
        """Whether there is time for a guess that nobody waits for."""
        return self._clock() >= self._rest_until

    def _known(self, language: str) -> str | None:
        """Whisper's code for a language such as en-GB; None, which means listen for it, for any it does not know."""
        code = language.lower().partition("-")[0]
        return code if code in self._model.languages else None


class WhisperStream:
    """One utterance. Whisper reads a whole window, so the sound is kept, and read again as it grows.

    Where two readings of a long utterance agree on a piece, its sound goes and its text stays, to remind the decoder.
    The newest reading is the final one if only quiet follows.
    """

    def __init__(self, engine: WhisperEngine, language: str | None) -> None:
        self._engine = engine
        self._language = language
        self._draft = Draft(language or "en")
        self._tail = Tail(WINDOW)
        self._read = 0  # samples of the tail that the newest reading is of
        self._settled = False  # no better reading of them is to be had
        self._seconds = 0.0  # of all sound
        self._spent = 0.0  # seconds of recognition before the end
        self._partial = ""
        self._closed = False

    def accept(self, frame: AudioFrame) -> str | None:
        """Keeps the frame; reads all so far in a pause, or after a second of new sound, if the engine has the time."""
        if self._closed:
            return None
        self._seconds += frame.seconds
        self._read = max(0, self._read - self._tail.add(frame.samples))
        if self._is_understood() or not self._may_read():
            return None
        long = len(self._tail) > LONG
        self._hear(times=long, temperatures=ONCE)
        self._spent += self._engine.cost
        if long:
            self._let_go()
        return self._news()

    def peek(self) -> Transcript | None:
        """A reading that is new counts against the utterance's share; None once that is used up."""
        if self._is_understood():
            return self._draft.transcript()
        if not self._affords(1):
            return None
        self._hear(times=False, temperatures=FALLBACK)
        self._spent += self._engine.cost
        return self._draft.transcript()

    def finish(self) -> Transcript:
        if not self._is_understood():
            self._hear(times=False, temperatures=FALLBACK)
        return self._draft.transcript()

    def close(self) -> None:
        self._closed = True
        self._draft = Draft(self._language or "en")
        self._tail.drop(len(self._tail))

    def _is_understood(self) -> bool:
        """Whether a new reading would bring nothing: there is only quiet since the newest, or at all."""
        tail = self._tail
        if self._closed or tail.loudest < QUIET_DB or not tail.is_loud_from(0):
            return True
        return self._settled and not tail.is_loud_from(self._read)

    def _may_read(self) -> bool:
        if self._tail.pause >= PAUSE and self._tail.is_loud_from(self._read):
            return self._affords(1)
        fresh = (len(self._tail) - self._read) / LISTEN_RATE
        return fresh >= PARTIAL_SECONDS and self._affords(2) and self._engine.is_rested

    def _affords(self, readings: int) -> bool:
        """Whether so many are within the utterance's share. A partial leaves room for the reading in a pause."""
        return self._engine.is_quick and self._spent + readings * self._engine.cost <= SHARE * self._seconds

    def _hear(self, *, times: bool, temperatures: Sequence[float]) -> None:
        tail = self._tail
        reading = self._engine.hear(
            tail.samples, self._language, before=self._draft.kept, times=times, temperatures=temperatures
        )
        self._draft.take(reading, len(tail) / LISTEN_RATE)
        self._read = len(tail)
        end = reading.pieces[-1].end if reading.pieces else None
        left = end is not None and end + UNREAD < tail.speech_end
        self._settled = not left and (reading.sure or temperatures == FALLBACK)

    def _let_go(self) -> None:
        """Drops the sound that is understood for good; the language is known then, too."""
        gone = min(round(self._draft.keep() * LISTEN_RATE), len(self._tail))
        if gone:
            self._language = self._draft.reading.language
            self._tail.drop(gone)
            self._read -= gone

    def _news(self) -> str | None:
        text = self._draft.text
        if not text or text == self._partial:
            return None
        self._partial = text
        return text


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
