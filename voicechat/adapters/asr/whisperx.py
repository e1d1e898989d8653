"""WhisperX's way of reading: the speech of a recording is found first, cut into windows and read in batches, and each
word is given its time. For recordings, and for callers whose words matter more than the wait for an answer.

Made of faster-whisper's parts; the package whisperx is needed for its aligner alone, see `adapters.whisper.aligner`.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from voicechat.adapters.whisper import aligner, runtime
from voicechat.adapters.whisper.tail import Tail
from voicechat.adapters.whisper.window import LEAST, NO_SPEECH, REPETITIVE, TOKENS, TOKENS_A_SECOND, UNSURE, WINDOW
from voicechat.audio import LISTEN_RATE, AudioFrame, Samples, silence
from voicechat.config import Settings
from voicechat.conversation import TimedWord, Transcript, Weighed
from voicechat.errors import EngineFailed

PAUSE: Final = 0.2
"""Seconds of quiet after which the caller may have finished, and is read."""

COST: Final = 0.5
"""Seconds. Where a reading takes longer, nothing is read before the end."""

SHARE: Final = 0.5
"""Of the utterance's time that may go into readings before its end."""

QUIET_DB: Final = -60.0
"""A sound whose loudest tenth of a second is below has no speech."""

MOST_TOKENS: Final = TOKENS + TOKENS_A_SECOND * WINDOW // LISTEN_RATE


def load(settings: Settings, phrases: Sequence[str]) -> "WhisperXEngine":
    """Loads and warms up the model, and the aligner if one is named. Blocking for seconds.

    `phrases` are left alone. Raises AdapterUnavailable or EngineFailed.
    """
    align = aligner.load(settings) if settings.asr.whisperx.aligner else None
    directory = runtime.find(settings)
    model = runtime.open_model(directory, settings)
    reader = Batches(model, settings.asr.whisperx.batch, settings.asr.whisper.beam_size, align)
    engine = WhisperXEngine(reader, settings.asr.language)
    try:
        engine.warm_up()
    except runtime.ERRORS as error:
        raise runtime.bad_model(directory, error) from error
    return engine


class Batches:
    """Reads recordings. Blocking. `model` is a faster_whisper.WhisperModel."""

    def __init__(self, model: Any, batch: int, beam_size: int, align: aligner.Align | None = None) -> None:
        self._model, self._batch, self._beam_size, self._align = model, batch, beam_size, align
        self.languages = frozenset(model.supported_languages)

    def read(self, samples: Samples, language: str | None, *, finds_speech: bool = True) -> Transcript:
        """What (n,) samples at 16 kHz say, of any length. Raises what CTranslate2 and onnxruntime raise."""
        from faster_whisper import BatchedInferencePipeline

        sound = samples.astype(np.float32) / 32768.0
        segments, about = BatchedInferencePipeline(self._model).transcribe(  # it keeps state: one for each recording
            sound,
            language=language,
            beam_size=self._beam_size,
            batch_size=self._batch,
            word_timestamps=True,
            vad_filter=finds_speech,
            max_new_tokens=MOST_TOKENS,
        )
        return self._transcript([segment for segment in segments if not _imagined(segment)], sound, about.language)

    def close(self) -> None:
        self._model.model.unload_model()

    def _transcript(self, segments: list[Any], sound: NDArray[np.float32], language: str) -> Transcript:
        words = [[_word(word) for word in segment.words or ()] for segment in segments]
        weighed = tuple(_weighed(word) for segment in segments for word in segment.words or ())
        if self._align is not None and segments:
            words = self._align([segment.text for segment in segments], words, sound)
        text = "".join(segment.text for segment in segments).strip()
        timed = tuple(word for part in words for word in part)
        return Transcript(text, confidence(segments), language, timed, weighed)


def confidence(segments: Iterable[Any]) -> float:
    """exp of the mean of the segments' log-probabilities, weighted by their seconds; 0.0 without segments."""
    weights = [(max(0.01, segment.end - segment.start), segment.avg_logprob) for segment in segments]
    seconds = sum(length for length, _ in weights)
    return min(1.0, math.exp(sum(length * value for length, value in weights) / seconds)) if weights else 0.0


