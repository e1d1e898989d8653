"""How speech faded before a silence: how soft it had become, and whether the last sound was drawn out.

Looked at once in each silence; about half a millisecond. These cues alone hardly tell a pause from an end (area under
the curve 0.51 to 0.55, on 390 utterances of 280 readers), so they may only lean on what else is known. That the pitch
fell, how far, how fast, and how suddenly the sound stopped told nothing at all, and is left out (November 2026).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat.audio import LISTEN_RATE, Samples

LOOK: Final = 0.8
"""Seconds of sound that are looked at."""

SLOWER: Final = 4
"""Pitch is looked for at a quarter of the rate: 4 kHz is enough for the first partials of every voice."""

RATE: Final = LISTEN_RATE // SLOWER
WINDOW: Final = 50 * RATE // 1000
HOP: Final = 20 * RATE // 1000
SPECTRUM: Final = 512
SHORTEST_LAG, LONGEST_LAG = RATE // 400, RATE // 65

PERIODIC: Final = 0.6
"""Likeness of a sound to itself one period later from which it has a pitch; 1.0 for a steady tone."""

SOFT_DB: Final = 25.0
"""Nothing this far below the loudest is speech any more."""

SILENT_DB: Final = -70.0
"""Nothing below this level is speech."""

STEADY: Final = 0.6
"""Semitones in 20 ms; a voice that hesitates moves less."""


@dataclass(frozen=True, slots=True)
class Fade:
    """How the last seconds of speech came to their end; all zero when there was no voice in them."""

    drop: float = 0.0
    """dB from the loudest moment down to the loudest of the last 0.2 s."""
    drawn: float = 0.0
    """Seconds for which the last voiced sound kept its pitch."""


def fade(sound: Samples) -> Fade:
    """Looks at (n,) samples at 16 kHz; silence after the speech does not matter."""
    levels = _levels(sound)
    if len(levels) == 0 or levels.max() < SILENT_DB:
        return Fade()
    loudest = float(levels.max())
    end = int(np.flatnonzero(levels > loudest - SOFT_DB)[-1]) + 1
    begin = max(0, end - round(LOOK / 0.02))
    drop = loudest - float(levels[max(0, end - 10) : end].max())
    pitches, likeness = _pitches(sound[begin * HOP * SLOWER : end * HOP * SLOWER])
    return Fade(drop, _drawn(12.0 * np.log2(pitches), np.flatnonzero(likeness >= PERIODIC)))


def _levels(sound: Samples) -> NDArray[np.float64]:
    """Of each 20 ms, in dB below full scale."""
    size = HOP * SLOWER
    frames = sound[: len(sound) // size * size].reshape(-1, size).astype(np.float64)
    return np.asarray(10.0 * np.log10((frames**2).mean(axis=1) / 32768.0**2 + 1e-10))


def _pitches(sound: Samples) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The pitch in Hz of every 20 ms, and how periodic it is (0 to 1), by autocorrelation."""
    slow = sound[: len(sound) // SLOWER * SLOWER].reshape(-1, SLOWER).mean(axis=1)
    count = (len(slow) - WINDOW) // HOP + 1
    if count < 1:
        return np.zeros(0), np.zeros(0)
    frames = np.lib.stride_tricks.sliding_window_view(slow, WINDOW)[::HOP][:count]
    frames = (frames - frames.mean(axis=1, keepdims=True)) * _HANN
    lags = _autocorrelation(frames) / _FADING
    best = lags.max(axis=1)
    peaks = np.zeros_like(lags, dtype=bool)
    peaks[:, 1:-1] = (lags[:, 1:-1] >= lags[:, :-2]) & (lags[:, 1:-1] >= lags[:, 2:])
    peaks &= lags >= 0.9 * best[:, np.newaxis]  # the first of the good ones: the others are whole multiples of it
    rows = np.arange(count)
    at = np.clip(np.where(peaks.any(axis=1), peaks.argmax(axis=1), lags.argmax(axis=1)), 1, lags.shape[1] - 2)
    before, here, after = lags[rows, at - 1], lags[rows, at], lags[rows, at + 1]
    curve = before - 2.0 * here + after
    between = np.where(curve < -1e-9, 0.5 * (before - after) / np.where(curve < -1e-9, curve, 1.0), 0.0)
    return RATE / (SHORTEST_LAG + at + np.clip(between, -0.5, 0.5)), best


def _autocorrelation(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, WINDOW) → the likeness of each to itself at the lags that a voice may have, 1.0 for the same."""
    power = np.abs(np.fft.rfft(frames, SPECTRUM)) ** 2
    lags = np.asarray(np.fft.irfft(power), dtype=np.float64)
    return lags[:, SHORTEST_LAG : LONGEST_LAG + 1] / (lags[:, :1] + 1e-9)


_HANN: Final = np.hanning(WINDOW)
_FADING: Final = _autocorrelation(_HANN[np.newaxis])
"""What the window itself takes from the likeness, the more the longer the lag."""


def _drawn(notes: NDArray[np.float64], voiced: NDArray[np.intp]) -> float:
    """Seconds at the end of the voice in which the pitch stands still."""
    steps = 0
    for later, earlier in zip(voiced[:0:-1], voiced[-2::-1], strict=True):
        if later - earlier > 1 or abs(notes[later] - notes[earlier]) > STEADY:
            break
        steps += 1
    return steps * 0.02
