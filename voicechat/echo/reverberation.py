"""Pure: what we played lately, as rooms would give it back, frame by frame of the microphone's own clock."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voicechat.audio import FRAME_SECONDS
from voicechat.echo.spectrum import BANDS, FAINTEST_DB, Decibels, Powers, decibels

LAGS: Final = 40
"""Frames within which an echo comes back: 0.6 s, and what network and buffers add to one of a caller far away."""

FADING: Final = np.array([0.25, 0.45, 0.63])
"""How much of a sound's power is left 20 ms later: rooms that reverberate for 0.2, 0.35 and 0.6 s."""

ROOMS: Final = len(FADING)
ORDINARY: Final = ROOMS // 2

_WINDOW: Final = LAGS + 2
_RING: Final = 8 * _WINDOW
_AHEAD: Final = 128
"""Frames that may be known before they play."""
_TORN_SECONDS: Final = 1.0
"""A microphone that is further behind its clock has lost sound."""
_CREEP: Final = 1.0005
"""Clocks differ by less; the microphone's is held back to its quickest frames, so it must be able to fall behind."""


class Played(NamedTuple):
    """20 ms of ours: when they began to play, on the loop's clock, and how loud they were."""

    begins: float
    powers: Powers


class Reverberation:
    """Put in step with the microphone: frames of its clock, not the times at which the network brings them.

    A frame of ours spans two of the microphone's and counts in each for its part.
    """

    def __init__(self) -> None:
        self._clock: float | None = None
        self._newest: Played | None = None
        self._due = np.zeros((_AHEAD, BANDS))  # power that is to come, from frame `_frame` on, round
        self._frame = 0
        self._quiet = _WINDOW  # frames since the last sound that was due
        self._rooms = np.zeros((ROOMS, BANDS))
        self._ring = np.full((_RING, ROOMS, BANDS), FAINTEST_DB)
        self._place = _RING - _WINDOW

    def hear(self, played: Sequence[Played], now: float) -> NDArray[np.float64] | None:
        """One frame of the microphone, come at `now`: what rooms gave back up to it, in dB; None: nothing for long.

        `played` is what was played lately, oldest first. Shape (LAGS + 2, ROOMS, BANDS), the newest first; a view that
        is good until the next call.
        """
        clock = self._tick(now)
        for frame in self._fresh(played):
            self._place_due(frame, clock)
        coming = self._due[self._frame]
        sounds = bool(coming.any())
        self._quiet = 0 if sounds else self._quiet + 1
        if self._quiet > _WINDOW:
            self._frame = (self._frame + 1) % _AHEAD
            return None
        if self._quiet == 0 or self._rooms.any():
            self._rooms *= FADING[:, np.newaxis]
            self._rooms += (1.0 - FADING[:, np.newaxis]) * coming
        coming[:] = 0.0
        self._frame = (self._frame + 1) % _AHEAD
        return self._push(decibels(self._rooms))

    def _tick(self, now: float) -> float:
        """When the present frame was due: sound comes evenly, and no frame comes before its time."""
        clock = self._clock
        if clock is None or now - clock > _TORN_SECONDS:
            self._clock = now
        else:
            self._clock = min(now, clock + FRAME_SECONDS * _CREEP)
        return self._clock

    def _fresh(self, played: Sequence[Played]) -> list[Played]:
        """Those that are new, newest first."""
        fresh: list[Played] = []
        for frame in reversed(played):
            if frame is self._newest:
                break
            fresh.append(frame)
        if fresh:
            self._newest = fresh[0]
        return fresh

    def _place_due(self, frame: Played, clock: float) -> None:
        place = max(0.0, (frame.begins - clock) / FRAME_SECONDS + 1.0)
        first = int(place)
        if first + 1 >= _AHEAD:
            return
        part = place - first
        self._due[(self._frame + first) % _AHEAD] += (1.0 - part) * frame.powers
        self._due[(self._frame + first + 1) % _AHEAD] += part * frame.powers

    def _push(self, levels: Decibels) -> NDArray[np.float64]:
        if self._place == 0:
            self._place = _RING - _WINDOW
            self._ring[self._place + 1 :] = self._ring[: _WINDOW - 1]
        self._place -= 1
        self._ring[self._place] = levels
        return self._ring[self._place : self._place + _WINDOW]
