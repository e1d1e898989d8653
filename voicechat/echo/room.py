"""Pure: one echo's path, and how loud and how long it comes back."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat.echo.path import AUDIBLE_DB, Path
from voicechat.echo.reverberation import ORDINARY, ROOMS
from voicechat.echo.spectrum import Decibels, decibels

SLIP: Final = 1
"""Frames by which the delay may change from one moment to the next: buffers stretch sound."""
_QUICKLY, _SLOWLY = 0.05, 0.01
"""Share by which the coupling follows a frame that is an echo, and one that seems not to be: volumes change."""
_STEP_DB: Final = 8.0
_SETTLING: Final = 0.02
_AUDIBLE: Final = 3.0
"""dB above the noise."""
_FEWEST: Final = 3
"""Frames in which a band must have been heard to be judged."""


class Room:
    """Follows slow changes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.coupling = np.tile(path.coupling, (ROOMS, 1))
        self._errors = np.full(ROOMS, 30.0)
        self._errors[ORDINARY] -= 1.0
        self._kind = ORDINARY
        self._gain = 10.0 ** (self.coupling / 10.0)
        self._from = max(0, path.lag - SLIP)
        self._to = path.lag + SLIP + 1

    def fit(self, given: NDArray[np.float64], heard: Decibels, noise: Decibels) -> None:
        """Begins with what the last frames tell, as in `learn`: which of the rooms it is, and how loud."""
        due = decibels(self._due(given, len(heard)))
        known = (due > AUDIBLE_DB) & (heard > noise + _AUDIBLE)[:, np.newaxis]
        count = known.sum(axis=0)
        gap = (heard[:, np.newaxis] - due) * known
        self.coupling = np.where(count >= _FEWEST, gap.sum(axis=0) / np.maximum(count, 1), self.coupling)
        error = (heard[:, np.newaxis] - due - self.coupling) * known
        self._errors = (error**2).sum(axis=(0, 2)) / np.maximum(known.sum(axis=(0, 2)), 1)
        self._kind = int(self._errors.argmin())
        self._gain = 10.0 ** (self.coupling / 10.0)

    def predict(self, given: NDArray[np.float64], count: int) -> NDArray[np.float64]:
        """The echo's power in the last frames, (count, BANDS), oldest first, of what rooms give back, newest first."""
        power: NDArray[np.float64] = self._nearest(given[:, self._kind], count) * self._gain[self._kind]
        return power

    def learn(
        self, given: NDArray[np.float64], heard: Decibels, noise: Decibels, echo: NDArray[np.bool_]
    ) -> None:
        """(n,) frames, oldest first: what rooms gave back by the last of them, what was heard, and which are echoes."""
        count = len(heard)
        due = decibels(self._due(given, count))
        known = (due > AUDIBLE_DB) & (due + self.coupling > noise + _AUDIBLE)
        error = np.clip(heard[:, np.newaxis] - due - self.coupling, -_STEP_DB, _STEP_DB) * known
        self.coupling += _share(np.where(echo, _QUICKLY, _SLOWLY), error)
        self._gain = 10.0 ** (self.coupling / 10.0)
        of_use = echo & known[:, ORDINARY].any(axis=1)
        if of_use.any():
            off = (error[of_use] ** 2).sum(axis=(0, 2)) / np.maximum(known[of_use].sum(axis=(0, 2)), 1)
            self._errors += (1.0 - (1.0 - _SETTLING) ** int(of_use.sum())) * (off - self._errors)
            self._kind = int(self._errors.argmin())

    def _due(self, given: NDArray[np.float64], count: int) -> NDArray[np.float64]:
        """What the coupling is measured by. Beside the loudest nearby a quiet microphone's echo, which falls 50 dB in
        a frame, would seem 10 dB fainter than it is."""
        return given[self.path.lag : self.path.lag + count][::-1]

    def _nearest(self, given: NDArray[np.float64], count: int) -> NDArray[np.float64]:
        spans = [given[lag : lag + count] for lag in range(self._from, self._to)]
        loudest: NDArray[np.float64] = np.maximum.reduce(spans)[::-1]
        return loudest


def _share(rates: NDArray[np.float64], error: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of errors (n, ROOMS, BANDS): their mean by rates (n,), as far as n steps would go."""
    total = float(rates.sum())
    step: NDArray[np.float64] = np.tensordot(rates, error, 1) * ((1.0 - np.exp(-total)) / total)
    return step
