"""What a client has been told of each transcript, which it can only add to. No I/O."""

from typing import Final

_REMEMBERED: Final = 8
"""Utterances in work at the same time; a caller has one, rarely two."""


class Told:
    """Joined deltas are the final transcript, unless that is a revision of them."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def grow(self, item: str, stable: str) -> str:
        """What is new in the stable text of the utterance; empty where it breaks with what was told."""
        told = self._told.get(item, "")
        if not stable.startswith(told):
            return ""
        self._told[item] = stable
        while len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]
        return stable[len(told) :]

    def finish(self, item: str, transcript: str) -> tuple[str, bool]:
        """The rest of the utterance's text, and whether it is a revision; there is no rest of a revision."""
        told = self._told.pop(item, "")
        revised = not transcript.startswith(told)
        return ("" if revised else transcript[len(told) :]), revised
