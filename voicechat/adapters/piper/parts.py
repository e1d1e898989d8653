"""Pure: a sentence's phonemes in parts, each spoken by itself, so that its first sound need not wait for its last.

A voice makes all of a part at once. Where the speaker pauses anyway, at a comma, semicolon or colon, a cut is not
heard; elsewhere the melody would break, so a sentence without pauses stays whole.
"""

from collections.abc import Iterator, Sequence
from typing import Final

PAUSES: Final = frozenset(",;:،؛，、；：")

SHORTEST: Final = 20
"""Phonemes, marks and spaces included, of the first part: a good second. Each later part has twice those before it at
least: it must be there when they are spoken, and long parts sound better."""

LAST: Final = 12
"""Phonemes; a shorter end stays with the part before it."""


def parts(phonemes: Sequence[str]) -> Iterator[list[str]]:
    """They join to the sentence, but for the spaces between them."""
    start, least = 0, SHORTEST
    for end in range(1, len(phonemes) - LAST):
        if phonemes[end - 1] in PAUSES and end - start >= least:
            yield _trimmed(phonemes[start:end])
            start, least = end, 2 * (end - start)
    yield _trimmed(phonemes[start:])


def _trimmed(phonemes: Sequence[str]) -> list[str]:
    """Without the space that the cut left in front."""
    return list(phonemes[1:] if phonemes and phonemes[0] == " " else phonemes)
