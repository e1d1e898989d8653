"""G.711, the sound of telephones: one byte a sample, by one of two laws. Pure; after ITU-T G.711 (11/88), with its 14
and 13 bits scaled to 16.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat.audio import Samples

RATE: Final = 8_000
"""Hz; the recommendation knows no other."""

_Numbers = NDArray[np.int64]

_LOUDEST, _BIAS = 32_635, 132  # of the µ-law: the bias makes all its segments begin at powers of two


class Law:
    """Both directions by table; a minute of sound takes less than a millisecond."""

    def __init__(self, expand: Callable[[_Numbers], _Numbers], compress: Callable[[_Numbers], _Numbers]) -> None:
        """`expand` makes samples of all codes, `compress` codes of all samples."""
        samples = np.arange(1 << 16, dtype=np.uint16).view(np.int16)  # by their bits
        self._samples: Samples = expand(np.arange(256)).astype(np.int16)
        self._codes: NDArray[np.uint8] = compress(samples.astype(np.int64)).astype(np.uint8)

    def decode(self, data: bytes) -> Samples:
        """n bytes → (n,) samples."""
        return self._samples[np.frombuffer(data, np.uint8)]

    def encode(self, samples: Samples) -> bytes:
        """(n,) samples → n bytes."""
        return self._codes[samples.view(np.uint16)].tobytes()


def _expand_mulaw(codes: _Numbers) -> _Numbers:
    bits = ~codes & 0xFF
    size = (((bits & 0x0F) << 3) + _BIAS << (bits >> 4 & 7)) - _BIAS
    return np.asarray(np.where(bits & 0x80, -size, size))


def _compress_mulaw(samples: _Numbers) -> _Numbers:
    size = np.minimum(np.abs(samples), _LOUDEST) + _BIAS
    segment = _exponent(size) - 7
    bits: _Numbers = np.where(samples < 0, 0x80, 0) | segment << 4 | size >> (segment + 3) & 0x0F
    return ~bits & 0xFF


def _expand_alaw(codes: _Numbers) -> _Numbers:
    bits = codes ^ 0x55  # every other bit is inverted on the line
    segment = bits >> 4 & 7
    step = ((bits & 0x0F) << 4) + 8
    size = np.where(segment == 0, step, step + 256 << np.maximum(segment - 1, 0))
    return np.asarray(np.where(bits & 0x80, size, -size))


def _compress_alaw(samples: _Numbers) -> _Numbers:
    size = np.where(samples < 0, ~samples, samples)
    segment = np.maximum(_exponent(size) - 7, 0)
    bits: _Numbers = np.where(samples < 0, 0, 0x80) | segment << 4 | size >> (np.maximum(segment, 1) + 3) & 0x0F
    return bits ^ 0x55


def _exponent(numbers: _Numbers) -> _Numbers:
    """The place of the highest bit; -1 for zero."""
    return np.frexp(numbers.astype(np.float64))[1].astype(np.int64) - 1


MULAW: Final = Law(_expand_mulaw, _compress_mulaw)
"""North America and Japan."""

ALAW: Final = Law(_expand_alaw, _compress_alaw)
"""The rest of the world."""
