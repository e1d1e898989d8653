"""Rooms made of numbers: a loudspeaker, its echo in a microphone, and a caller who may speak there too. 16 kHz."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat.audio import FRAME_SECONDS, LISTEN_RATE, AudioFrame, Samples
from voicechat.ears import Ears
from voicechat.echo.reverberation import Played
from voicechat.events import State
from voicechat.turn import Act, Clues, Floor
from voicechat.turntaking.rules import Profile, Rules

FRAME: Final = round(LISTEN_RATE * FRAME_SECONDS)
DRIVE: Final = 1.5
"""How far the loudspeaker is overdriven: tanh(1.5 x) / 1.5."""

LEAD_SECONDS: Final = 0.2
"""Sound that a far end that buffers gets ahead."""

Sound = NDArray[np.float64]


@dataclass(frozen=True)
class Room:
    """An echo of `coupling` dB (None: headphones) comes after `delay` seconds and fades by 60 dB in `fading`."""

    coupling: float | None
    delay: float = 0.1
    fading: float = 0.3
    noise: float = -65.0
    """dB below full scale."""
    starts: tuple[float, ...] = ()
    """A far end that buffers gets its sound ahead, and begins to play so many seconds after it has some, now this many
    and now that; (): it plays what comes at once."""
    drift: float = 0.0
    """By what share its clock is slow."""
    jitter: float = 0.0
    """Its microphone's sound comes up to so many seconds late."""


class Microphone:
    """Hears what is played in a room, its noise, and the caller; frame by frame."""

    def __init__(self, room: Room, seconds: float, dice: np.random.Generator) -> None:
        count = round(seconds / FRAME_SECONDS + 1) * FRAME
        self._sound = dice.standard_normal(count) * 32768 * 10 ** (room.noise / 20)
        self._room = room
        self._dice = dice
        self._size = 1 << int(np.ceil(np.log2(FRAME + room.fading * LISTEN_RATE)))
        self._response = np.fft.rfft(_response(room.fading, dice), self._size)
        self._at = 0
        self._until = -1.0  # the far end has sound to play until then
        self._begun = 0

    @property
    def buffers(self) -> bool:
        return bool(self._room.starts)

    def speak(self, sound: Sound, at: float) -> None:
        """The caller will have spoken, from `at` seconds on."""
        start = round(at * LISTEN_RATE)
        end = min(len(self._sound), start + len(sound))
        self._sound[start:end] += sound[: end - start]

    def hear(self, played: Samples | None = None) -> Samples:
        """The next 20 ms, while these are played, or come to a far end that buffers."""
        if played is not None:
            self.play(played)
        heard = self._sound[self._at : self._at + FRAME]
        self._at += FRAME
        return np.clip(heard, -32768, 32767).astype(np.int16)

    def late(self) -> float:
        """Seconds by which the latest 20 ms come late."""
        return float(self._dice.uniform(0.0, self._room.jitter))

    def play(self, played: Samples) -> None:
        """These come to the far end."""
        room = self._room
        if room.coupling is None:
            return
        at = self._at / LISTEN_RATE
        if room.starts:
            if at > self._until:
                at += room.starts[self._begun % len(room.starts)]
                self._begun += 1
            at = max(at, self._until)
        self._until = at + FRAME_SECONDS
        loud = np.tanh(played * (DRIVE / 32768)) / DRIVE * 32768
        echo = np.fft.irfft(np.fft.rfft(loud, self._size) * self._response, self._size)
        self.speak(echo * 10 ** (room.coupling / 20), at * (1.0 + room.drift) + room.delay)


def _response(fading: float, dice: np.random.Generator) -> Sound:
    """A direct sound, weaker or stronger than its reverberation; of power 1 in all."""
    length = max(1, round(fading * LISTEN_RATE))
    response = dice.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    response[0] += np.sqrt(np.sum(response**2)) * dice.uniform(0.3, 1.5)
    whole: Sound = response / np.sqrt(np.sum(response**2))
    return whole


