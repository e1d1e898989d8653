"""The speaker's side of one call: a short bounded buffer of 20 ms frames that knows what has been heard."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from voicechat.audio import FRAME_SECONDS, Framer, Resampler, Samples
from voicechat.echo.reverberation import Played
from voicechat.protocols import Heard, SpeechChunk
from voicechat.transport.media.ramps import RAMP_SECONDS, beginning, ending, sloped

LEVELS_SECONDS: Final = 1.5
"""How long what was sent is remembered: an echo comes back sooner."""

_ROUNDING: Final = 1e-6
"""Seconds by which sums of frames may be off."""


@dataclass(frozen=True, slots=True)
class _Frame:
    samples: Samples
    text: str


class Playout:
    """Sound waiting for one speaker, at the wire's rate.

    The transport takes a frame every 20 ms, which counts as heard at once. Where the far end `buffers`, the transport
    may take frames sooner than that, and they count as heard when a far end that plays one after the other has played
    them.

    A pause is a gap between two frames, and nothing of the answer is changed or lost: what fades at the gap's edges
    are copies of the sound, played within the gap. They count neither as words heard nor as seconds. A far end that
    buffers gets no copies: for it a pause is only sound that comes later, and mostly in time.

    On the loop; no method blocks it.
    """

    def __init__(self, rate: int, *, ahead: float, buffers: bool = False) -> None:
        self.rate = rate
        self.turn = 0
        self.paused = False
        self._ahead = ahead
        self._buffers = buffers
        self._ramp = round(rate * RAMP_SECONDS)
        self._framer = Framer(round(rate * FRAME_SECONDS))
        self._resampler: Resampler | None = None
        self._waiting: deque[_Frame] = deque()
        self._words = ""  # they begin in the next frame
        self._last: Samples | None = None  # of this turn's frames that were taken
        self._sounding = False  # the frame taken last ended at the sound's own loudness
        self._broken = False  # the pause has silenced the sound
        self._tail: Samples | None = None  # what is left to say of a turn that was cut
        self._gain = self._wanted = 1.0
        self._levels: deque[Played] = deque()
        self._played = 0.0  # on the loop's clock: when the far end will have played all that was taken
        self._taken: deque[tuple[float, str]] = deque()  # of this turn: when heard, and which words began
        self._heard_frames = 0
        self._marks: list[tuple[float, str]] = []
        self._first: float | None = None
        self._changed = asyncio.Event()

    async def put(self, chunk: SpeechChunk) -> None:
        """Queue sound; waits while `ahead` seconds are queued. Sound of an older turn is dropped."""
        if chunk.turn > self.turn:
            paused = self.paused  # before the first sound of this turn: it begins when it is resumed
            self.cut(chunk.turn)
            self.paused = paused
        if chunk.turn < self.turn:
            return
        if self._resampler is None or self._resampler.source != chunk.frame.rate:
            self._flush()
            self._resampler = Resampler(chunk.frame.rate, self.rate)
        if chunk.text:
            self._words = f"{self._words} {chunk.text}".strip()
        self._queue(self._resampler.push(chunk.frame.samples))
        await self._until(lambda: self.turn != chunk.turn or self.waiting < self._ahead)

    @property
    def waiting(self) -> float:
        """Seconds of sound that have not been taken."""
        return len(self._waiting) * FRAME_SECONDS

    @property
    def lead(self) -> float:
        """Seconds of sound that were taken and have not been played: what a far end that buffers holds."""
        return max(0.0, self._played - asyncio.get_running_loop().time()) if self._buffers else 0.0

    @property
    def levels(self) -> tuple[Played, ...]:
        """The frames of the last 1.5 s, oldest first: when each began to play, on the loop's clock, and its sound.
        Silence has no entry."""
        oldest = asyncio.get_running_loop().time() - LEVELS_SECONDS
        while self._levels and self._levels[0].begins < oldest:
            self._levels.popleft()
        return tuple(self._levels)

    def take(self) -> Samples | None:
        """The next 20 ms, or None for silence: paused, or nothing to say."""
        now = asyncio.get_running_loop().time()
        if self._tail is not None:
            tail, self._tail = self._tail, None
            return self._between(tail, now)
        if self.paused or not self._waiting:
            return self._fall_silent(now)
        if self._broken and self._last is not None:
            self._broken, self._sounding, self._gain = False, True, self._wanted
            return self._between(beginning(self._last, self._ramp, self._gain), now)
        return self._say(self._waiting.popleft(), now)

    def _say(self, frame: _Frame, now: float) -> Samples:
        """The frame is played: it will have been heard."""
        if self._first is None:
            self._first = now
        begins = max(now, self._played) if self._buffers else now
        self._played = begins + FRAME_SECONDS
        self._taken.append((self._played if self._buffers else now, frame.text))
        self._settle(now)
        self._changed.set()
        before, self._gain = self._gain if self._sounding else self._wanted, self._wanted
        self._last, self._sounding = frame.samples, True
        said = frame.samples if before == self._gain == 1.0 else sloped(frame.samples, before, self._gain)
        self._remember(begins, said)
        return said

    def _fall_silent(self, now: float) -> Samples | None:
        """Silence from here on, softly where there was sound and more would have come."""
        cut_short = self._sounding and bool(self._waiting) and not self._buffers
        self._sounding = False
        if not cut_short:
            return None
        self._broken = True
        return self._between(ending(self._waiting[0].samples, self._ramp, self._gain), now)

    def _between(self, samples: Samples, now: float) -> Samples:
        """A frame of a gap: it is sound, but none of the answer's."""
        self._remember(now, samples)
        return samples

    def _remember(self, begins: float, samples: Samples) -> None:
        self._levels.append(Played(begins, samples, self.rate))
        if len(self._levels) > LEVELS_SECONDS / FRAME_SECONDS:
            self._levels.popleft()

    async def audible(self, turn: int) -> float:
        """Waits for the turn's first frame to leave; the loop's time of it.

        Raises CancelledError if the turn is cut.
        """
        await self._until(lambda: self.turn > turn or (self.turn == turn and self._first is not None))
        if self.turn > turn or self._first is None:
            raise asyncio.CancelledError
        return self._first

    async def drain(self, turn: int) -> Heard:
        """Waits until all sound of the turn has been heard; nothing was heard of a turn without sound."""
        if self.turn == turn:
            self._flush()
            rest = self._framer.flush()
            if rest is None and self._words:  # words whose sound is too short to have a frame
                rest = np.zeros(self._framer.size, np.int16)
            if rest is not None:
                self._append(rest)
            await self._until(lambda: self.turn != turn or not self._waiting)
            if self.turn == turn and self.lead > 0:
                await asyncio.sleep(self.lead)
        return self.heard() if self.turn == turn else Heard()

    def heard(self) -> Heard:
        """What was heard of the present turn."""
        self._settle(asyncio.get_running_loop().time())
        text = " ".join(words for _, words in self._marks)
        taken = enumerate(self._taken, self._heard_frames)
        held = tuple((frame * FRAME_SECONDS, words) for frame, (_, words) in taken if words)
        sent = (self._heard_frames + len(self._taken)) * FRAME_SECONDS
        return Heard(text, self._heard_frames * FRAME_SECONDS, tuple(self._marks), held, sent)

    def pause(self) -> None:
        """The next frame falls silent in its first 5 ms, those after it are silence."""
        self.paused = True

    def resume(self) -> None:
        """One more frame of the gap leads in with its last 5 ms, then the answer goes on at the sample where it
        paused; also at its full loudness, if it was ducked."""
        self.paused = False
        self._wanted = 1.0

    def duck(self, decibels: float) -> None:
        """Go on softer by so many decibels, until `resume` or the next turn. The next 20 ms lead to it."""
        self.paused = False
        self._wanted = min(1.0, 10.0 ** (-decibels / 20.0))

    def cut(self, turn: int) -> Heard:
        """Forget all sound of turns older than `turn`; what was heard of the newest of them.

        Sound that was playing falls silent in the first 5 ms of the next frame.
        """
        heard = self.heard()
        if turn > self.turn:
            if self._sounding and self._waiting and not self._buffers:
                self._tail = ending(self._waiting[0].samples, self._ramp, self._gain)
            self.turn = turn
            self.paused = self._sounding = self._broken = False
            self._last = None
            self._gain = self._wanted = 1.0
            self._played = 0.0
            self._waiting.clear()
            self._framer.clear()
            self._resampler = None
            self._words = ""
            self._taken.clear()
            self._heard_frames = 0
            self._marks = []
            self._first = None
            self._changed.set()
        return heard

    def _flush(self) -> None:
        if self._resampler is not None:
            self._queue(self._resampler.flush())

    def _queue(self, samples: Samples) -> None:
        for frame in self._framer.push(samples):
            self._append(frame)

    def _append(self, samples: Samples) -> None:
        self._waiting.append(_Frame(samples, self._words))
        self._words = ""

    def _settle(self, now: float) -> None:
        while self._taken and self._taken[0][0] <= now + _ROUNDING:
            _, words = self._taken.popleft()
            if words:
                self._marks.append((self._heard_frames * FRAME_SECONDS, words))
            self._heard_frames += 1

    async def _until(self, ready: Callable[[], bool]) -> None:
        while not ready():
            self._changed.clear()
            await self._changed.wait()
