"""Pure: how long it takes to say a word, and how slowly a voice speaks."""

import re
from typing import Final

from voicechat.spoken import plain

_VOWEL, _CONSONANT, _WORD = 0.05, 0.08, 0.05
"""Seconds of a vowel's or consonant's letters, and of a word beside them: least squares over read English and espeak's
word times (November 2026)."""

_SPELLED: Final = re.compile(r"^[A-Z]{2,5}s?$")
_VOWELS: Final = re.compile(r"[aeiouyæœø]+")
_MUTE: Final = re.compile(r"(?<=..[^aeiouy])e(?=s?$)")
_ONE_SOUND: Final = re.compile(r"([^aeiouy])\1|th|sh|ch|ph|ck|gh|wh|ng")


def length(word: str) -> float:
    """About how many seconds it takes to say a word at an ordinary pace, without a pause after it."""
    letters = re.sub(r"\W", "", word)
    if _SPELLED.match(letters):
        return _WORD + len(letters) * (_VOWEL + _CONSONANT)
    said = plain(word).split()
    return sum(_said(part) for part in said) if said else _WORD


def _said(word: str) -> float:
    word = _MUTE.sub("", word.replace("'", ""))
    vowels = len(_VOWELS.findall(word))
    consonants = len(_ONE_SOUND.sub("-", _VOWELS.sub("", word)))
    return _WORD + max(1, vowels) * _VOWEL + consonants * _CONSONANT


class Pace:
    """How slowly a voice speaks, as it has shown: 1.0 is the pace of `length`."""

    _FADING: Final = 0.9
    """What an older clause counts beside a newer one."""

    _FAITH: Final = 0.5
    """Seconds of speech that the first guess is worth."""

    def __init__(self) -> None:
        self._spoken = self._expected = self._FAITH

    @property
    def factor(self) -> float:
        return self._spoken / self._expected

    def learn(self, spoken: float, expected: float) -> None:
        """A clause took `spoken` seconds, of which `length` says that it takes `expected`."""
        self._spoken = self._spoken * self._FADING + spoken
        self._expected = self._expected * self._FADING + expected
