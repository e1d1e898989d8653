"""Pure: is what the microphone hears explained by what we played? A speakerphone must not interrupt itself.

Nothing is assumed of an echo until one is found. So the first sound of the first echo may pause the answer; a fifth
of a second later it is known for what it is. From then on a frame is an echo when no four of its bands stand out from
what the room would give back of our sound. A caller who speaks over it stands out: two voices are rarely loud in the
same band at the same time. Where there is no echo, because of headphones or the browser's own canceller, none is
found, and nothing changes.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat.audio import FRAME_SECONDS, AudioFrame
from voicechat.echo.path import AUDIBLE_DB, Path, PathFinder
from voicechat.echo.reverberation import LAGS, ORDINARY, ROOMS, Played, Reverberation
from voicechat.echo.spectrum import BANDS, FAINTEST_DB, Decibels, decibels, powers

_OUTSTANDING: Final = 4
"""Bands that are looked at: those that stand out most."""
_SMOOTHING: Final = 0.4
"""Share of the newest frame."""
_LOUD_DB: Final = 10.0
"""So far above the noise, a frame is more than noise."""
_NOISE_DB: Final = 3.0
"""Noise varies by as much."""
_SPILL: Final = 10.0 ** (-25.0 / 10.0)
"""Of the loudest band's power a loudspeaker makes so much in all others: it distorts."""
_SLIP: Final = 1
"""Frames by which the delay may change from one moment to the next: buffers stretch sound."""
_QUICKLY, _SLOWLY = 0.05, 0.01
"""Share by which the coupling follows a frame that is an echo, and one that seems not to be: volumes change."""
_STEP_DB: Final = 8.0
_SPARE: Final = 4
"""Where there is no need for more, one frame in so many is looked at: most calls have no echo."""
_SETTLING: Final = 0.02
_LATEST: Final = 0.5
"""Seconds of our sound without a sound in the microphone: there is no echo, which would have come by then."""
_ENOUGH: Final = 3.0
"""Seconds of our sound in which an echo would have been found, whatever else was heard."""


class Noise:
    """The quietest moment of the last one to two seconds, band by band, in dB."""

    def __init__(self) -> None:
        self._smooth: Decibels | None = None
        self._before = self._now = np.full(BANDS, np.inf)
        self._count = 0
        self.level: Decibels = np.full(BANDS, FAINTEST_DB)

    def hear(self, levels: Decibels, frames: int = 1) -> None:
        """One frame more, which stands for so many."""
        self._smooth = levels if self._smooth is None else 0.5 * (self._smooth + levels)
        self._now = np.minimum(self._now, self._smooth)
        self.level = np.minimum(self._before, self._now)
        self._count += frames
        if self._count * FRAME_SECONDS >= 1.0:
            self._before, self._now, self._count = self._now, np.full(BANDS, np.inf), 0


