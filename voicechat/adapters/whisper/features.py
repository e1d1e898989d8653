"""Whisper's log-mel features in numpy, of the last eight seconds of a sound.

As the Smart Turn family is trained: zeros in front of a shorter sound, then zero mean and unit variance, then frames
of 25 ms every 10 ms, 80 mel bands on Slaney's scale, decibels cut 80 dB below the loudest.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat.audio import LISTEN_RATE, Samples

SECONDS: Final = 8
WINDOW: Final = 400
HOP: Final = 160
MELS: Final = 80
SAMPLES: Final = SECONDS * LISTEN_RATE
FRAMES: Final = SAMPLES // HOP

LINEAR_TO: Final = 1000.0
"""Hz; the mel scale is linear up to here, 200/3 Hz a mel, and logarithmic above: 27 mels for a factor of 6.4."""
MEL_HZ: Final = 200.0 / 3.0
LOG_STEP: Final = float(np.log(6.4)) / 27.0


def features(sound: Samples) -> NDArray[np.float32]:
    """(n,) int16 at 16 kHz → (1, 80, 800). About ten milliseconds."""
    last = np.zeros(SAMPLES, np.float32)
    heard = sound[-SAMPLES:]
    last[SAMPLES - len(heard) :] = heard.astype(np.float32) / 32768.0
    return log_mel((last - last.mean()) / np.sqrt(last.var() + np.float32(1e-7)))[np.newaxis]


def log_mel(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) samples, n a multiple of the hop → (80, n / hop)."""
    padded = np.pad(sound, WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][: len(sound) // HOP]
    power = np.abs(np.fft.rfft(frames * _HANN)).astype(np.float32) ** 2
    bands = np.log10(np.maximum(_MELS @ power.T, np.float32(1e-10)))
    return np.asarray((np.maximum(bands, bands.max() - 8.0) + 4.0) / 4.0, dtype=np.float32)


def _hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    start = LINEAR_TO / MEL_HZ
    return np.where(mels < start, MEL_HZ * mels, LINEAR_TO * np.exp(LOG_STEP * (mels - start)))


def _filters() -> NDArray[np.float32]:
    """(80, 201): a triangle for each band, of equal area, from its lower neighbour's peak to its upper one's."""
    nyquist = LISTEN_RATE / 2
    top = LINEAR_TO / MEL_HZ + np.log(nyquist / LINEAR_TO) / LOG_STEP
    peaks = _hertz(np.linspace(0.0, top, MELS + 2))
    low, middle, high = (peaks[i : i + MELS, np.newaxis] for i in range(3))
    bins = np.linspace(0.0, nyquist, WINDOW // 2 + 1)
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    triangles = np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (high - low)
    return np.asarray(triangles, dtype=np.float32)


_HANN: Final = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
_MELS: Final = _filters()
