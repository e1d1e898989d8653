"""Whisper on CTranslate2, through faster-whisper: any language, on a processor or a GPU."""

import importlib.util
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from voicechat.adapters import whisper_models
from voicechat.audio import LISTEN_RATE, AudioFrame, Samples, level
from voicechat.config import Settings
from voicechat.conversation import Transcript
from voicechat.errors import AdapterUnavailable, EngineFailed

WINDOW: Final = 30 * LISTEN_RATE
"""Samples that Whisper hears at once."""

PARTIAL_SECONDS: Final = 1.0
"""New sound needed for the next partial."""

PARTIAL_COST: Final = 0.5
"""Seconds. Where recognition takes longer there are no partials: the final transcript would wait for them."""

QUIET_DB: Final = -60.0
"""An utterance whose loudest frame is below has no speech: Whisper would make some up."""

NO_SPEECH: Final = 0.6
UNSURE: Final = -0.4
"""Mean log-probability below which the model's belief that nobody spoke is believed."""

REPETITIVE: Final = 2.4
"""Compression ratio of text that goes round in circles, as in Whisper's own decoder."""

TOKENS: Final = 40
TOKENS_A_SECOND: Final = 10
"""More than any speaker needs; they bound the time that a model which repeats itself can take."""

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
        engine = WhisperEngine(model, settings.asr.language, wanted.beam_size)
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


class WhisperEngine:
    """One model for all callers; CTranslate2 takes them one after the other."""

    name = "whisper"

    def __init__(
        self, model: Any, language: str, beam_size: int, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._model = model
        self._languages = frozenset(model.supported_languages)
        self._language = language
        self._beam_size = beam_size
        self._clock = clock
        self._closed = False
        self._cost = 0.0  # seconds that the latest recognition took
        self._rest_until = 0.0  # partials take at most half of the engine's time, whoever speaks

    def open(self, language: str | None) -> "WhisperStream":
        return WhisperStream(self, self._known(language or self._language))

    def close(self) -> None:
        self._closed = True  # CTranslate2 may answer for a while after unloading
        self._model.model.unload_model()

    def warm_up(self) -> None:
        self._decode(np.zeros(LISTEN_RATE, np.float32), self._known(self._language), [0.0])

    def recognise(self, samples: Samples, language: str | None) -> Transcript:
        """What (n,) samples at 16 kHz say, the last 30 s of them; empty text for no speech. Raises EngineFailed."""
        return self._decode(_floats(samples), language, [0.0, 0.4])

    def has_time(self) -> bool:
        """Whether a guess would delay nobody's final transcript by much."""
        return self._cost <= PARTIAL_COST and self._clock() >= self._rest_until

    def guess(self, samples: Samples, language: str | None) -> str:
        """The text of an utterance that goes on, at the first try."""
        text = self._decode(_floats(samples), language, [0.0]).text
        self._rest_until = self._clock() + self._cost
        return text

    def _known(self, language: str) -> str | None:
        """Whisper's code for a language such as en-GB; None, which means listen for it, for any it does not know."""
        code = language.lower().partition("-")[0]
        return code if code in self._languages else None

    def _decode(self, sound: NDArray[np.float32], language: str | None, temperatures: list[float]) -> Transcript:
        if self._closed:
            raise EngineFailed("recognition_failed", "whisper: the engine is closed")
        start = self._clock()
        try:
            segments, about = self._model.transcribe(
                sound,
                language=language,
                beam_size=self._beam_size,
                best_of=1,
                temperature=temperatures,
                compression_ratio_threshold=REPETITIVE,
                no_speech_threshold=NO_SPEECH,
                condition_on_previous_text=False,
                without_timestamps=True,  # one pass over the window, and fewer tokens
                vad_filter=False,
                max_new_tokens=TOKENS + TOKENS_A_SECOND * len(sound) // LISTEN_RATE,
            )
            heard = [segment for segment in segments if not _imagined(segment)]
        except (RuntimeError, ValueError, MemoryError) as error:
            raise EngineFailed("recognition_failed", f"whisper: {_line(error)}") from error
        finally:
            self._cost = self._clock() - start
        return Transcript("".join(segment.text for segment in heard).strip(), _confidence(heard), about.language)


class WhisperStream:
    """One utterance. Whisper hears it whole, so sound is kept, and partials hear it from the start again."""

    def __init__(self, engine: WhisperEngine, language: str | None) -> None:
        self._engine = engine
        self._language = language
        self._frames: deque[Samples] = deque()
        self._length = 0
        self._fresh = 0.0  # seconds of sound since the latest partial
        self._loudest = -100.0
        self._partial = ""
        self._closed = False

    def accept(self, frame: AudioFrame) -> str | None:
        """Keeps the frame; about once a second of sound recognises all so far, if the engine has the time."""
        if self._closed:
            return None
        self._keep(frame.samples)
        self._fresh += frame.seconds
        if self._fresh < PARTIAL_SECONDS or self._loudest < QUIET_DB or not self._engine.has_time():
            return None
        self._fresh = 0.0
        text = self._engine.guess(self._sound(), self._language)
        if not text or text == self._partial:
            return None
        self._partial = text
        return text

    def finish(self) -> Transcript:
        if self._closed or not self._length or self._loudest < QUIET_DB:
            return Transcript("", 0.0, self._language or "en")
        return self._engine.recognise(self._sound(), self._language)

    def close(self) -> None:
        self._closed = True
        self._frames.clear()

    def _keep(self, samples: Samples) -> None:
        """The newest 30 s: what a longer utterance began with is silence from before it, or lost."""
        self._frames.append(samples)
        self._length += len(samples)
        while self._length - len(self._frames[0]) >= WINDOW:
            self._length -= len(self._frames.popleft())
        self._loudest = max(self._loudest, level(samples))

    def _sound(self) -> Samples:
        return np.concatenate(self._frames)


def _floats(samples: Samples) -> NDArray[np.float32]:
    return samples[-WINDOW:].astype(np.float32) / 32768.0


def _imagined(segment: Any) -> bool:
    """Whether the text is of the kind that Whisper makes up in silence and noise."""
    nobody = segment.no_speech_prob > NO_SPEECH and segment.avg_logprob < UNSURE
    return bool(nobody or segment.compression_ratio > REPETITIVE)


def _confidence(segments: Iterable[Any]) -> float:
    """exp of the mean log-probability, weighted by the segments' length; 0.0 without segments."""
    weighted = [(segment.end - segment.start, segment.avg_logprob) for segment in segments]
    seconds = sum(length for length, _ in weighted)
    if seconds <= 0:
        return 0.0
    return min(1.0, math.exp(sum(length * value for length, value in weighted) / seconds))


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
