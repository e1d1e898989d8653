"""Pure: when the words of a clause begin in its sound, where the synthesizer does not know.

Each word gets a share of the speech as long as its letters let expect. A pause lies at a punctuation mark, or at least
between two words; what comes after it is counted anew from there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from voicechat.audio import Samples
from voicechat.words.envelope import Envelope, Pause, Progress
from voicechat.words.pace import Pace, length

BREAK_SECONDS: Final = 0.2
"""Longer pauses are between words even where nothing is written."""

NEWS_SECONDS: Final = 0.1
"""With so much new sound the words are looked for again: a look at ten seconds takes half a millisecond."""

_SLACK: Final = 0.15, 0.25
"""A pause may be this many seconds, and this part of the speech since the last one, from where it is expected."""

_STOPS: Final = frozenset(",;:.!?…–—)")
_CLOSING: Final = "\"'”’»]"


@dataclass(frozen=True, slots=True)
class _Mark:
    """A word of which it is known that it begins after `at` seconds of speech."""

    word: int
    at: float


class WordTimes:
    """One clause. `hear` and `finish` say what sound there is, `split` hands it on with its words.

    The more was heard before a piece is handed on, the better: words that were handed on stay where they are.
    """

    def __init__(self, clause: str, rate: int, pace: Pace, speed: float = 1.0) -> None:
        self._words = clause.split()
        self._rate = rate
        self._pace = pace
        self._lengths = [0.0, *accumulate(length(word) for word in self._words)]  # before each word, and of all
        self._stops = [place for place, word in enumerate(self._words[:-1], 1) if word.rstrip(_CLOSING)[-1:] in _STOPS]
        self._envelope = Envelope(rate, speed)
        self._finished = False
        self._begins: list[float] | None = None  # seconds; None: to be found anew
        self._news = 0  # samples that were heard since
        self._next = 0  # the first word that was not handed on
        self._clock = 0  # samples that were handed on

    @property
    def expected(self) -> float:
        """About how many seconds the clause will last, by the voice's pace."""
        return self._lengths[-1] * self._pace.factor

    def hear(self, samples: Samples) -> None:
        """The next sound of the clause."""
        self._envelope.push(samples)
        self._news += len(samples)
        if self._news >= NEWS_SECONDS * self._rate:
            self._begins = None

    def finish(self) -> None:
        """That was all of it."""
        self._finished = True
        self._begins = None
        spoken = self._envelope.scan().total
        if self._words and spoken > 0:
            self._pace.learn(spoken, self._lengths[-1])

    def split(self, samples: Samples) -> Iterator[tuple[Samples, str]]:
        """The next sound to be handed on, cut where words begin: pieces, each with the words that begin with it."""
        start, end = self._clock, self._clock + len(samples)
        self._clock = end
        begins = self._found()
        words: list[str] = []
        at = start
        while self._next < len(self._words) and (due := round(begins[self._next] * self._rate)) < end:
            if due > at:
                yield samples[at - start : due - start], " ".join(words)
                words, at = [], due
            words.append(self._words[self._next])
            self._next += 1
        yield samples[at - start :], " ".join(words)

    def rest(self) -> str:
        """The words that were not handed on; to be asked when all sound was."""
        words = self._words[self._next :]
        self._next = len(self._words)
        return " ".join(words)

    def _found(self) -> list[float]:
        if self._begins is None and self._words:
            self._news = 0
            self._begins = self._find(self._envelope.scan())
        return self._begins or []

    def _find(self, speech: Progress) -> list[float]:
        """When each word begins, in seconds from the start, by all that was heard so far."""
        known = [_Mark(0, 0.0)]
        for pause in speech.pauses:
            place = None if pause.last and self._finished else self._place(pause, known[-1], speech.total)
            if place is not None:
                known.append(_Mark(place, pause.at))
        begins: list[float] = []
        for mark, following in pairwise(known):
            begins += self._spread(mark, following.word, self._between(mark, following))
        begins += self._spread(known[-1], len(self._words), self._slowness(known[-1], speech.total))
        return [speech.clock(at) for at in begins]

    def _spread(self, mark: _Mark, end: int, slowness: float) -> list[float]:
        return [mark.at + self._expected(mark.word, place) * slowness for place in range(mark.word, end)]

    def _place(self, pause: Pause, mark: _Mark, total: float) -> int | None:
        """The word before which a pause lies; None: it is inside a word."""
        slowness = self._slowness(mark, total)

        def off(place: int) -> float:
            return abs(mark.at + self._expected(mark.word, place) * slowness - pause.at)

        stop = min((place for place in self._stops if place > mark.word), key=off, default=None)
        if stop is not None and off(stop) <= _SLACK[0] + _SLACK[1] * (pause.at - mark.at):
            return stop
        if pause.seconds < BREAK_SECONDS:
            return None
        return min(range(mark.word + 1, len(self._words)), key=off, default=None)

    def _slowness(self, mark: _Mark, total: float) -> float:
        """Of the rest of the clause."""
        heard = (total - mark.at) / self._expected(mark.word, len(self._words))
        return heard if self._finished else max(heard, self._pace.factor)

    def _between(self, mark: _Mark, following: _Mark) -> float:
        return (following.at - mark.at) / self._expected(mark.word, following.word)

    def _expected(self, word: int, until: int) -> float:
        return self._lengths[until] - self._lengths[word]
