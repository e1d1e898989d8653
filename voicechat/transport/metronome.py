"""One clock for the packets of all calls: a timer for each call would cost more than its packets."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from voicechat.audio import FRAME_SECONDS

PHASES: Final = 4
"""Calls tick in turns within a period, so that their work comes in small heaps and the loop has time between them."""


class Metronome:
    """Ticks every 20 ms on absolute deadlines, while somebody listens. On the loop."""

    def __init__(self) -> None:
        self._members = [0] * PHASES
        self._latest = [0] * PHASES  # the number of the period in which each phase ticked last
        self._waiting: list[list[asyncio.Future[None]]] = [[] for _ in range(PHASES)]
        self._start = 0.0
        self._step = 0
        self._timer: asyncio.TimerHandle | None = None

    def join(self) -> "Beat":
        """A listener, in the phase that has the fewest."""
        phase = self._members.index(min(self._members))
        self._members[phase] += 1
        self._begin()
        return Beat(self, phase)

    async def ticks(self) -> AsyncGenerator[int]:
        """The numbers of one listener's ticks. To be closed."""
        beat = self.join()
        try:
            while True:
                yield await beat.next()
        finally:
            beat.leave()

    def leave(self, phase: int) -> None:
        self._members[phase] -= 1

    def latest(self, phase: int) -> int:
        """The number of the period in which the phase ticked last."""
        return self._latest[phase]

    def due(self, phase: int) -> float:
        """When that tick was due, in seconds of the loop's clock."""
        return self._start + (self._latest[phase] + phase / PHASES) * FRAME_SECONDS

    async def wait(self, phase: int) -> None:
        """For the next tick of the phase."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[phase].append(future)
        await future

    def _begin(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._start, self._step = loop.time(), 0
            self._latest = [0] + [-1] * (PHASES - 1)
            self._next()

    def _next(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(self._start + (self._step + 1) * FRAME_SECONDS / PHASES, self._tick)

    def _tick(self) -> None:
        if not any(self._members):
            self._timer = None
            return
        late = asyncio.get_running_loop().time() - self._start
        now = max(self._step + 1, int(late / FRAME_SECONDS * PHASES + 1e-6))
        for step in range(max(self._step + 1, now - PHASES + 1), now + 1):
            period, phase = divmod(step, PHASES)
            self._latest[phase] = period
            waiting, self._waiting[phase] = self._waiting[phase], []
            for future in waiting:
                if not future.done():
                    future.set_result(None)
        self._step = now
        self._next()


class Beat:
    """One listener. Late ticks are skipped, never caught up in a burst; their numbers are not given again."""

    def __init__(self, metronome: Metronome, phase: int) -> None:
        self.time = 0.0
        """When the last tick was due, in seconds of the loop's clock."""
        self._metronome: Metronome | None = metronome
        self._phase = phase
        self._last = metronome.latest(phase)
        self._first = self._last + 1

    async def next(self) -> int:
        """Waits for the next tick, unless it has come meanwhile; its number, from 0, which comes within 20 ms."""
        metronome = self._metronome
        assert metronome is not None, "it has left"
        if metronome.latest(self._phase) == self._last:
            await metronome.wait(self._phase)
        self._last = metronome.latest(self._phase)
        self.time = metronome.due(self._phase)
        return self._last - self._first

    def leave(self) -> None:
        """Safe to call twice. The clock stops when nobody listens."""
        if self._metronome is not None:
            self._metronome.leave(self._phase)
            self._metronome = None
