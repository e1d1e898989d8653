"""How speech faded before a silence: the last sounds of a turn lose their voice more often than those before a pause.

Looked at once in each silence; about a third of a millisecond. It is a weak cue: heard by a rule that never heard the
speaker, it tells an end from a pause of 0.3 s or more in 62 of 100 pairs (17 readers, 189 ends, 195 pauses, November
2026), and no worse by a rule made of another set of recordings. Of sixteen cues it is the one that held in
both. How far and where the pitch moved, how loudness fell, whether the speech slowed down and whether a breath was
heard told one set from the other, or nothing: they are left out.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat.audio import LISTEN_RATE, Samples

LOOK: Final = 2.0
"""Seconds of sound that are looked at, to know how loud speech is."""

LAST: Final = 20
"""Frames of 20 ms at the end of the speech in which a pitch is looked for."""

ENOUGH: Final = 20
"""Frames; in less speech the cue means nothing."""

SLOWER: Final = 4
"""Pitch is looked for at a quarter of the rate: 4 kHz is enough for the first partials of every voice."""

RATE: Final = LISTEN_RATE // SLOWER
WINDOW: Final = 50 * RATE // 1000
HOP: Final = 20 * RATE // 1000
SPECTRUM: Final = 512
SHORTEST_LAG, LONGEST_LAG = RATE // 400, RATE // 65

PERIODIC: Final = 0.6
"""Likeness of a sound to itself one period later from which it has a pitch; 1.0 for a steady tone."""

SILENT_DB: Final = -70.0
"""Nothing below this level is speech."""

SOFT_DB: Final = 25.0
NOISE_DB: Final = 6.0
LEAST_DB: Final = 6.0
"""Speech is at most `SOFT_DB` below the loud moments and at least `NOISE_DB` above the softest one; but what is at most
`LEAST_DB` below the loud moments always is."""

WEIGHT: Final = -1.77
MEAN: Final = 0.57
MOST: Final = 1.0
"""Log odds for each share of the last sounds that has a pitch, where none or all have it, and at the most; fitted with
`python -m bench.endings`."""


def ending(sound: Samples) -> float:
    """How much (n,) samples at 16 kHz sound like the end of a turn, as log odds; 0: nobody knows.

    Silence after the speech does not matter.
    """
    share = voiced(sound)
    return 0.0 if share is None else float(np.clip(WEIGHT * (share - MEAN), -MOST, MOST))


def voiced(sound: Samples) -> float | None:
    """The share of the last 0.4 s of speech that has a pitch; None where there is not enough speech to tell."""
    levels = _levels(sound)
    if len(levels) == 0 or levels.max() < SILENT_DB:
        return None
    top = float(np.quantile(levels[levels > levels.max() - SOFT_DB], 0.9))
    limit = min(top - LEAST_DB, max(top - SOFT_DB, float(levels.min()) + NOISE_DB))
    speech = np.flatnonzero(levels > limit)
    if len(speech) < ENOUGH:
        return None
    end = int(speech[-1]) + 1
    begin = end - LAST
    if begin < 2:
        return None
    pitched = _periodic(sound[(begin - 2) * HOP * SLOWER : end * HOP * SLOWER])
    return float((pitched & (levels[begin - 2 : end - 2] > limit)).mean())


def _levels(sound: Samples) -> NDArray[np.float64]:
    """Of each 20 ms, in dB below full scale."""
    size = HOP * SLOWER
    frames = sound[: len(sound) // size * size].reshape(-1, size).astype(np.float32)
    power = np.einsum("ij,ij->i", frames, frames) / (size * 32768.0**2)
    return np.asarray(10.0 * np.log10(power + 1e-10), np.float64)


def _periodic(sound: Samples) -> NDArray[np.bool_]:
    """Whether each window of 50 ms, begun every 20 ms, has a pitch, by autocorrelation; (LAST,) of LAST + 2 frames."""
    slow = sound.reshape(-1, SLOWER).mean(axis=1)
    frames = np.lib.stride_tricks.sliding_window_view(slow, WINDOW)[::HOP][:LAST]
    frames = (frames - frames.mean(axis=1, keepdims=True)) * _HANN
    likeness = (_autocorrelation(frames) / _FADING).max(axis=1)
    return np.asarray(likeness >= PERIODIC)


def _autocorrelation(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, WINDOW) → the likeness of each to itself at the lags that a voice may have, 1.0 for the same."""
    power = np.abs(np.fft.rfft(frames, SPECTRUM)) ** 2
    lags = np.asarray(np.fft.irfft(power), dtype=np.float64)
    return lags[:, SHORTEST_LAG : LONGEST_LAG + 1] / (lags[:, :1] + 1e-9)


_HANN: Final = np.hanning(WINDOW)
_FADING: Final = _autocorrelation(_HANN[np.newaxis])
"""What the window itself takes from the likeness, the more the longer the lag."""
