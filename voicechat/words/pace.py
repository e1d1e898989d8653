"""Pure: how long it takes to say a word, and how slowly a voice speaks."""

import re
from typing import Final

from voicechat.words.spoken import plain

_VOWEL, _CONSONANT, _WORD = 0.06, 0.09, 0.055
"""Seconds of a vowel's or consonant's letters, and of a word beside them: fitted to read English and to espeak's own
word times (November 2026). Only their proportions matter once a voice is known."""

_WEAK: Final = frozenset(
    "a an and are as at be been but by can could for from had has have he her his in is it of on or she should than"
    " that the their them then there they this to was we were when will with would you your".split()
)
"""English words that are said in passing, in about this part of their time."""
_PASSING: Final = 0.75

_SPELLED: Final = re.compile(r"[A-Z]{2,3}s?|[B-DF-HJ-NP-TV-XZ]{4,6}s?")
_YEARS: Final = re.compile(r"\b(1[1-9]|20)([1-9]\d)\b")
"""They are said in pairs of digits."""

_VOWELS: Final = re.compile(r"[aeiouyæœø]+")
_MUTE: Final = re.compile(r"(?<=..[^aeiouy])e(?=s?$)|(?<=[aeiou])r(?![aeiouy])")
_ONE_SOUND: Final = re.compile(r"([^aeiouy])\1|th|sh|ch|ph|ck|gh|wh|ng")


def length(word: str) -> float:
    """About how many seconds it takes to say a word at an ordinary pace, without a pause after it."""
    letters = re.sub(r"\W", "", word)
    if _SPELLED.fullmatch(letters):
        return _WORD + len(letters) * (_VOWEL + _CONSONANT)
    said = plain(_YEARS.sub(r"\1 \2", word)).split()
    return sum(_said(part) for part in said) if said else _WORD


def _said(word: str) -> float:
    letters = _MUTE.sub("", word.replace("'", "").replace("x", "ks"))
    vowels = len(_VOWELS.findall(letters))
    consonants = len(_ONE_SOUND.sub("-", _VOWELS.sub("", letters)))
    seconds = _WORD + max(1, vowels) * _VOWEL + consonants * _CONSONANT
    return seconds * _PASSING if word in _WEAK else seconds


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
