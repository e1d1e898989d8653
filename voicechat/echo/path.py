"""Pure: the way of our own sound back into the microphone: how late it comes, found by likeness.

For each way it keeps sums over the last seconds of what was played and what was heard, band by band, wherever
something was played. An echo goes up and down with what was played, on one way; another voice does so on none.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat.echo.reverberation import LAGS, SOUGHT
from voicechat.echo.spectrum import BANDS, FAINTEST_DB, Decibels

AUDIBLE_DB: Final = -65.0
"""What was played softer says nothing."""

MEMORY: Final = 0.99
"""Of the sums, a frame: two seconds of sound that is played."""

_SURE: Final = 0.6
_EVIDENCE: Final = 14.0
"""Likeness squared times frames. Of a voice that is no echo, the best of all lags reaches 0.75 in half a second and
0.5 in two, in one case of a hundred; echoes have 0.8 and more."""

_SOONEST: Final = 3
_SOON: Final = 5
_LATE: Final = 25
"""Frames in which a first echo is recognised before there is much evidence: the sound began that early after ours."""
_LIKELY: Final = 0.45
_EVEN_DB: Final = 6.5
"""So evenly follows an echo what was played, in 99 of 100 cases; a voice of its own in 30."""
_VERY_EVEN_DB: Final = 4.5
"""In 70, and in 6."""
_COVERED: Final = 0.6
"""Of all loud sound an echo explains so much."""
_MAY_BE_DB: Final = ((4.0, np.inf), (8.0, 8.0), (np.inf, 6.7))
"""Below so many loud frames, an echo is still possible that is no more uneven."""

_PEAK_FALL: Final = 0.05
"""dB a frame."""
_DEEPEST_DB: Final = 27.0
"""Further below a band's peaks nothing is compared: where a quiet microphone hears a sound end, a few milliseconds that
the delay is off would count for 50 dB. With 30 it held 4 first answers of 80 up in quiet rooms, with 20 it took callers
for an echo more often (November 2026)."""
_SHALLOW_DB: Final = 6.0
"""A band whose peaks are no further above the noise is not heard."""
_HEARD_BANDS: Final = 3

_BETTER: Final = 0.04
_LOST: Final = 0.35

WAYS: Final = LAGS * len(SOUGHT)
"""An echo may come at any lag, out of either of two rooms: way w is lag w // 2."""


@dataclass(frozen=True, slots=True)
class Path:
    """An echo's way, and how loud each band comes back in dB."""

    way: int
    coupling: Decibels
    sure: bool
    """False: there is so little evidence that it must be weighed again with every frame."""

    @property
    def lag(self) -> int:
        """In frames."""
        return self.way // len(SOUGHT)


class PathFinder:
    """Looks for an echo in all ways."""

    def __init__(self) -> None:
        self._sums = np.zeros((6, WAYS, BANDS))
        self._peak = np.full(BANDS, FAINTEST_DB)  # of what is heard
        self._peaks = np.full((WAYS, BANDS), FAINTEST_DB)  # of what was played
        self._loud = 0.0

    def hear(
        self,
        played: NDArray[np.float64],
        heard: Decibels,
        noise: Decibels,
        *,
        loud: NDArray[np.bool_],
        weights: NDArray[np.float64],
    ) -> None:
        """Frames, (n,): what came each way, (n, WAYS, BANDS), what is heard, (n, BANDS), and the noise in it,
        (BANDS,), in dB; which are loud, and what each is worth.

        What goes down in the noise is not seen to go further. So where the microphone hears anything, what was played
        is compared only as far down from its peaks as noise is below the microphone's, and only in bands that are
        heard at all.
        """
        worth = float(weights.sum())
        self._peak = np.maximum(self._peak - _PEAK_FALL * worth, heard.max(axis=0))
        self._peaks = np.maximum(self._peaks - _PEAK_FALL * worth, played.max(axis=0))
        noise = np.maximum(noise, self._peak - _DEEPEST_DB)
        depth = self._peak - noise
        useful = depth > _SHALLOW_DB
        some = int(useful.sum()) >= _HEARD_BANDS
        count = (played > AUDIBLE_DB) * weights[:, np.newaxis, np.newaxis]
        if some:
            count *= useful
            played = np.maximum(played, self._peaks - depth)
            heard = np.maximum(heard, noise)
        each = heard[:, np.newaxis]
        ours, theirs = count * played, count * each
        parts = (count, ours, theirs, ours * played, ours * each, theirs * each)
        self._sums *= MEMORY**worth
        self._loud *= MEMORY**worth
        for sum_, part in zip(self._sums, parts, strict=True):
            sum_ += part[0] if len(part) == 1 else part.sum(axis=0)
        self._loud += float(weights[loud].sum()) * (float(useful.mean()) if some else 1.0)

    def find(self) -> Path | None:
        """The echo's path, once there is enough evidence of one."""
        alike, uneven, frames = self._compare()
        best = int(alike.argmax())
        if alike[best] > _SURE and alike[best] ** 2 * frames[best] > _EVIDENCE:
            return self._path(best, sure=True)
        even = (uneven < _EVEN_DB) & (frames >= _SOON) | (uneven < _VERY_EVEN_DB) & (frames >= _SOONEST)
        early = even & (frames <= _LATE) & (alike > _LIKELY) & (frames >= _COVERED * self._loud)
        best = int(np.where(early, uneven, np.inf).argmin())
        return self._path(best, sure=False) if early[best] else None

    def may_explain(self) -> bool:
        """Whether what was heard may still have come any of the ways."""
        if self._loud < 1.0:
            return True
        _, uneven, frames = self._compare()
        most = next(most for until, most in _MAY_BE_DB if self._loud < until)
        return bool(((frames >= _COVERED * self._loud) & (uneven < most)).any())

    def follow(self, path: Path) -> Path | None:
        """The same path, a better one, or None when the echo is gone."""
        alike, _, _ = self._compare()
        best = int(alike.argmax())
        if alike[best] > alike[path.way] + _BETTER:
            return self._path(best, sure=True, known=path.coupling)
        return path if alike[path.way] >= _LOST else None

    def _compare(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """For each way: the likeness, -1 to 1, the unevenness in dB, and frames of sound that they are of."""
        count, x, y, xx, xy, yy = self._sums
        each = count + 1e-6
        both = (xy - x * y / each).sum(axis=1)
        ours = (xx - x * x / each).sum(axis=1)
        theirs = (yy - y * y / each).sum(axis=1)
        total = count.sum(axis=1)
        frames = total / BANDS
        alike = np.where(frames > 3, both / np.sqrt(np.maximum(ours * theirs, 1.0)), 0.0)
        uneven = np.sqrt(np.maximum(ours + theirs - 2 * both, 0.0) / np.maximum(total - BANDS, 1.0))
        return alike, uneven, frames

    def _path(self, way: int, *, sure: bool, known: Decibels | None = None) -> Path:
        count, x, y = self._sums[:3, way]
        coupling = (y - x) / (count + 1e-6)
        heard = count > (2 if known is None else 5)
        if known is None:
            known = np.full(BANDS, np.median(coupling[heard]) if heard.any() else -100.0)
        return Path(way, np.where(heard, coupling, known), sure)
