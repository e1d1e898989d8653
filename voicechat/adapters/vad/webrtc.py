"""The WebRTC detector behind a gate that learns the background: a few microseconds a frame, no model.

Alone it takes hum and steady loud noise for voice. So a frame must also stand out from the background: the quietest
moment of the last two seconds. Speech leaves such moments between its words, steady noise does not. Measured on 36
clips of speech and 5 of noise, frames taken for voice: of the speech 94 % (without the gate 99 %), of the noise 28 %
(without it 59 %).
"""

from collections import deque
from typing import Final

import webrtcvad

from voicechat.audio import LISTEN_RATE, Samples, level
from voicechat.config import Settings, WebrtcVadSettings
from voicechat.protocols import VadStream

MEMORY: Final = 100
"""Frames of 20 ms. Shorter ones lose the ends of long sentences, longer ones learn a new noise too late."""
SMOOTHING: Final = 0.5
"""Share of the newest frame: a single quiet frame of an uneven noise is not its background."""


class Background:
    """The level of the quietest moment of the last two seconds, in dB below full scale; at first the floor.

    So the first words of a caller who begins at once are heard, and a noise is voice for its first two seconds.
    """

    def __init__(self, floor: float) -> None:
        self._floor = floor
        self._smooth = floor
        self._clock = 0
        self._lows = deque([(0, floor)])  # when a frame came, and its level, which all later ones exceed

    @property
    def level(self) -> float:
        return max(self._floor, self._lows[0][1])

    def hear(self, level: float) -> None:
        """One frame of 20 ms more."""
        self._clock += 1
        self._smooth += SMOOTHING * (level - self._smooth)
        lows = self._lows
        while lows and lows[-1][1] >= self._smooth:
            lows.pop()
        lows.append((self._clock, self._smooth))
        if lows[0][0] <= self._clock - MEMORY:
            lows.popleft()


class WebrtcStream:
    """One caller's detector; its probability is 0.0 or 1.0."""

    def __init__(self, settings: WebrtcVadSettings) -> None:
        self._settings = settings
        self.reset()

    def probability(self, samples: Samples) -> float:
        loudness = level(samples)
        background = self._background
        stands_out = loudness > max(self._settings.floor_db, background.level + self._settings.gate_db)
        background.hear(loudness)
        voiced = self._detector.is_speech(samples.tobytes(), LISTEN_RATE)  # always: it adapts to what it hears
        return 1.0 if voiced and stands_out else 0.0

    def reset(self) -> None:
        self._detector = webrtcvad.Vad(self._settings.aggressiveness)
        self._background = Background(self._settings.floor_db)


class Webrtc:
    """Makes detectors; there is nothing to share."""

    def __init__(self, settings: WebrtcVadSettings) -> None:
        self._settings = settings

    def open(self) -> VadStream:
        return WebrtcStream(self._settings)


def load(settings: Settings) -> Webrtc:
    return Webrtc(settings.vad.webrtc)
