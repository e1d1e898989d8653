"""Pure: the words people say without wanting the floor, and those with which they take it at once."""

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Final

from voicechat.words.spoken import core, plain

_DOUBLED: Final = re.compile(r"([^\W\d_])\1+")
_VOWELS: Final = frozenset("aeiouy")


@dataclass(frozen=True, slots=True)
class Said:
    """What a text is made of: so many words, so many of them `others` than back-channels, and whether it says stop."""

    words: int = 0
    others: int = 0
    stops: bool = False

    @property
    def mere(self) -> bool:
        """Something was said, and it is nothing but back-channels."""
        return self.words > 0 and self.others == 0 and not self.stops


class Interjections:
    """Reads texts by two lists of phrases. Spelling, case, punctuation and the length of a hum make no difference."""

    def __init__(self, back_channels: Sequence[str] = (), stop_phrases: Sequence[str] = ()) -> None:
        self._back_channels = {words for phrase in back_channels if (words := _words(phrase))}
        self._stop_phrases = {words for phrase in stop_phrases if (words := _words(phrase))}

    def read(self, text: str) -> Said:
        words = _words(text)
        stops = any(_within(stop, words) for stop in self._stop_phrases)
        return Said(len(words), _outside(words, self._back_channels), stops)

    def stops(self, text: str) -> bool:
        """Whether the text is nothing but stop phrases, with back-channels and politeness around them."""
        words = _words(core(plain(text)))
        return self.read(text).stops and _outside(words, self._stop_phrases | self._back_channels) == 0


def _words(text: str) -> tuple[str, ...]:
    return tuple(word if _VOWELS & set(word) else _DOUBLED.sub(r"\1", word) for word in plain(text).split())


def _outside(words: tuple[str, ...], phrases: Set[tuple[str, ...]]) -> int:
    """How many of the words are in none of the phrases, the longest of which count first."""
    longest = max(map(len, phrases), default=0)
    place = outside = 0
    while place < len(words):
        for length in range(min(longest, len(words) - place), 0, -1):
            if words[place : place + length] in phrases:
                place += length
                break
        else:
            place += 1
            outside += 1
    return outside


def _within(phrase: tuple[str, ...], words: tuple[str, ...]) -> bool:
    return any(words[place : place + len(phrase)] == phrase for place in range(len(words) - len(phrase) + 1))
