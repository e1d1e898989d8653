"""A growing transcript that is revised as it grows, told as text that is only ever added to. No I/O."""

from typing import Final

_UNSETTLED: Final = 2
"""The last words of a guess, which the next words may still change."""

_REMEMBERED: Final = 8
"""Utterances in work at the same time; a caller has one, rarely two."""


class Settled:
    """What has been told of each utterance. Joined deltas are the final transcript unless it breaks with them."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def grow(self, item: str, guess: str) -> str:
        """The newly settled text of the utterance; empty while there is none."""
        return self._tell(item, guess.split()[:-_UNSETTLED])

    def finish(self, item: str, transcript: str) -> str:
        """The rest of the utterance's text; empty where it contradicts what was told."""
        rest = self._tell(item, transcript.split())
        self._told.pop(item, None)
        return rest

    def _tell(self, item: str, words: list[str]) -> str:
        told, text = self._told.get(item, ""), " ".join(words)
        if not text.startswith(told):
            return ""
        self._told[item] = text
        while len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]
        return text[len(told) :]
