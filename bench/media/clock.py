"""One clock paces all callers, so that a single core can be many of them."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from bench.media.clips import FRAME_SECONDS

PHASES: Final = 10
"""Callers speak at different times: each belongs to one of the 2 ms slots of a packet."""

_STEP: Final = FRAME_SECONDS / PHASES


class Clock:
    """Calls each member every 20 ms. `late` holds by how many seconds the last member of each tick came too late."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self._members: list[list[Callable[[], None]]] = [[] for _ in range(PHASES)]
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Clock":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    def join(self, tick: Callable[[], None]) -> Callable[[], None]:
        """Takes the slot with the fewest members; returns what leaves it again."""
        slot = min(self._members, key=len)
        slot.append(tick)
        return lambda: slot.remove(tick)

    async def _run(self) -> None:
        start, number = time.monotonic(), 0
        while True:
            number += 1
            due = start + number * _STEP
            # A late tick lets what has come in go first: its packets would be stamped late, and blamed on the server.
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            for tick in self._members[number % PHASES]:
                tick()
            self.late.append(time.monotonic() - due)