def loudness(sound: NDArray[np.generic]) -> float:
    """Of the loud frames, in dB below full scale."""
    frames = sound[: len(sound) // FRAME * FRAME].astype(np.float64).reshape(-1, FRAME)
    power = (frames**2).mean(axis=1)
    return 10 * float(np.log10(power[power > 0.01 * power.max()].mean() / 32768**2))


def at_level(sound: Samples, level: float) -> Sound:
    """Loud frames at so many dB; what is silent at both ends is cut off."""
    frames = sound[: len(sound) // FRAME * FRAME].astype(np.float64).reshape(-1, FRAME)
    power = (frames**2).mean(axis=1)
    loud = np.flatnonzero(power > 0.003 * power.max())
    kept = frames[loud[0] : loud[-1] + 1].ravel()
    scaled: Sound = kept * 10 ** ((level - loudness(kept)) / 20)
    return scaled


@dataclass
class Answer:
    """What became of an answer; all in seconds of the call."""

    began: float
    pauses: list[float] = field(default_factory=list)
    cut: float | None = None


class Call:
    """The ears, the gate and the floor of one session, in a room; the bot speaks when it is told to.

    No words are recognised, and speech of 0.2 s commits: the strictest that a session is.
    """

    def __init__(self, ears: Ears, microphone: Microphone, *, rules: Rules | None = None) -> None:
        strict = Profile(confirm_alone=0.2)
        self.floor = Floor(rules or Rules(speaking=strict, waiting=strict))
        self.acts: list[tuple[float, Act]] = []
        self._ears, self._microphone = ears, microphone
        self._buffers = microphone.buffers
        self._played: list[Played] = []
        self._until = 0.0  # a far end that buffers has sound until then
        self._frames = 0

    @property
    def now(self) -> float:
        return self._frames * FRAME_SECONDS

    def wait(self, seconds: float) -> None:
        """Nothing is played."""
        for _ in range(round(seconds / FRAME_SECONDS)):
            self._tick(None)

    def answer(self, sound: Sound, after: float = 0.8) -> Answer:
        """Plays it to its end, paused and resumed or cut as the floor says, and waits until nobody speaks."""
        self._think()
        self.floor.speak()
        answer = Answer(self.now)
        frames = _frames(sound)
        held, quiet = False, 0.0
        while quiet < after and answer.cut is None:
            frame = None if held else self._ahead(frames)
            quiet = quiet + FRAME_SECONDS if frame is None and not held else 0.0
            for act in self._tick(frame):
                if act is Act.PAUSE:
                    answer.pauses.append(self.now)
                elif act is Act.CUT:
                    answer.cut = self.now
                held = act is Act.PAUSE
        self._rest()
        return answer

    def _think(self) -> None:
        self._rest()
        self.floor.think()

    def _rest(self) -> None:
        while self.floor.state in (State.LISTENING, State.BARGED_IN):
            self._tick(None)
        self.floor.rest()

    def _ahead(self, frames: Iterator[Samples]) -> Samples | None:
        """The next frame; one that buffers gets as many more before as it lacks, but for the last of them."""
        frame = next(frames, None)
        lacking = round((LEAD_SECONDS - max(0.0, self._until - self.now)) / FRAME_SECONDS) if self._buffers else 1
        for _ in range(lacking - 1):
            if frame is not None:
                self._play(frame)
                self._microphone.play(frame)
                frame = next(frames, None)
        return frame if lacking > 0 else None

    def _play(self, played: Samples) -> None:
        begins = max(self.now, self._until) if self._buffers else self.now
        self._until = begins + FRAME_SECONDS
        self._played = [*self._played[-74:], Played(begins, played, LISTEN_RATE)]

    def _tick(self, played: Samples | None) -> Sequence[Act]:
        if played is not None:
            self._play(played)
        heard = AudioFrame(self._microphone.hear(played), LISTEN_RATE)
        self._frames += 1
        attentive = self.floor.state in (State.LISTENING, State.BARGED_IN)
        now = self.now + self._microphone.late()
        voiced, probability = self._ears.hear(heard, attentive=attentive, levels=self._played, now=now)
        acts = self.floor.hear(voiced, probability, FRAME_SECONDS, Clues(unsure=self._ears.unsure))
        self.acts.extend((self.now, act) for act in acts)
        return acts


def _frames(sound: Sound) -> Iterator[Samples]:
    whole = np.clip(sound, -32768, 32767).astype(np.int16)
    for start in range(0, len(whole) - FRAME + 1, FRAME):
        yield whole[start : start + FRAME]