def _imagined(segment: Any) -> bool:
    """Whether the text is of the kind that Whisper makes up in silence and noise."""
    silent = segment.no_speech_prob > NO_SPEECH and segment.avg_logprob < UNSURE
    return bool(silent or segment.compression_ratio > REPETITIVE)


def _word(word: Any) -> TimedWord:
    return TimedWord(word.word.strip(), float(word.start), float(word.end), float(word.probability))


def _weighed(word: Any) -> Weighed:
    """As likely as its tokens are on average."""
    return Weighed(word.word, math.log(max(float(word.probability), LEAST)))


class Reader(Protocol):
    """What the engine needs of `Batches`."""

    languages: frozenset[str]

    def read(self, samples: Samples, language: str | None, *, finds_speech: bool = True) -> Transcript: ...

    def close(self) -> None: ...


class WhisperXEngine:
    """One model for all callers."""

    name = "whisperx"

    def __init__(self, reader: Reader, language: str, clock: Callable[[], float] = time.perf_counter) -> None:
        self._reader = reader
        self._language = language
        self._clock = clock
        self._closed = False
        self.cost = 0.0
        """Seconds that the latest reading took."""

    def open(self, language: str | None) -> "WhisperXStream":
        return WhisperXStream(self, runtime.known(self._reader.languages, language or self._language))

    def read(self, samples: Samples, language: str | None) -> Transcript:
        """As `Batches.read`. Raises EngineFailed."""
        if self._closed:
            raise EngineFailed("recognition_failed", "whisperx: the engine is closed")
        begun = self._clock()
        try:
            return self._reader.read(samples, language)
        except runtime.ERRORS as error:
            raise EngineFailed("recognition_failed", f"whisperx: {runtime.line(error)}") from error
        finally:
            self.cost = self._clock() - begun

    def warm_up(self) -> None:
        """Raises what the model raises."""
        self._reader.read(silence(1.0, LISTEN_RATE), "en", finds_speech=False)

    def close(self) -> None:
        self._closed = True
        self._reader.close()


class WhisperXStream:
    """One utterance or recording, which is kept whole, and read in a pause if that is cheap, and at its end."""

    def __init__(self, engine: WhisperXEngine, language: str | None) -> None:
        self._engine, self._language = engine, language
        self._sound: list[Samples] = []
        self._tail = Tail(WINDOW)  # of a sound no longer than that
        self._seconds = 0.0
        self._spent = 0.0  # seconds of reading before the end
        self._read = 0  # samples that the newest reading is of
        self._transcript = Transcript("", 0.0, language or "en")
        self._closed = False

    def accept(self, frame: AudioFrame) -> str | None:
        if self._closed:
            return None
        self._sound.append(frame.samples)
        self._seconds += frame.seconds
        if self._is_long:
            return None
        self._tail.add(frame.samples)
        if self._tail.pause < PAUSE or self._is_understood() or not self._affords():
            return None
        return self._news()

    def peek(self) -> Transcript | None:
        """None where a reading would take long."""
        if not self._is_understood():
            if self._is_long or not self._affords():
                return None
            self._news()
        return self._transcript

    def finish(self) -> Transcript:
        if not self._is_understood():
            self._hear()
        return self._transcript

    def close(self) -> None:
        self._closed = True
        self._sound.clear()
        self._transcript = Transcript("", 0.0, self._language or "en")

    @property
    def _is_long(self) -> bool:
        return self._seconds * LISTEN_RATE > WINDOW

    def _is_understood(self) -> bool:
        """Whether a new reading would bring nothing: there is only quiet since the newest, or at all."""
        if self._closed or not self._sound:
            return True
        if self._is_long:
            return self._read > WINDOW
        return self._tail.loudest < QUIET_DB or not self._tail.is_loud_from(self._read)

    def _affords(self) -> bool:
        cost = self._engine.cost
        return cost <= COST and self._spent + cost <= SHARE * self._seconds

    def _news(self) -> str | None:
        before = self._transcript.text
        self._hear()
        self._spent += self._engine.cost
        return self._transcript.text if self._transcript.text not in ("", before) else None

    def _hear(self) -> None:
        self._sound = [np.concatenate(self._sound)]
        self._transcript = self._engine.read(self._sound[0], self._language)
        self._read = len(self._sound[0])