class Room:
    """An echo's path, and how loud and how long it comes back: follows slow changes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.coupling = np.tile(path.coupling, (ROOMS, 1))
        self._errors = np.full(ROOMS, 30.0)
        self._errors[ORDINARY] -= 1.0

    @property
    def _kind(self) -> int:
        return int(self._errors.argmin())

    def predict(self, given: NDArray[np.float64]) -> Decibels:
        """The echo in a frame, in dB, of what rooms give back by now, (lags, ROOMS, BANDS)."""
        echo: Decibels = self._near(given)[self._kind] + self.coupling[self._kind]
        return echo

    def learn(self, given: NDArray[np.float64], heard: Decibels, noise: Decibels, *, echo: bool) -> None:
        near = self._near(given)
        known = (near > AUDIBLE_DB) & (near + self.coupling > noise + _NOISE_DB)
        error = np.clip(heard - near - self.coupling, -_STEP_DB, _STEP_DB) * known
        self.coupling += error * (_QUICKLY if echo else _SLOWLY)
        if echo and known[ORDINARY].any():
            off = (error**2).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
            self._errors += _SETTLING * (off - self._errors)

    def _near(self, given: NDArray[np.float64]) -> Decibels:
        lag = self.path.lag
        nearest: Decibels = given[max(0, lag - _SLIP) : lag + _SLIP + 1].max(axis=0)
        return nearest


class Gate:
    """Of one caller. On the loop: 6 µs a frame when nothing is played, else 35, and 90 where there is an echo."""

    def __init__(self, margin: float = 7.0) -> None:
        """`margin` is by how many dB a voice must stand out from the echo."""
        self._margin = margin
        self._reverberation = Reverberation()
        self._finder = PathFinder()
        self._noise = Noise()
        self._room: Room | None = None
        self._outstanding = 0.0
        self._count = 0
        self._played = self._alone = 0.0  # seconds of our sound, and of it without another, lately
        self._clear = False

    @property
    def unsure(self) -> bool:
        """Whether there is an echo, or too little has been played to know of one."""
        return self._room is not None or not self._clear

    @property
    def delay(self) -> float | None:
        """Seconds in which our sound comes back; None: there is no echo."""
        return None if self._room is None else self._room.path.lag * FRAME_SECONDS

    @property
    def coupling(self) -> float | None:
        """In dB, how loud it comes back, as the median of all bands; None: there is no echo."""
        return None if self._room is None else float(np.median(self._room.coupling[ORDINARY]))

    def hear(self, frame: AudioFrame, levels: Sequence[Played], now: float) -> bool:
        """Whether 20 ms of the microphone, come at `now`, are explained by what we played: `Peer.levels`."""
        self._count += 1
        given = self._reverberation.hear(levels, now)
        if given is None:
            self._outstanding = 0.0
            if self._count % _SPARE == 0:
                self._noise.hear(decibels(powers(frame.samples, frame.rate)), _SPARE)
            return False
        heard = decibels(powers(frame.samples, frame.rate))
        self._noise.hear(heard)
        echo = self._room is not None and self._explains(self._room, given, heard)
        self._learn(given, heard, echo)
        return echo

    def _explains(self, room: Room, given: NDArray[np.float64], heard: Decibels) -> bool:
        power = 10.0 ** (room.predict(given) / 10.0)
        noise = 10.0 ** ((self._noise.level + _NOISE_DB) / 10.0)
        above = np.clip(heard - decibels(power + _SPILL * power.max() + noise), -6.0, 20.0)
        most = float(np.partition(above, BANDS - _OUTSTANDING)[-_OUTSTANDING:].mean())
        self._outstanding += _SMOOTHING * (most - self._outstanding)
        return self._outstanding <= self._margin

    def _learn(self, given: NDArray[np.float64], heard: Decibels, echo: bool) -> None:
        noise = self._noise.level
        above = np.partition(heard - noise, BANDS - _OUTSTANDING)[-_OUTSTANDING:]
        loud = float(above.mean()) > _LOUD_DB
        if given[0, ORDINARY].max() > AUDIBLE_DB:
            self._played += FRAME_SECONDS
            self._alone = 0.0 if loud else self._alone + FRAME_SECONDS
            self._clear = self._clear or self._alone >= _LATEST or self._played >= _ENOUGH
        played = given[:LAGS, ORDINARY]
        if self._room is None or not self._room.path.sure:
            self._search(played, heard, noise + _NOISE_DB, loud)
            return
        self._room.learn(given, heard, noise, echo=echo)
        if self._count % 2 == 0:
            self._finder.hear(played, heard, noise + _NOISE_DB, loud=loud, weight=2.0 if echo else 0.5)
            path = self._finder.follow(self._room.path)
            if path is None:
                self._room = None
            elif path is not self._room.path:
                self._room = Room(path)

    def _search(self, played: NDArray[np.float64], heard: Decibels, noise: Decibels, loud: bool) -> None:
        if loud or self._finder.new:
            self._finder.hear(played, heard, noise, loud=loud, weight=1.0)
            path = self._finder.find()
            self._room = None if path is None else Room(path)
        elif self._count % _SPARE == 0:
            self._finder.hear(played, heard, noise, loud=False, weight=float(_SPARE))
