"""PocketSphinx: American English on a small processor, with nothing to download.

Beside its open language model it listens for the agent's phrases, which it understands far better, and takes one of
them when the sound supports it; with them, for the stop phrases and back-channels.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import structlog

from voicechat.audio import LISTEN_RATE, AudioFrame, Samples
from voicechat.config import Settings
from voicechat.conversation import Transcript
from voicechat.sphinx import grammar
from voicechat.sphinx.decoder import model
from voicechat.sphinx.ears import Ears
from voicechat.sphinx.pool import Pool

SETTLE: Final = LISTEN_RATE
"""Samples from which the mean of the sound is known, and decoding begins. Knowing it makes a third of the errors
(November 2026, 304 questions by synthetic voices at different levels)."""

LONGEST: Final = 30 * LISTEN_RATE
"""Samples that may wait for ears; what comes then is not heard."""

STEP: Final = 3 * LISTEN_RATE // 10
"""Samples decoded in one call, so that other callers get their turn."""


LATE: Final = LISTEN_RATE // 2
"""Samples that wait when ears cannot keep up; to decode them takes too long for a peek."""


def load(settings: Settings, phrases: Sequence[str]) -> "SphinxEngine":
    """Loads the first decoders. Blocking for half a second. Raises AdapterUnavailable or EngineFailed."""
    barge_in = settings.turn.barge_in
    asides = (*barge_in.stop_phrases, *barge_in.back_channels)
    built = grammar.build(phrases, model("cmudict-en-us.dict"), asides)
    for phrase, words in built.unknown.items():
        structlog.get_logger().warning("phrase_left_out", phrase=phrase, unknown_words=" ".join(words))
    return SphinxEngine(Pool(lambda: Ears(built), settings.asr.pocketsphinx.decoders))


class SphinxEngine:
    name = "pocketsphinx"

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def open(self, language: str | None) -> "SphinxStream":
        """Never waits, whatever the language: it knows only English."""
        return SphinxStream(self._pool)

    def close(self) -> None:
        self._pool.close()


class SphinxStream:
    """One utterance. Sound waits here until its mean is known and ears are free."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._ears: Ears | None = None
        self._waiting = np.zeros(0, np.int16)
        self._said = ""

    def accept(self, frame: AudioFrame) -> str | None:
        """Hear more; decodes at most 0.3 s of it. The text comes from the open language model alone."""
        self._keep(frame.samples)
        if self._ears is None and not (len(self._waiting) >= SETTLE and self._start(self._pool.take())):
            return None
        return self._news(self._step())

    def peek(self) -> Transcript | None:
        """As `finish`, if ears have kept up with the sound."""
        if self._ears is None or len(self._waiting) > LATE:
            return None
        while len(self._waiting):
            self._step()
        return self._ears.peek()

    def finish(self) -> Transcript:
        """A phrase, with the probability that it was said as its confidence; or else any words, with 0.5."""
        if self._ears is None:
            if len(self._waiting) == 0:
                return Transcript("", 0.0)
            self._start(self._pool.take_now())
        assert self._ears is not None
        while len(self._waiting):
            self._step()
        return self._ears.end()

    def close(self) -> None:
        ears, self._ears = self._ears, None
        if ears is not None:
            ears.end()
            self._pool.give(ears)

    def _keep(self, samples: Samples) -> None:
        room = LONGEST - len(self._waiting)
        self._waiting = np.concatenate((self._waiting, samples[:room]))

    def _start(self, ears: Ears | None) -> bool:
        if ears is not None:
            self._ears = ears
            ears.start(self._waiting[:SETTLE])
        return ears is not None

    def _step(self) -> str:
        assert self._ears is not None
        now, self._waiting = self._waiting[:STEP], self._waiting[STEP:]
        return self._ears.hear(now)

    def _news(self, text: str) -> str | None:
        if text == self._said:
            return None
        self._said = text
        return text
