"""How long this caller pauses within a turn: what a silence must outlast to be its end."""

from collections import deque
from typing import Final

TYPICAL: Final = (0.12, 0.14, 0.16, 0.18, 0.2, 0.24, 0.28, 0.32, 0.36, 0.42)
"""Seconds: ten pauses of a caller of whom nothing is known. Their own soon outweigh them."""

SHORTEST: Final = 0.1
"""A shorter hole is part of a word."""

LONGEST: Final = 3.0
"""Whoever is silent for longer has finished, and then begun anew."""

REMEMBERED: Final = 30
SHARE: Final = 0.9
"""Of all pauses; the longest few are hesitations, which other evidence must tell."""

AGAIN: Final = 1.2
"""Who paused once in this turn may again, for a little longer."""

CUT_OFF: Final = 1.4
FINISHED: Final = 0.985
MOST_CARE: Final = 2.2
"""What a turn that was cut off does to the care for its caller, what one does that was not, and the most care. It takes
22 good turns to lose what one mistake has added: whoever speaks, in the long run one turn in 23 is cut off, if the most
care is enough for them."""


class Pauses:
    """One caller's pauses within turns, in seconds of audio."""

    def __init__(self) -> None:
        self._own: deque[float] = deque(maxlen=REMEMBERED)
        self._longest = 0.0
        self.usual = USUAL_PAUSE
        """Most of this caller's pauses are shorter."""
        self.care = 1.0
        """How much longer than usual they are waited for because their turns were cut off."""

    @property
    def expected(self) -> float:
        """What this turn has taught on top of it: a silence this long may well be a pause again."""
        return AGAIN * self._longest

    def begin(self) -> None:
        """Another turn."""
        self._longest = 0.0

    def add(self, seconds: float) -> None:
        """The caller was silent for so long, and went on."""
        if not SHORTEST <= seconds <= LONGEST:
            return
        self._own.append(seconds)
        self._longest = max(self._longest, seconds)
        self.usual = quantile((*TYPICAL, *self._own), SHARE)

    def cut_off(self) -> None:
        """A turn was taken as finished, and it was not."""
        self.care = min(MOST_CARE, self.care * CUT_OFF)

    def finish(self) -> None:
        """A turn was taken as finished, and it was."""
        self.care = max(1.0, self.care * FINISHED)


def quantile(values: tuple[float, ...], share: float) -> float:
    """The value that `share` of them do not exceed, between neighbours in proportion."""
    ranked = sorted(values)
    place = share * (len(ranked) - 1)
    low = int(place)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (place - low) * (ranked[high] - ranked[low])


USUAL_PAUSE: Final = quantile(TYPICAL, SHARE)
"""Seconds; for a caller of whom nothing is known."""
