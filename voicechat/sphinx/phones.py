"""Pure: how far apart two strings of phones are. Accents move vowels; another word has other consonants."""

from collections.abc import Sequence
from typing import Final

VOWELS: Final = frozenset("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split())
_FAMILIES: Final = ("P B", "T D", "K G", "F V TH DH", "S Z", "SH ZH CH JH", "M N NG", "L", "R", "W", "Y", "HH")
FAMILY: Final = {phone: number for number, family in enumerate(_FAMILIES) for phone in family.split()}
"""The consonants, by those that are easily taken for each other."""


def is_phone(name: str) -> bool:
    """False for silence and noise."""
    return name in VOWELS or name in FAMILY


def distance(wanted: Sequence[str], heard: Sequence[str]) -> float:
    """The cheapest way from one to the other, for each wanted phone: 0.0 the same, about 0.2 an accent, 0.5 chance."""
    if not wanted:
        return 1.0
    row = [0.0]
    for phone in heard:
        row.append(row[-1] + _lost(phone))
    for phone in wanted:
        above, row = row, [row[0] + _lost(phone)]
        for column, other in enumerate(heard):
            swapped = above[column] + _swapped(phone, other)
            row.append(min(swapped, above[column + 1] + _lost(phone), row[column] + _lost(other)))
    return row[-1] / len(wanted)


def _lost(phone: str) -> float:
    return 0.5 if phone in VOWELS else 0.7


def _swapped(one: str, other: str) -> float:
    if one == other:
        return 0.0
    if one in VOWELS and other in VOWELS:
        return 0.3
    if one in VOWELS or other in VOWELS:
        return 1.0
    return 0.3 if FAMILY[one] == FAMILY[other] else 0.8
