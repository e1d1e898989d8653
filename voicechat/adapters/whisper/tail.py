"""Pure: the sound of an utterance that is not understood for good yet, and which tenths of a second of it are quiet."""

from typing import Final

import numpy as np

from voicechat.audio import LISTEN_RATE, Samples, level

STEP: Final = LISTEN_RATE // 10

ABOVE_BACKGROUND: Final = 4.0
"""dB over the utterance's softest tenth of a second that is still background. Even noise varies by less."""

BELOW_SPEECH: Final = 35.0
"""dB under the loudest, where nobody speaks any more; the softest sounds of a word are 30 dB under its loudest."""

CONTRAST: Final = 12.0
"""dB that quiet is below the loudest in any case: without them speech and background cannot be told apart."""


class Tail:
    """Sound of shape (n,) at 16 kHz that is added at its end and dropped at its beginning. Places count its samples."""

    def __init__(self, longest: int) -> None:
        self.samples: Samples = np.zeros(0, np.int16)
        self._longest = longest
        self._loudest, self._softest = -100.0, 0.0  # step ever, in dB
        self._levels: list[float] = []  # of each whole step

    def __len__(self) -> int:
        return len(self.samples)

    def add(self, samples: Samples) -> int:
        """Returns how many old samples had to go, so that no more than `longest` are kept."""
        self.samples = np.concatenate((self.samples, samples))
        self._measure()
        gone = -(-max(0, len(self.samples) - self._longest) // STEP) * STEP
        if gone:
            self.drop(gone)
        return gone

    def drop(self, count: int) -> None:
        """The first samples are not needed any more."""
        self.samples = self.samples[count:]
        self._levels.clear()
        self._measure()

    @property
    def loudest(self) -> float:
        """dB of the loudest step ever."""
        return max(self._loudest, *self._all_levels(), -100.0)

    def is_loud_from(self, place: int) -> bool:
        return any(value > self._quiet for value in self._all_levels()[place // STEP :])

    @property
    def pause(self) -> float:
        """Seconds of quiet at the end."""
        count = 0
        for value in reversed(self._levels):
            if value > self._quiet:
                break
            count += 1
        return count * STEP / LISTEN_RATE

    @property
    def speech_end(self) -> float:
        """Seconds until the last loud step is over."""
        loud = [number for number, value in enumerate(self._all_levels(), 1) if value > self._quiet]
        return loud[-1] * STEP / LISTEN_RATE if loud else 0.0

    @property
    def _quiet(self) -> float:
        background = max(self._softest + ABOVE_BACKGROUND, self._loudest - BELOW_SPEECH)
        return min(background, self._loudest - CONTRAST)

    def _measure(self) -> None:
        while (len(self._levels) + 1) * STEP <= len(self.samples):
            start = len(self._levels) * STEP
            value = level(self.samples[start : start + STEP])
            self._levels.append(value)
            self._loudest, self._softest = max(self._loudest, value), min(self._softest, value)

    def _all_levels(self) -> list[float]:
        """The last, shorter step included."""
        rest = self.samples[len(self._levels) * STEP :]
        return [*self._levels, level(rest)] if len(rest) else self._levels
