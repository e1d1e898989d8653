"""Pure: how alike a sentence is to known ones, 0 to 100, with more weight on words that few of them share."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from rapidfuzz import fuzz, process

from voicechat.words.spoken import core, plain

SAME_WORD: Final = 80.0
"""Likeness of two spellings from which they count as one word, typing mistakes and plurals included."""

LITTLE: Final = 0.4
"""Weight of a word that says little by itself."""

LITTLE_WORDS: Final = frozenset(
    "a an and any are at be by can could do does find for from get have here how i in is it me my near of on or our"
    " should some that the there this to want we what when where which will with would you your".split()
)

FOREIGN: Final = 1.3
"""A word that no phrase has weighs this much more than the rarest of the phrases'."""


class Likeness:
    """Knows a set of phrases, told once; each belongs to a group of wordings of the same thing.

    A word's weight is its rarity among the groups, so "museum" hardly counts and "planetarium" does. A word that no
    phrase has weighs most, so "where can I park my horse" is not "where can I park my car".
    """

    def __init__(self, groups: Sequence[Sequence[str]]) -> None:
        spoken = [[core(plain(phrase)).split() for phrase in phrases] for phrases in groups]
        self._phrases = [(number, words) for number, phrases in enumerate(spoken) for words in phrases if words]
        counts = Counter(word for phrases in spoken for word in set().union(*phrases))
        rarest = math.log(2 + len(spoken))
        self._weights = {word: rarest - math.log(1 + count) + LITTLE for word, count in counts.items()}
        self._weights.update(dict.fromkeys(LITTLE_WORDS, LITTLE))
        self._foreign = FOREIGN * rarest

    def best(self, text: str) -> tuple[float, int]:
        """The likeness to the nearest phrase, and the number of its group; (0.0, -1) where nothing is shared."""
        words = core(plain(text)).split()
        near = {word: self._near(word) for word in set(words)}
        found = ((self._between(words, phrase, near), number) for number, phrase in self._phrases)
        return max(found, key=lambda pair: pair[0], default=(0.0, -1))

    def _near(self, word: str) -> dict[str, float]:
        """The known words that may be meant, with their likeness."""
        found = process.extract(word, self._weights.keys(), scorer=fuzz.ratio, score_cutoff=SAME_WORD, limit=None)
        return {known: likeness / 100 for known, likeness, _ in found}

    def _between(self, words: Sequence[str], phrase: Sequence[str], near: Mapping[str, Mapping[str, float]]) -> float:
        """The weight of the words that both have, as a share of the mean weight of the two."""
        if words == phrase:
            return 100.0
        left = list(phrase)
        shared = whole = 0.0
        for word in words:
            known = max((other for other in left if other in near[word]), key=near[word].__getitem__, default="")
            if not known:
                whole += self._weights.get(word, self._foreign)
                continue
            left.remove(known)
            shared += self._weights[known] * near[word][known]
            whole += 2 * self._weights[known]
        whole += sum(self._weights[other] for other in left)
        return 200 * shared / whole if whole else 0.0
