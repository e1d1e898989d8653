"""Pure: how loud a microphone is when nobody speaks, band by band."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat.audio import FRAME_SECONDS
from voicechat.echo.spectrum import BANDS, FAINTEST_DB, Decibels

_SMOOTH: Final = np.array([0.2, 0.3, 0.5])
"""Shares of a frame and of those before it."""
VARIES_DB: Final = 3.0
"""Noise is at times so much louder."""


class Noise:
    """The quietest moment of the last one to two seconds, in dB."""

    def __init__(self) -> None:
        self._last: NDArray[np.float64] | None = None
        self._before = self._now = np.full(BANDS, np.inf)
        self._count = 0
        self.level: Decibels = np.full(BANDS, FAINTEST_DB)
        self.loudest: NDArray[np.float64] = 10.0 ** ((self.level + VARIES_DB) / 10.0)
        """The power that it reaches at times."""

    def hear(self, levels: Decibels, spacing: int = 1) -> None:
        """More frames, (n, BANDS), of which one was taken in so many."""
        last = np.repeat(levels[:1], 2, axis=0) if self._last is None else self._last
        rows = np.concatenate((last, levels))
        self._last = rows[-2:]
        smooth = _SMOOTH[0] * rows[:-2] + _SMOOTH[1] * rows[1:-1] + _SMOOTH[2] * rows[2:]
        self._now = np.minimum(self._now, smooth.min(axis=0))
        self.level = np.minimum(self._before, self._now)
        self.loudest = 10.0 ** ((self.level + VARIES_DB) / 10.0)
        self._count += len(levels) * spacing
        if self._count * FRAME_SECONDS >= 1.0:
            self._before, self._now, self._count = self._now, np.full(BANDS, np.inf), 0
