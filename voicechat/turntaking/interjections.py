"""Pure: the words people say without wanting the floor, and those with which they take it at once."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from voicechat.words.spoken import plain

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
        self._longest = max(map(len, self._back_channels), default=0)

    def read(self, text: str) -> Said:
        words = _words(text)
        return Said(len(words), self._others(words), any(_within(stop, words) for stop in self._stop_phrases))

    def stops(self, text: str) -> bool:
        """Whether the whole text is a stop phrase, said once or more."""
        words = _words(text)
        return any(
            len(words) % len(stop) == 0 and stop * (len(words) // len(stop)) == words for stop in self._stop_phrases
        ) and bool(words)

    def _others(self, words: tuple[str, ...]) -> int:
        place = others = 0
        while place < len(words):
            for length in range(min(self._longest, len(words) - place), 0, -1):
                if words[place : place + length] in self._back_channels:
                    place += length
                    break
            else:
                place += 1
                others += 1
        return others


def _words(text: str) -> tuple[str, ...]:
    return tuple(word if _VOWELS & set(word) else _DOUBLED.sub(r"\1", word) for word in plain(text).split())


def _within(phrase: tuple[str, ...], words: tuple[str, ...]) -> bool:
    return any(words[place : place + len(phrase)] == phrase for place in range(len(words) - len(phrase) + 1))
