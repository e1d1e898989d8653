"""One clock for the packets of all calls: a timer for each call would cost more than its packets."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from voicechat.audio import FRAME_SECONDS

PHASES: Final = 4
"""Many calls tick in turns within a period: their work comes in small heaps, and the loop has time between them."""

HEAP: Final = 6
"""Calls that tick together before another phase begins: fewer calls wake the processor less often, for a millisecond
of work at a time."""

Tick = Callable[[int, float], None]
"""Called with the number of the tick, from 0, and the time of the loop's clock at which it was due, in seconds."""


@dataclass(eq=False, slots=True)
class _Listener:
    tick: Tick
    first: int
    """The period of its tick number 0."""


class Metronome:
    """Ticks every 20 ms on absolute deadlines, while somebody listens. On the loop.

    Late ticks are skipped, never caught up in a burst; their numbers are not given again.
    """

    def __init__(self) -> None:
        self._listeners: list[list[_Listener]] = [[] for _ in range(PHASES)]
        self._start = 0.0
        self._step = 0
        self._timer: asyncio.TimerHandle | None = None

    def join(self, tick: Tick) -> Callable[[], None]:
        """Calls `tick`, for the first time within 20 ms. Returns what ends it, which is safe to call twice."""
        phase = min(range(PHASES), key=lambda each: max(HEAP, len(self._listeners[each]) + 1))
        if self._timer is None:
            self._start, self._step = asyncio.get_running_loop().time(), 0
        else:
            self._timer.cancel()
        upcoming = max(self._step, self._now()) + 1
        listener = _Listener(tick, -(-(upcoming - phase) // PHASES))
        self._listeners[phase].append(listener)
        self._next()

        def leave() -> None:
            with suppress(ValueError):
                self._listeners[phase].remove(listener)

        return leave

    async def ticks(self) -> AsyncGenerator[int]:
        """The numbers of the ticks, for a listener that waits; those that came meanwhile are skipped. To be closed."""
        news = asyncio.Event()
        newest = -1

        def note(number: int, due: float) -> None:
            nonlocal newest
            newest = number
            news.set()

        leave = self.join(note)
        try:
            while True:
                await news.wait()
                news.clear()
                yield newest
        finally:
            leave()

    def _now(self) -> int:
        """The number of the step that was due last."""
        late = asyncio.get_running_loop().time() - self._start
        return int(late / FRAME_SECONDS * PHASES + 1e-6)

    def _next(self) -> None:
        """Comes back for the next phase in which somebody listens."""
        step = self._step + 1
        while not self._listeners[step % PHASES]:
            step += 1
        self._timer = asyncio.get_running_loop().call_at(self._start + step * FRAME_SECONDS / PHASES, self._tick)

    def _tick(self) -> None:
        if not any(self._listeners):
            self._timer = None
            return
        now = max(self._step + 1, self._now())
        due: deque[tuple[_Listener, int, float]] = deque()
        for step in range(max(self._step + 1, now - PHASES + 1), now + 1):
            period, phase = divmod(step, PHASES)
            at = self._start + step * FRAME_SECONDS / PHASES
            due.extend((each, period - each.first, at) for each in self._listeners[phase] if period >= each.first)
        self._step = now
        self._next()
        self._call(due)

    def _call(self, due: deque[tuple[_Listener, int, float]]) -> None:
        """One listener's fault is the loop's to tell, and not the others' to suffer."""
        try:
            while due:
                listener, number, at = due.popleft()
                listener.tick(number, at)
        finally:
            if due:
                asyncio.get_running_loop().call_soon(self._call, due)
