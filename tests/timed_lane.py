"""A lane on virtual time whose jobs take as long as they say, also when nobody waits for them any more."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import ClassVar, TypeVar

from voicechat.errors import EngineFailed

T = TypeVar("T")


class TimedLane:
    """One job after the other. A job says with `spend` how many seconds it takes; its result is there after them."""

    _cost: ClassVar[float] = 0.0
    """Of the job that is being called; only one is, of all lanes."""

    def __init__(self, name: str = "timed") -> None:
        self.name = name
        self.spent: list[tuple[float, float]] = []
        """When each job that took time began and ended."""
        self.stuck = False
        """Jobs run into their deadline."""
        self._turn = asyncio.Lock()
        self._posted: set[asyncio.Task[None]] = set()

    @property
    def load(self) -> int:
        return int(self._turn.locked())

    @staticmethod
    def spend(seconds: float) -> None:
        TimedLane._cost += seconds

    def clock(self) -> float:
        return TimedLane._cost

    async def run(self, call: Callable[[], T], *, urgent: bool = False, deadline: float | None = None) -> T:
        clock = asyncio.get_running_loop().time
        await self._turn.acquire()
        TimedLane._cost = 0.0
        began = clock()
        try:
            if self.stuck:
                raise EngineFailed("engine_timeout", "stuck")
            return call()
        finally:
            cost = TimedLane._cost
            if cost:
                self.spent.append((began, began + cost))
            finished = asyncio.get_running_loop().create_task(self._finish(cost))
            self._posted.add(finished)
            finished.add_done_callback(self._posted.discard)
            await asyncio.shield(finished)

    async def _finish(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._turn.release()

    def post(self, call: Callable[[], object]) -> None:
        async def soon() -> None:
            async with self._turn:
                call()

        task = asyncio.get_running_loop().create_task(soon())
        self._posted.add(task)
        task.add_done_callback(self._posted.discard)

    async def stream(self, make: Callable[[], Iterator[T]], *, urgent: bool = False) -> AsyncGenerator[T]:
        raise NotImplementedError
        yield

    async def close(self) -> None:
        pass
