"""A far end's loudspeaker, and what of it its microphone hears."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from voicechat.audio import FRAME_SECONDS, LISTEN_RATE, Samples

_FRAME: Final = round(LISTEN_RATE * FRAME_SECONDS)


@dataclass(frozen=True, slots=True)
class Echo:
    """A loudspeaker that the microphone hears: how much softer in dB, and how many seconds later."""

    decibels: float
    delay: float = 0.1
    starts: tuple[float, ...] = ()
    """A far end that buffers gets its sound ahead, and begins to play so many seconds after it has some, now this many
    and now that; (): it plays what comes at once."""


class Loudspeaker:
    """Plays what comes, one frame after the other; `seconds` are the longest that it may be heard."""

    def __init__(self, echo: Echo, seconds: float) -> None:
        self._echo = echo
        self._sound = np.zeros(round((seconds + 1.0) * LISTEN_RATE), np.float32)
        self._until = 0  # it has sound to play until this sample of the microphone's
        self._begun = 0

    def play(self, samples: Samples, now: float) -> None:
        """A frame has come, in seconds of the microphone's clock."""
        place = round((now + self._echo.delay) * LISTEN_RATE)
        if self._echo.starts:
            if place > self._until:
                place += round(self._echo.starts[self._begun % len(self._echo.starts)] * LISTEN_RATE)
                self._begun += 1
            place = max(place, self._until)
        self._until = place + len(samples)
        part = self._sound[place : self._until]
        part[:] = samples[: len(part)] * np.float32(10 ** (-self._echo.decibels / 20))

    def heard(self, now: float) -> Samples:
        """The last 20 ms."""
        end = round(now * LISTEN_RATE)
        return np.clip(np.round(self._sound[max(0, end - _FRAME) : end]), -32768, 32767).astype(np.int16)
