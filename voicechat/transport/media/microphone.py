"""The listening side of one call: the caller's sound and commands, in order, in a bounded queue."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncGenerator

from voicechat.audio import FRAME_SECONDS, LISTEN_RATE, AudioFrame, Framer, Samples, silence
from voicechat.commands import Command
from voicechat.transport.media.downsampler import Downsampler


class Microphone:
    """Sound at `rate` Hz in, 20 ms frames at 16 kHz out. On the loop.

    Holds `capacity` seconds. `hear` drops the oldest sound beyond it (a live source cannot wait);
    a source that can wait calls `room` first.
    When no sound comes for `stall` seconds, silence comes in its place, for `fill` seconds at most; at once, where the
    sender has said that it does not send its silence.
    """

    def __init__(self, rate: int, *, capacity: float = 1.0, stall: float = 0.2, fill: float = 2.0) -> None:
        self.dropped = 0.0
        self._downsampler = Downsampler(rate, LISTEN_RATE)
        self._framer = Framer(round(LISTEN_RATE * FRAME_SECONDS))
        self._waiting: deque[AudioFrame | Command] = deque()
        self._frames = 0
        self._most = round(capacity / FRAME_SECONDS)
        self._stall, self._fill = stall, fill
        self._pausing = False
        self._closed = False
        self._due = math.inf  # when the present wait has lasted too long, on the loop's clock
        self._timer: asyncio.Handle | None = None
        self._timer_due = math.inf
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()

    def hear(self, samples: Samples, *, pausing: bool = False) -> None:
        """More sound, any length. The oldest beyond the capacity is dropped and counted in `dropped` seconds.

        `pausing`: the sender sends no more for now, as it is silent.
        """
        self._pausing = pausing
        for frame in self._framer.push(self._downsampler.push(samples)):
            self._waiting.append(AudioFrame(frame, LISTEN_RATE))
            self._frames += 1
        while self._frames > self._most:
            self._drop_oldest()
        self._filled.set()

    def ask(self, command: Command) -> None:
        """A command takes its place after the sound that came before it; commands are never dropped."""
        self._waiting.append(command)
        self._filled.set()

    @property
    def commands(self) -> int:
        """Commands that wait."""
        return len(self._waiting) - self._frames

    def close(self) -> None:
        """The caller hung up: what is queued still comes, then the stream ends."""
        self._closed = True
        self._filled.set()
        self._emptied.set()

    async def room(self, seconds: float = FRAME_SECONDS) -> None:
        """Waits until `seconds` of sound, or a command, can come without loss."""
        frames = math.ceil(seconds / FRAME_SECONDS) + 1  # the framer may hold nearly one more
        while 0 < len(self._waiting) > self._most - frames and not self._closed:
            self._emptied.clear()
            await self._emptied.wait()

    async def incoming(self) -> AsyncGenerator[AudioFrame | Command]:
        """What the caller sends, in order; see `Peer.incoming`."""
        filler = AudioFrame(silence(FRAME_SECONDS, LISTEN_RATE), LISTEN_RATE)
        fill = self._fill
        patience = self._stall
        try:
            while True:
                if self._waiting:
                    entry = self._waiting.popleft()
                    if isinstance(entry, AudioFrame):
                        self._frames -= 1
                        fill, patience = self._fill, FRAME_SECONDS if self._pausing else self._stall
                    self._emptied.set()
                    yield entry
                elif self._closed:
                    return
                elif await self._wait(patience if fill > 0 else math.inf):
                    continue
                else:
                    fill, patience = fill - FRAME_SECONDS, FRAME_SECONDS
                    yield filler
        finally:
            if self._timer is not None:
                self._timer.cancel()

    async def _wait(self, seconds: float) -> bool:
        """Whether something came within the time."""
        loop = asyncio.get_running_loop()
        self._filled.clear()
        self._due = loop.time() + seconds
        if self._timer is None or self._timer_due > self._due:
            self._look()
        await self._filled.wait()
        return bool(self._waiting) or self._closed

    def _look(self) -> None:
        """Ends a wait that is due, or comes back when it will be: one timer a stall, not one for each frame."""
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._due <= loop.time():
            self._filled.set()
        elif self._due < math.inf:
            self._timer, self._timer_due = loop.call_at(self._due, self._look), self._due

    def _drop_oldest(self) -> None:
        for index, entry in enumerate(self._waiting):
            if isinstance(entry, AudioFrame):
                del self._waiting[index]
                self._frames -= 1
                self.dropped += FRAME_SECONDS
                return
