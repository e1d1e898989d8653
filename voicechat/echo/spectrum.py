"""Pure: how loud a frame is in each of a few bands of pitch, at any rate. Two voices rarely agree in all of them."""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat.audio import Samples

Powers = NDArray[np.float32]
"""Shape (BANDS,), or others that end in it; they add up to 1.0 for the loudest square wave."""

Decibels = NDArray[np.float64]
"""Below full scale; shape (BANDS,), or others that end in it."""

EDGES: Final = (150, 300, 450, 600, 800, 1050, 1350, 1750, 2250, 2900, 3800, 5000, 7000)
"""Hz. Small loudspeakers give nothing below; 16 kHz sound carries nothing above. Twelve bands tell a voice from the
echo of another in 85 of 100 frames of equal loudness, eight in 80, the whole level in 49 (one frame in 200 wrong)."""

BANDS: Final = len(EDGES) - 1

FAINTEST_DB: Final = -100.0


def powers(samples: Samples, rate: int) -> Powers:
    """Those of frames of shape (..., n), each about 20 ms: (..., BANDS). Bands that the rate does not reach are silent.

    Costs 8 µs for one frame, 1 to 3 µs for each of many.
    """
    window, edges = _lens(samples.shape[-1], rate)
    bins = np.fft.rfft(samples * window)
    power = bins.real**2 + bins.imag**2
    bands: Powers = np.zeros((*samples.shape[:-1], BANDS), np.float32)
    bands[..., : len(edges) - 1] = np.add.reduceat(power[..., : edges[-1]], edges[:-1], axis=-1)
    return bands


def decibels(powers: NDArray[np.floating]) -> Decibels:
    """Of powers of any shape; silence is -100."""
    levels: Decibels = 10.0 * np.log10(powers.astype(np.float64) + 10.0 ** (FAINTEST_DB / 10.0))
    return levels


@lru_cache(maxsize=16)
def _lens(size: int, rate: int) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """A Hann window that scales to full scale, and where in the spectrum each band begins and the last ends."""
    window = np.hanning(size + 2)[1:-1]
    scale = 32768.0 * np.sqrt(size * np.sum(window**2) / 2.0)
    places = np.array(EDGES) * size // rate
    return (window / scale).astype(np.float32), places[places <= size // 2 + 1].astype(np.intp)
