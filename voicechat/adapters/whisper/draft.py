"""Pure: an utterance's text in the making, from successive readings of its sound."""

import math
from collections.abc import Iterable
from dataclasses import replace

from voicechat.adapters.whisper.window import Hearing, Piece
from voicechat.conversation import Transcript, Weighed
from voicechat.words.agreement import Word, common, words


class Draft:
    """Text that is kept, since two readings agreed on it, and the newest reading of the sound after it."""

    def __init__(self, language: str) -> None:
        self.kept = ""
        self.reading = Hearing((), 0.0, language)
        self._seconds = 0.0  # of the reading's sound
        self._weights: list[tuple[float, float]] = []  # of what is kept: seconds, log-probability
        self._kept: list[Weighed] = []
        self._words: list[Word] = []  # of the reading
        self._agreed = 0  # how many of them the reading before has too

    @property
    def text(self) -> str:
        return (self.kept + self.reading.text).strip()

    def take(self, reading: Hearing, seconds: float) -> None:
        """The newest reading, of so much sound."""
        before, self._words = self._words, words(reading.text)
        self._agreed = common(before, self._words)
        self.reading, self._seconds = reading, seconds

    def keep(self) -> float:
        """Keeps the pieces of agreed words that know their end, but for the last one, which is in work.

        Returns the seconds that they take; the next reading is of the sound after them.
        """
        end, count, kept = 0.0, 0, 0
        for piece in self.reading.pieces[:-1]:
            count += len(words(piece.text))
            if count > self._agreed or piece.end is None or piece.end > self._seconds:
                break
            end, kept = piece.end, kept + 1
        if not kept:
            return 0.0
        pieces = self.reading.pieces
        self.kept += "".join(piece.text for piece in pieces[:kept])
        self._kept += _weighed(pieces[:kept])
        self._weights.append((end, self.reading.logprob))
        rest = (piece._replace(end=piece.end and piece.end - end) for piece in pieces[kept:])
        self.take(replace(self.reading, pieces=tuple(rest)), self._seconds - end)
        return end

    def transcript(self) -> Transcript:
        weighed = (*self._kept, *_weighed(self.reading.pieces))
        return Transcript(self.text, self._confidence(), self.reading.language, weighed=weighed)

    def _confidence(self) -> float:
        """exp of the mean of the readings' log-probabilities, weighted by their seconds; 0.0 without words."""
        weights = list(self._weights)
        if self.reading.pieces:
            weights.append((self._seconds, self.reading.logprob))
        seconds = sum(length for length, _ in weights)
        if seconds <= 0:
            return 0.0
        return min(1.0, math.exp(sum(length * value for length, value in weights) / seconds))


def _weighed(pieces: Iterable[Piece]) -> list[Weighed]:
    return [word for piece in pieces for word in piece.weighed]
