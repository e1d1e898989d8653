"""Pure: is what the microphone hears explained by what we played? A speakerphone must not interrupt itself.

Where there is no echo, because of headphones or the browser's own canceller, the gate finds that out in half a second
of the first answer and rests. Until then a voice that begins after our sound may be its echo, and is held back until
it goes other ways than our sound at every delay: that takes some tenths of a second. Once an echo's path is known, a
frame is an echo when no four of its bands stand out from what the room would give back of our sound. A caller who
speaks over it stands out: two voices are rarely loud in the same band at the same time.

A frame without voice is nobody's, so nothing is decided of it, and several of them are dealt with at a time.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat.audio import FRAME_SECONDS, AudioFrame, Samples
from voicechat.echo.noise import VARIES_DB, Noise
from voicechat.echo.path import AUDIBLE_DB, WAYS, Path, PathFinder
from voicechat.echo.reverberation import LAGS, ORDINARY, SOUGHT, Clock, Played, Reverberation
from voicechat.echo.room import SLIP, Room
from voicechat.echo.spectrum import BANDS, FAINTEST_DB, Decibels, decibels, powers

_OUTSTANDING: Final = 4
"""Bands that are looked at: those that stand out most."""
_SMOOTHING: Final = 0.4
"""Share of the newest frame."""
_LOUD_DB: Final = 10.0
"""So far above the noise, a frame is more than noise."""
_SPILL: Final = 10.0 ** (-25.0 / 10.0)
"""Of the loudest band's power a loudspeaker makes so much in all others: it distorts."""
_BLOCK: Final = 8
"""Frames that are learned from at a time."""
_GROUP: Final = 2
"""Frames of voice over an echo that are weighed at a time."""
_KEPT: Final = LAGS + _BLOCK
"""Frames that a gate at rest remembers."""
_SPARE: Final = 4
"""One frame in so many tells of the noise, while nothing else is asked."""
_LATEST: Final = 0.5
"""Seconds of our sound without a sound in the microphone: there is no echo, which would have come by then."""
_ENOUGH: Final = 3.0
"""Seconds of our sound in which an echo would have been found, whatever else was heard."""
_FAINTEST: Final = 10.0 ** (FAINTEST_DB / 10.0)
_STEPS: Final = np.arange(LAGS)


