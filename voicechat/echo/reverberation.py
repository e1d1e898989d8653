"""Pure: what we played lately, as rooms would give it back, frame by frame of the microphone's own clock."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voicechat.audio import FRAME_SECONDS, Samples
from voicechat.echo.spectrum import BANDS, powers

LAGS: Final = 40
"""Frames within which an echo comes back: 0.6 s, and what network and buffers add to one of a caller far away."""

FADING: Final = np.array([0.02, 0.25, 0.45, 0.63])
"""How much of a sound's power is left 20 ms later: no room at all (a headset that leaks, a line that sends sound back),
and rooms that reverberate for 0.2, 0.35 and 0.6 s."""

ROOMS: Final = len(FADING)
ORDINARY: Final = 2
SOUGHT: Final = (0, 2)
"""Rooms in which an echo is looked for: where it is found in one of them, the others are near."""

_MOST: Final = 64
"""Frames that may be heard at once."""
_WINDOW: Final = LAGS + 2 + _MOST
_RING: Final = 8 * _WINDOW
_AHEAD: Final = 192
"""Frames that may be known before they play."""
_TORN_SECONDS: Final = 1.0
"""A microphone that is further behind its clock has lost sound."""
_CREEP: Final = 1.0005
"""Clocks differ by less; the microphone's is held back to its quickest frames, so it must be able to fall behind."""
_LATE: Final = 4
"""Frames by which the network may be late to tell what was played; what is older was before the first one heard."""
_AGES: Final = np.arange(_MOST)[:, np.newaxis] - np.arange(_MOST)
_KEPT: Final = np.where(_AGES >= 0, (1.0 - FADING[:, None, None]) * FADING[:, None, None] ** np.maximum(_AGES, 0), 0.0)
"""(ROOMS, _MOST, _MOST): how much of each frame's power is there in each later one."""
_LEFT: Final = FADING[:, None, None] ** np.arange(1, _MOST + 1)[:, np.newaxis]
"""(ROOMS, _MOST, 1): and of what was there before."""


class Played(NamedTuple):
    """20 ms of ours: when they began to play, on the loop's clock, their sound and its rate."""

    begins: float
    samples: Samples
    rate: int


class Clock:
    """The microphone's own: its frames come evenly, whatever the network does."""

    def __init__(self) -> None:
        self._now: float | None = None

    def tick(self, now: float) -> float:
        """When the frame that came at `now` was due: no frame comes before its time."""
        due = self._now
        if due is None or now - due > _TORN_SECONDS:
            self._now = now
        else:
            self._now = min(now, due + FRAME_SECONDS * _CREEP)
        return self._now


class Reverberation:
    """What is played, put in step with the microphone, as rooms would give it back.

    A frame of ours spans two of the microphone's and counts in each for its part. Several frames at a time cost
    hardly more than one.
    """

    def __init__(self) -> None:
        self._newest: Played | None = None
        self._due = np.zeros((_AHEAD, BANDS))  # power that is to come, from the next frame on
        self._rooms = np.zeros((ROOMS, BANDS))
        self._ring = np.zeros((_RING, ROOMS, BANDS))
        self._place = _RING - _WINDOW
        self.quiet = _WINDOW
        """Frames since the last sound that was due, or a few less."""

    def forget(self) -> None:
        """Frames of the microphone are missing: whatever was played, it begins anew."""
        self._newest = None
        self._due[:] = 0.0
        self._rooms[:] = 0.0
        self._ring[self._place : self._place + _WINDOW] = 0.0
        self.quiet = _WINDOW

    def hear(self, played: Sequence[Played], due: float, frames: int) -> None:
        """So many frames more of the microphone, at most 64; the last was due then.

        `played` is what was played lately, oldest first.
        """
        fresh = self._fresh(played)
        if fresh:
            self._schedule(fresh, due, frames)
        coming = self._due[:frames].copy()
        self._due[:-frames] = self._due[frames:]
        self._due[-frames:] = 0.0
        self.quiet = 0 if coming.any() else self.quiet + frames
        rooms = _KEPT[:, :frames, :frames] @ coming
        rooms += self._rooms[:, np.newaxis] * _LEFT[:, :frames]
        self._rooms = rooms[:, -1]
        if self._place < frames:
            place = _RING - _WINDOW
            self._ring[place:] = self._ring[self._place : self._place + _WINDOW]
            self._place = place
        self._place -= frames
        self._ring[self._place : self._place + frames] = rooms[:, ::-1].transpose(1, 0, 2)

    def given(self, frames: int) -> NDArray[np.float64]:
        """Power that rooms gave back, the newest first, (frames, ROOMS, BANDS); a view until more is heard."""
        return self._ring[self._place : self._place + frames]

    def _fresh(self, played: Sequence[Played]) -> list[Played]:
        """Those that are new, newest first, and all of a rate."""
        fresh: list[Played] = []
        for frame in reversed(played):
            if frame is self._newest:
                break
            if not fresh or len(frame.samples) == len(fresh[0].samples):
                fresh.append(frame)
        if fresh:
            self._newest = fresh[0]
        return fresh

    def _schedule(self, fresh: list[Played], due: float, frames: int) -> None:
        """Into the frames of the microphone in which it sounds."""
        power = powers(np.array([frame.samples for frame in fresh]), fresh[0].rate)
        for frame, loudness in zip(fresh, power, strict=True):
            place = (frame.begins - due) / FRAME_SECONDS + frames
            if -_LATE <= place < _AHEAD - 1:
                place = max(0.0, place)
                first = int(place)
                part = place - first
                self._due[first] += (1.0 - part) * loudness
                self._due[first + 1] += part * loudness
