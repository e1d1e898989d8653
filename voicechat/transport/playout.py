"""The speaker's side of one call: a short bounded buffer of 20 ms frames that knows what has been heard."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from voicechat.audio import FRAME_SECONDS, Framer, Resampler, Samples
from voicechat.protocols import Heard, SpeechChunk


@dataclass(frozen=True, slots=True)
class _Frame:
    samples: Samples
    text: str


class Playout:
    """Sound waiting for one speaker, at the wire's rate.

    The transport takes a frame every 20 ms. A frame counts as heard `lead` seconds after it was taken: that is how far
    ahead of real time the transport runs. On the loop; no method blocks it.
    """

    def __init__(self, rate: int, *, ahead: float, lead: float = 0.0) -> None:
        self.rate = rate
        self.turn = 0
        self.paused = False
        self._ahead = ahead
        self._lead = lead
        self._framer = Framer(round(rate * FRAME_SECONDS))
        self._resampler: Resampler | None = None
        self._waiting: deque[_Frame] = deque()
        self._words = ""  # they begin in the next frame
        self._taken: deque[tuple[float, str]] = deque()  # of this turn: when, and which words began
        self._heard_frames = 0
        self._marks: list[tuple[float, str]] = []
        self._first: float | None = None
        self._changed = asyncio.Event()

    async def put(self, chunk: SpeechChunk) -> None:
        """Queue sound; waits while `ahead` seconds are queued. Sound of an older turn is dropped."""
        if chunk.turn > self.turn:
            self.cut(chunk.turn)
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

    def take(self) -> Samples | None:
        """The next 20 ms, or None for silence: paused, or nothing to say."""
        if self.paused or not self._waiting:
            return None
        frame = self._waiting.popleft()
        now = asyncio.get_running_loop().time()
        if self._first is None:
            self._first = now
        self._taken.append((now, frame.text))
        self._settle(now)
        self._changed.set()
        return frame.samples

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
            if self._taken and self._lead:
                await asyncio.sleep(max(0.0, self._taken[-1][0] + self._lead - asyncio.get_running_loop().time()))
        return self.heard() if self.turn == turn else Heard()

    def heard(self) -> Heard:
        """What was heard of the present turn."""
        self._settle(asyncio.get_running_loop().time())
        text = " ".join(words for _, words in self._marks)
        return Heard(text, self._heard_frames * FRAME_SECONDS, tuple(self._marks))

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def cut(self, turn: int) -> Heard:
        """Forget all sound of turns older than `turn`; what was heard of the newest of them."""
        heard = self.heard()
        if turn > self.turn:
            self.turn = turn
            self.paused = False
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
        while self._taken and self._taken[0][0] + self._lead <= now:
            _, words = self._taken.popleft()
            if words:
                self._marks.append((self._heard_frames * FRAME_SECONDS, words))
            self._heard_frames += 1

    async def _until(self, ready: Callable[[], bool]) -> None:
        while not ready():
            self._changed.clear()
            await self._changed.wait()
