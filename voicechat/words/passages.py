"""Pure: a recording of any length, cut at its pauses into passages that a recogniser takes as one utterance each.

What nobody says between two passages belongs to neither.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from voicechat.audio import LISTEN_RATE, Framer, Samples

STEP: Final = LISTEN_RATE // 10

BEFORE_STEPS: Final = 3
"""Quiet before a passage that is part of it: first sounds are soft."""

SOFTEST_DB: Final = -55.0
"""Nothing below is speech."""

ABOVE_BACKGROUND, BELOW_SPEECH, CONTRAST = 4.0, 35.0, 12.0
"""dB over the softest sound that are still background; under the loudest, where nobody speaks any more; and under it
that quiet is in any case."""

LONGEST_STEPS: Final = 280
"""Whisper reads 30 s at a time."""


def pause_steps(length: int) -> int:
    """How much quiet ends a passage of so many steps: 0.6 s a short one, 0.1 s one of 20 s."""
    return max(1, 6 - length // 40)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Sound of a passage, (n,) samples at 16 kHz, from `start` seconds of the recording on.

    `last`: the passage ends with it, and its voice ended at `until` seconds.
    """

    samples: Samples
    start: float
    until: float
    last: bool


class Passages:
    """Finds them as the recording comes."""

    def __init__(self) -> None:
        self._framer = Framer(STEP)
        self._before: deque[Samples] = deque(maxlen=BEFORE_STEPS)
        self._heard = 0  # steps of the recording
        self._length = 0  # steps of the passage; 0: there is none
        self._quiet = 0  # steps at its end
        self._softest = 0.0
        self._loudest = SOFTEST_DB

    def push(self, samples: Samples) -> list[Stretch]:
        """What of the sound belongs to passages, each passage's in one piece."""
        steps = list(self._framer.push(samples))
        found = zip(steps, levels(steps), strict=True)
        return list(self._joined([piece for step, loudness in found for piece in self._hear(step, loudness)]))

    def finish(self) -> list[Stretch]:
        """The rest; the last passage ends."""
        rest = self._framer.flush()
        pieces = self._hear(rest, *levels([rest])) if rest is not None else []
        if self._length:
            pieces.append(self._cut(np.zeros(0, np.int16)))
        return list(self._joined(pieces))

    def _hear(self, step: Samples, loudness: float) -> list[Stretch]:
        loud = self._is_loud(loudness)
        self._heard += 1
        if not self._length and not loud:
            self._before.append(step)
            return []
        begin = [*self._before, step]
        self._before.clear()
        self._length += len(begin)
        self._quiet = 0 if loud else self._quiet + 1
        if self._quiet >= pause_steps(self._length) or self._length >= LONGEST_STEPS:
            return [self._cut(np.concatenate(begin))]
        return [self._stretch(np.concatenate(begin), last=False)]

    def _is_loud(self, found: float) -> bool:
        self._softest = min(self._softest, found)
        self._loudest = max(self._loudest, found)
        background = max(self._softest + ABOVE_BACKGROUND, self._loudest - BELOW_SPEECH)
        return found > max(SOFTEST_DB, min(background, self._loudest - CONTRAST))

    def _cut(self, samples: Samples) -> Stretch:
        cut = self._stretch(samples, last=True)
        self._length = self._quiet = 0
        self._loudest = SOFTEST_DB
        return cut

    def _stretch(self, samples: Samples, *, last: bool) -> Stretch:
        start = self._heard * STEP - len(samples)
        return Stretch(samples, start / LISTEN_RATE, (self._heard - self._quiet) * STEP / LISTEN_RATE, last)

    def _joined(self, pieces: list[Stretch]) -> Iterator[Stretch]:
        run: list[Stretch] = []
        for piece in pieces:
            run.append(piece)
            if piece.last:
                yield _join(run)
                run = []
        if run:
            yield _join(run)


def levels(steps: Sequence[Samples]) -> list[float]:
    """`audio.level` of each, in a fraction of the time: ten seconds come at once, on the loop."""
    if not steps:
        return []
    sound = np.stack(steps).astype(np.float32)
    power = np.einsum("ij,ij->i", sound, sound) / sound.shape[1]
    found: list[float] = np.maximum(-100.0, 10.0 * np.log10(power / 32768.0**2 + 1e-10)).tolist()
    return found


def _join(run: list[Stretch]) -> Stretch:
    return Stretch(np.concatenate([piece.samples for piece in run]), run[0].start, run[-1].until, run[-1].last)