class Gate:
    """Of one caller, for a whole call.

    On the loop: a frame costs 2 µs at rest, 20 where a caller speaks, 40 where an echo is loud (November 2026).
    """

    def __init__(self, margin: float = 6.5) -> None:
        """`margin` is by how many dB a voice must stand out from the echo."""
        self._margin = margin
        self._clock = Clock()
        self._reverberation = Reverberation()
        self._finder = PathFinder()
        self._noise = Noise()
        self._room: Room | None = None
        self._waiting: deque[Samples] = deque(maxlen=_KEPT)  # not measured yet
        self._missing = True  # frames were passed over since the last that was measured
        self._spare: list[Samples] = []
        self._count = self._voices = 0
        self._heard: list[Decibels] = []  # not learned from yet
        self._echoes: list[bool] = []
        self._past: deque[Decibels] = deque(maxlen=_KEPT)  # learned from, and to be learned from
        self._outstanding = 0.0
        self._echo = False  # the last voice was one
        self._played = self._alone = 0.0  # seconds of our sound, and of it without another, lately
        self._clear = False

    @property
    def unsure(self) -> bool:
        """Whether a voice that passes may be an echo after all: too little has been played to know."""
        return not self._clear if self._room is None else not self._room.path.sure

    @property
    def delay(self) -> float | None:
        """Seconds in which our sound comes back; None: there is no echo."""
        return None if self._room is None else self._room.path.lag * FRAME_SECONDS

    @property
    def coupling(self) -> float | None:
        """In dB, how loud it comes back, as the median of all bands; None: there is no echo."""
        return None if self._room is None else float(np.median(self._room.coupling[ORDINARY]))

    def hear(self, frame: AudioFrame, levels: Sequence[Played], now: float, *, voiced: bool = True) -> bool:
        """Whether 20 ms of the microphone, come at `now`, are explained by what we played: `Peer.levels`.

        What is not `voiced` is taken for what the last voice was.
        """
        due = self._clock.tick(now)
        resting = self._room is None and self._clear
        if not levels or (resting and not voiced):
            self._rest(frame, remember=bool(levels))
            return False
        self._keep(frame.samples)
        self._voices += voiced
        if self._voices >= self._patience or (not resting and len(self._waiting) >= _BLOCK):
            self._measure(frame.rate, levels, due)
            if len(self._heard) >= self._lesson:
                self._learn()
        return self._echo

    @property
    def _sure(self) -> bool:
        return self._room is not None and self._room.path.sure

    @property
    def _patience(self) -> int:
        """Frames of voice that are dealt with at a time."""
        return _GROUP if self._sure else _BLOCK if self._clear and self._room is None else 1

    @property
    def _lesson(self) -> int:
        """Frames that are learned from at a time."""
        return 3 * _BLOCK if self._sure else _BLOCK

    def _rest(self, frame: AudioFrame, *, remember: bool) -> None:
        """The frame is not our echo; it may be asked for later, where something was played lately."""
        self._echo = False
        self._voices = 0
        if remember:
            self._keep(frame.samples)
        elif self._waiting or not self._missing:
            self._waiting.clear()
            self._heard, self._echoes = [], []
            self._missing = True
        self._count += 1
        if self._count % _SPARE == 0:
            self._spare.append(frame.samples)
            if len(self._spare) == _BLOCK:
                self._noise.hear(decibels(powers(np.array(self._spare), frame.rate)), _SPARE)
                self._spare = []

    def _keep(self, samples: Samples) -> None:
        self._missing = self._missing or len(self._waiting) == _KEPT
        self._waiting.append(samples)

    def _measure(self, rate: int, levels: Sequence[Played], due: float) -> None:
        """All that waits, and what was played meanwhile. Frames without a voice are explained by anything."""
        if self._missing:
            self._reverberation.forget()
            self._heard, self._echoes = [], []
            self._past.clear()
            self._missing = False
        count = len(self._waiting)
        power = powers(np.array(self._waiting), rate)
        self._reverberation.hear(levels, due, count)
        heard = decibels(power)
        self._heard.extend(heard)
        self._past.extend(heard)
        self._echoes.extend([True] * count)
        resting = self._room is None and self._clear
        if self._voices and not resting:
            self._echo = self._decide(power)
            if self._echoes:
                self._echoes[-1] = self._echo
        self._waiting.clear()
        self._voices = 0

    def _decide(self, power: NDArray[np.float32]) -> bool:
        if self._reverberation.quiet > LAGS + SLIP:
            return False
        if not self._sure:
            self._learn()
        if self._room is not None and self._explains(self._room, power):
            return True
        return self.unsure and self._finder.may_explain()

    def _explains(self, room: Room, power: NDArray[np.float32]) -> bool:
        """The newest frames, the older of them in the light of those before."""
        power = power[-_GROUP:]
        echo = room.predict(self._reverberation.given(LAGS + SLIP + _GROUP), len(power))
        supposed = echo + _SPILL * echo.max(axis=1, keepdims=True) + self._noise.loudest
        for above in np.sort(10.0 * np.log10((power + _FAINTEST) / supposed))[:, -_OUTSTANDING:].tolist():
            most = sum(min(20.0, max(-6.0, level)) for level in above) / _OUTSTANDING
            self._outstanding += _SMOOTHING * (most - self._outstanding)
        return self._outstanding <= self._margin

    def _learn(self) -> None:
        heard, echo = np.array(self._heard), np.array(self._echoes)
        self._heard, self._echoes = [], []
        count = len(heard)
        self._noise.hear(heard)
        noise = self._noise.level
        loud = np.partition(heard - noise, BANDS - _OUTSTANDING)[:, -_OUTSTANDING:].mean(axis=1) > _LOUD_DB
        ours = decibels(self._reverberation.given(count + LAGS)[:, SOUGHT])
        self._count_played(ours[:count].max(axis=(1, 2))[::-1] > AUDIBLE_DB, loud)
        if self._reverberation.quiet > LAGS + SLIP:
            return
        rows, weights = _chosen(count, sure=self._sure)
        if self._sure:
            weights = weights * np.where(echo[rows], 1.0, 0.25)
        played = ours[(count - 1 - rows)[:, np.newaxis] + _STEPS].reshape(len(rows), WAYS, BANDS)
        self._finder.hear(played, heard[rows], noise + VARIES_DB, loud=loud[rows], weights=weights)
        if self._room is None or not self._sure:
            path = self._finder.find()
            self._room = None if path is None else self._enter(path)
            return
        self._room.learn(self._reverberation.given(LAGS + SLIP + count), heard, noise, echo)
        followed = self._finder.follow(self._room.path)
        if followed is None:
            self._room, self._clear = None, False
            self._played = self._alone = 0.0
        elif followed is not self._room.path:
            self._room = self._enter(followed)

    def _enter(self, path: Path) -> Room:
        room = Room(path)
        past = np.array(self._past)
        room.fit(self._reverberation.given(LAGS + SLIP + len(past)), past, self._noise.level)
        return room

    def _count_played(self, audible: NDArray[np.bool_], loud: NDArray[np.bool_]) -> None:
        self._played += FRAME_SECONDS * int(audible.sum())
        both = np.flatnonzero(audible & loud)
        alone = audible[both[-1] + 1 :] if len(both) else audible
        self._alone = FRAME_SECONDS * int(alone.sum()) + (0.0 if len(both) else self._alone)
        self._clear = self._clear or self._alone >= _LATEST - 1e-6 or self._played >= _ENOUGH


def _chosen(count: int, *, sure: bool) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Which of so many frames the finder hears, and what each is worth: all the new ones, or a few for many."""
    if sure:
        rows = np.arange(0, count, _SPARE)
        return rows, np.full(len(rows), float(_SPARE))
    old = np.arange(0, max(0, count - _BLOCK), _SPARE)
    new = np.arange(max(0, count - _BLOCK), count)
    return np.concatenate((old, new)), np.concatenate((np.full(len(old), float(_SPARE)), np.ones(len(new))))
