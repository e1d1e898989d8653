"""Whisper on CTranslate2, through faster-whisper: any language, on a processor or a GPU."""

import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from voicechat.adapters.whisper import runtime
from voicechat.adapters.whisper.draft import Draft
from voicechat.adapters.whisper.tail import Tail
from voicechat.adapters.whisper.window import WINDOW, Hearing, Window
from voicechat.audio import LISTEN_RATE, AudioFrame, Samples, silence
from voicechat.config import Settings
from voicechat.conversation import Transcript
from voicechat.errors import EngineFailed

PARTIAL_SECONDS: Final = 1.0
"""New sound needed for the next partial."""

PARTIAL_COST: Final = 0.5
"""Seconds. Where recognition takes longer, speech that goes on is not read: the final transcript would wait for it."""

SHARE: Final = 0.5
"""Of the utterance's time, and of the engine's, that may go into readings before the end."""

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


def load(settings: Settings, phrases: Sequence[str]) -> "WhisperEngine":
    """Loads and warms up the model. Blocking for seconds. Raises AdapterUnavailable or EngineFailed.

    `phrases` are left alone: as a prompt they come back as text where nobody spoke.
    """
    directory = runtime.find(settings)
    model = runtime.open_model(directory, settings)
    wanted = settings.asr.whisper
    try:
        engine = WhisperEngine(Window(model, wanted.beam_size, fitted=wanted.fitted_window), settings.asr.language)
        engine.warm_up()
    except runtime.ERRORS as error:
        raise runtime.bad_model(directory, error) from error
    return engine


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
        weighs: bool = False,
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
        weighs: bool = False,
    ) -> Hearing:
        """As `Window.hear`. Raises EngineFailed."""
        if self._closed:
            raise EngineFailed("recognition_failed", "whisper: the engine is closed")
        start = self._clock()
        try:
            return self._model.hear(
                samples, language, before=before, times=times, temperatures=temperatures, weighs=weighs
            )
        except (RuntimeError, ValueError, MemoryError) as error:
            raise EngineFailed("recognition_failed", f"whisper: {runtime.line(error)}") from error
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
        return runtime.known(self._model.languages, language)


class WhisperStream:
    """One utterance. Whisper reads a whole window, so the sound is kept, and read again as it grows.

    Where two readings of a long utterance agree on a piece, its sound goes and its text stays, to remind the decoder.
    The newest reading is the final one if only quiet follows. Where the end comes without a pause before it, all that
    is not kept is read once more: the encoder hears a sound as a whole, and CTranslate2 walks through words that it is
    given as slowly as through new ones.
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
        self._weighs = False
        self._closed = False

    def weigh(self) -> None:
        """See `protocols.Weighing`."""
        self._weighs = True

    def accept(self, frame: AudioFrame) -> str | None:
        """Keeps the frame; reads all so far in a pause, or after a second of new sound, if the engine has the time."""
        if self._closed:
            return None
        self._seconds += frame.seconds
        self._read = max(0, self._read - self._tail.add(frame.samples))
        if self._is_understood():
            return self._news()  # of a peek
        if not self._may_read():
            return None
        long = len(self._tail) > LONG
        self._hear(times=long, temperatures=FALLBACK if self._may_be_over else ONCE)
        self._spent += self._engine.cost
        if long:
            self._let_go()
        return self._news()

    def peek(self) -> Transcript | None:
        """A reading that is new counts against the utterance's share; None once that is used up."""
        if self._is_understood():
            return self._draft.transcript()
        if not self._may_foresee():
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
        if self._may_be_over:
            return self._may_foresee()
        fresh = (len(self._tail) - self._read) / LISTEN_RATE
        return fresh >= PARTIAL_SECONDS and self._engine.is_quick and self._affords(2) and self._engine.is_rested

    @property
    def _may_be_over(self) -> bool:
        """Whether there is a pause after something that was not read yet."""
        return self._tail.pause >= PAUSE and self._tail.is_loud_from(self._read)

    def _may_foresee(self) -> bool:
        """Whether there is time for a reading that is the final one if only quiet follows. It is no more work then, so
        an utterance has one for nothing; where it takes long, not more of them than leave time for finals."""
        return (not self._spent or self._affords(1)) and (self._engine.is_quick or self._engine.is_rested)

    def _affords(self, readings: int) -> bool:
        """Whether so many are within the utterance's share. A partial leaves room for the reading in a pause."""
        return self._spent + readings * self._engine.cost <= SHARE * self._seconds

    def _hear(self, *, times: bool, temperatures: Sequence[float]) -> None:
        tail = self._tail
        reading = self._engine.hear(
            tail.samples,
            self._language,
            before=self._draft.kept,
            times=times,
            temperatures=temperatures,
            weighs=self._weighs,
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
