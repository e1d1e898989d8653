"""From a wire's rate to the listening rate without waiting: every frame in is a frame out. Pure."""

from functools import lru_cache
from math import ceil, gcd
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat.audio import Samples

_CROSSINGS: Final = 16
"""Zero crossings of the filter on each side: 48 to 16 kHz lags 1 ms, passes up to 6.5 kHz, aliases below -78 dB."""

_EDGE: Final = 0.94
"""The filter's edge, as a part of what the lower rate can carry."""

_BETA: Final = 8.0
"""Of the Kaiser window."""


class Downsampler:
    """A stream from one rate to another; a no-op when they are equal. Below 0.1 ms a frame, on the loop.

    The streaming resampler of soxr gives nothing or 30 ms at a time, and holds back up to 37 ms of 48 kHz sound. That
    is time in which a caller waits to be heard, so the ear has this plain filter instead.
    """

    def __init__(self, source: int, target: int) -> None:
        divisor = gcd(source, target)
        self._up, self._down = target // divisor, source // divisor
        self._filters = _filters(self._up, self._down)
        self._taps = self._filters.shape[1]
        self._kept = np.zeros(self._taps - 1, np.float32)
        self._phase = 0  # of the next output, in 1/up of a sample of `_kept`

    def push(self, samples: Samples) -> Samples:
        """(n,) samples at the source rate → (m,) at the target rate."""
        if self._up == self._down:
            return samples
        heard = np.concatenate((self._kept, samples), dtype=np.float32)
        places = np.arange(self._phase, (len(heard) - self._taps + 1) * self._up, self._down)
        end = self._phase + len(places) * self._down
        self._kept, self._phase = heard[end // self._up :], end % self._up
        if len(places) == 0:
            return np.zeros(0, np.int16)
        windows = np.lib.stride_tricks.sliding_window_view(heard, self._taps)
        if self._up == 1:  # one filter for all, and nothing to copy: 48 kHz costs half
            made = np.einsum("ij,j->i", windows[places[0] :: self._down], self._filters[0])
        else:
            made = np.einsum("ij,ij->i", windows[places // self._up], self._filters[places % self._up])
        whole: Samples = np.clip(np.rint(made), -32768, 32767).astype(np.int16)
        return whole


@lru_cache(maxsize=16)
def _filters(up: int, down: int) -> NDArray[np.float32]:
    """A windowed sinc for each of the `up` places between two samples, shape (up, taps)."""
    stretch = max(1.0, down / up)
    half = ceil(_CROSSINGS * stretch)
    time = np.arange(2 * half) - half + 1 - np.arange(up)[:, None] / up
    window = np.i0(_BETA * np.sqrt(np.clip(1 - (time / half) ** 2, 0, 1)))
    filters = window * np.sinc(_EDGE / stretch * time)
    even: NDArray[np.float32] = (filters / filters.sum(axis=1, keepdims=True)).astype(np.float32)
    return even
