"""Pure: how sound begins, ends and changes its loudness without a click."""

import functools
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat.audio import Samples

RAMP_SECONDS: Final = 0.005
"""From full to silent, or back: short enough to be silence at once, long enough to be no click."""


@functools.cache
def _fall(size: int) -> NDArray[np.float32]:
    """From just below 1 to just above 0 in `size` steps, along a raised cosine: no corner at either end."""
    return (0.5 + 0.5 * np.cos(np.pi * np.arange(1, size + 1) / (size + 1))).astype(np.float32)


def ending(coming: Samples, size: int, gain: float = 1.0) -> Samples:
    """A frame in which the sound that would have come, (n,) and `gain` loud, falls silent within `size` samples."""
    frame = np.zeros_like(coming)
    frame[:size] = coming[:size] * (_fall(size) * np.float32(gain))
    return frame


def beginning(before: Samples, size: int, gain: float = 1.0) -> Samples:
    """A frame whose last `size` samples lead in: the sound of (n,) before, rising to `gain`."""
    frame = np.zeros_like(before)
    frame[-size:] = before[-size:] * (_fall(size)[::-1] * np.float32(gain))
    return frame


def sloped(samples: Samples, before: float, after: float) -> Samples:
    """The frame with its loudness changing from one gain to the other; gains are 0 to 1."""
    fall = _fall(len(samples)) if before != after else np.float32(0.0)
    louder: Samples = (samples * (after + (before - after) * fall)).astype(np.int16)
    return louder
