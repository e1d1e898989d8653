"""Pure: how far speech has come in a growing sound, by its loudness alone: what is silent, and how many syllables."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat.audio import Framer, Samples

HOP_SECONDS: Final = 0.01

SILENT_DB: Final = 35.0
"""Sound this far below the loudest is silence: room and breath, but no consonant."""

_FLOOR: Final = 32768.0**2 * 10 ** (-60.0 / 10)
"""Power of what is silence in any voice: 60 dB below full scale."""

PAUSE_SECONDS: Final = 0.1
"""Shorter silences are inside words: the closing of a p, t or k."""

SYLLABLE_SECONDS: Final = 0.2
"""Of ordinary speech, in which this module counts."""

_DIP_DB: Final = 1.5
"""Two loud moments are two syllables where it is this much softer between them, and before and after."""

_FAINT_DB: Final = 25.0
"""No syllable is this far below the loudest."""

_QUICKEST: Final = 0.05
"""Seconds of the shortest syllable."""

_WINDOW: Final = np.hanning(9) / np.hanning(9).sum()
"""Over 80 ms: smooths the pitch away and leaves the syllables."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A silence of so many seconds, after `at` seconds of speech; `last`: nothing has come after it yet."""

    at: float
    seconds: float
    last: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the speech has come at the end of each hop, in seconds of ordinary speech, and where it pauses.

    Half of it is measured by the clock and half by the syllables: that follows the words better than either of them.
    It stands still in pauses.
    """

    steps: NDArray[np.float64]
    pauses: list[Pause]
    speed: float

    @property
    def total(self) -> float:
        return float(self.steps[-1]) if len(self.steps) else 0.0

    def clock(self, at: float) -> float:
        """When it has come so far and goes on, in seconds of the sound; what is still to come is guessed."""
        hop = int(np.searchsorted(self.steps, at + HOP_SECONDS / 100, side="right"))
        return hop * HOP_SECONDS + (max(0.0, at - self.total) / self.speed if hop == len(self.steps) else 0.0)


class Envelope:
    """The loudness of a growing sound, spoken `speed` times as fast as is ordinary."""

    def __init__(self, rate: int, speed: float = 1.0) -> None:
        self._speed = speed
        self._framer = Framer(round(rate * HOP_SECONDS))
        self._power: list[float] = []

    def push(self, samples: Samples) -> None:
        for hop in self._framer.push(samples):
            sound = hop.astype(np.float32)
            self._power.append(float(np.dot(sound, sound)) / len(hop))

    def scan(self) -> Progress:
        power = np.array(self._power)
        runs = list(self._silences(power))
        speech = np.full(len(power), HOP_SECONDS * self._speed)
        for start, end in runs:
            speech[start:end] = 0.0
        steps = np.cumsum(speech * self._liveliness(power, speech))
        pauses = [
            Pause(float(steps[start - 1]), (end - start) * HOP_SECONDS, last=end == len(power))
            for start, end in runs
            if start > 0
        ]
        return Progress(steps, pauses, self._speed)

    def _silences(self, power: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
        """First hop and end of each."""
        silent = power < max(_FLOOR, power.max(initial=0.0) * 10 ** (-SILENT_DB / 10))
        for start, end in np.flatnonzero(np.diff(silent, prepend=False, append=False)).reshape(-1, 2).tolist():
            if start == 0 or end - start >= PAUSE_SECONDS / HOP_SECONDS:
                yield start, end

    def _liveliness(self, power: NDArray[np.float64], speech: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much more than by the clock each hop brings the speech on: 1.0 where syllables come at an ordinary pace,
        and after the last one."""
        lively = np.ones(len(power))
        before = 0
        for peak in self._syllables(power):
            lasting = max(_QUICKEST, float(speech[before : peak + 1].sum()))
            lively[before : peak + 1] = 0.5 + 0.5 * SYLLABLE_SECONDS / lasting
            before = peak + 1
        return lively

    def _syllables(self, power: NDArray[np.float64]) -> Iterator[int]:
        """The loudest hop of each syllable that is over."""
        if len(power) < len(_WINDOW):
            return
        levels = 20.0 * np.log10(np.convolve(np.sqrt(power), _WINDOW, "same") + 1e-3)
        faint = float(levels.max()) - _FAINT_DB
        rising, turn, extreme = True, 0, -np.inf
        for hop, loudness in enumerate(levels.tolist()):
            if (loudness > extreme) if rising else (loudness < extreme):
                turn, extreme = hop, loudness
            elif abs(loudness - extreme) > _DIP_DB:
                if rising and extreme > faint:
                    yield turn
                rising, turn, extreme = not rising, hop, loudness
