"""A chat model's tokens → clauses to synthesize: the first one short, so that the voice begins early."""

from typing import Final

from voicechat.words.markup import BlockEnd, Plain, Stop, Word

FIRST_WORDS: Final = 8
"""The first clause is cut here when no punctuation came."""

SHORTEST: Final = 20
"""Characters; a shorter sentence waits for the next one, except the first."""

LONGEST: Final = 300
"""Characters; never more. Synthesizers slow down or fail on more."""

WIDE: Final = "\u2e80"
"""The first character of the scripts that write a syllable or more with each."""

SOFT_FROM: Final = (12, 60, 160)
"""Characters from which a comma ends the first, the second and any later clause.

A voice that has begun must not run dry: the second clause must be there when the first one is spoken.
"""


class Clauses:
    """Cuts one answer into clauses. How the text is cut into tokens makes no difference; time is linear."""

    def __init__(self) -> None:
        self._plain = Plain()
        self._phrase = Phrase()
        self._number = 0

    def push(self, delta: str) -> list[str]:
        """The clauses that are complete with this piece of text."""
        return [clause for part in self._plain.push(delta) for clause in self._take(part)]

    def finish(self) -> list[str]:
        """The rest of the answer."""
        clauses = [clause for part in self._plain.finish() for clause in self._take(part)]
        return clauses + self._cut()

    def _take(self, part: Word | BlockEnd) -> list[str]:
        if isinstance(part, BlockEnd):
            self._phrase.end_block()
            return self._cut() if self._long_enough() else []
        clauses = self._cut() if self._full(part) else []
        self._phrase.add(part)
        if (part.stop is Stop.FULL and self._long_enough()) or (part.stop is Stop.SOFT and self._may_pause()):
            clauses += self._cut()
        return clauses

    def _long_enough(self) -> bool:
        return self._number == 0 or self._phrase.weight >= SHORTEST

    def _may_pause(self) -> bool:
        return self._phrase.weight >= SOFT_FROM[min(self._number, len(SOFT_FROM) - 1)]

    def _full(self, word: Word) -> bool:
        """Whether the phrase ends before this word; only then it is sure that no punctuation follows."""
        if self._number == 0 and self._phrase.words >= FIRST_WORDS and not word.glued:
            return True
        return self._phrase.length + len(word.text) + 1 >= LONGEST

    def _cut(self) -> list[str]:
        """The phrase as a clause, unless nothing in it can be spoken: then it waits for more."""
        if not self._phrase.spoken:
            return []
        clause, self._phrase = self._phrase.text, Phrase()
        self._number += 1
        return [clause]


class Phrase:
    """Words joined to text."""

    def __init__(self) -> None:
        self.length = 0
        self.weight = 0
        """The length, with a Chinese, Japanese or Korean character counted as two: it takes as long to say."""
        self.words = 0
        self.spoken = False
        """Whether a letter or digit is in it."""
        self._parts: list[str] = []
        self._open = False  # the last word has no punctuation

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def add(self, word: Word) -> None:
        text = word.text if word.glued or not self._parts else f" {word.text}"
        self._parts.append(text)
        self.length += len(text)
        self.weight += len(text) + sum(char >= WIDE for char in text)
        self.words += not word.glued
        spoken = any(map(str.isalnum, word.text))
        self.spoken = self.spoken or spoken
        self._open = spoken and word.stop is Stop.NONE

    def end_block(self) -> None:
        """A heading or list item gets the full stop that it lacks: voices pause there."""
        if self._open:
            self.add(Word(".", Stop.FULL, glued=True))
