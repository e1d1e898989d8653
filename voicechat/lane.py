"""A lane: one device, one thread, and a queue of short jobs. It makes blocking engines async.

Engines are stepped one piece at a time, so callers take turns, a cancelled caller stops at the next piece, and the
event loop never waits for native code.
"""

import asyncio
import heapq
import itertools
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast

from voicechat.errors import EngineFailed

T = TypeVar("T")

CLOSE_SECONDS: Final = 0.5
"""How long `close` waits for a job that is running; its thread is a daemon and does not keep the process."""

_END: Final = object()


@dataclass(order=True, slots=True)
class _Job:
    rank: tuple[int, int]  # urgent ones first, then by age
    call: Callable[[], Any] = field(compare=False)
    future: asyncio.Future[Any] | None = field(compare=False)  # None: nobody waits for it


class ThreadLane:
    """Runs jobs one after the other on a thread of its own. Its methods are for the loop's thread.

    The queue is bounded by its callers: each waits for its own job. A job past `deadline` seconds (waiting included)
    raises EngineFailed to its caller; its thread cannot be stopped and goes on.
    """

    def __init__(self, name: str, deadline: float = 20.0) -> None:
        self.name = name
        self._deadline = deadline
        self._loop = asyncio.get_running_loop()
        self._jobs: list[_Job] = []
        self._numbers = itertools.count()
        self._ready = threading.Condition()
        self._closing = False
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._work, name=f"lane-{name}", daemon=True)
        self._thread.start()

    @property
    def load(self) -> int:
        """Jobs that wait."""
        return len(self._jobs)

    def clock(self) -> float:
        return time.perf_counter()

    async def run(self, call: Callable[[], T], *, urgent: bool = False, deadline: float | None = None) -> T:
        """See `protocols.Lane.run`."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._push(call, future, urgent)
        seconds = self._deadline if deadline is None else deadline
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError as error:
            if future.done() and not future.cancelled():  # the job itself raised TimeoutError
                raise
            message = f"{self.name}: no result within {seconds:g} s"
            raise EngineFailed("engine_timeout", message) from error

    def post(self, call: Callable[[], object]) -> None:
        """Run the call some time after the jobs before it; nobody waits, and what it raises is lost."""
        self._push(call, None, urgent=False)

    async def stream(self, make: Callable[[], Iterator[T]], *, urgent: bool = False) -> AsyncGenerator[T]:
        """See `protocols.Lane.stream`."""
        iterator: Iterator[T] | None = None
        try:
            iterator = await self.run(make, urgent=urgent)
            step = iterator
            while (item := await self.run(lambda: next(step, cast(T, _END)), urgent=urgent)) is not _END:
                yield item
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                self.post(close)

    async def close(self) -> None:
        """Finish the running job and stop; jobs that wait are dropped."""
        with self._ready:
            self._closing = True
            dropped, self._jobs = self._jobs, []
            self._ready.notify()
        for job in dropped:
            if job.future is not None:
                job.future.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._stopped.wait()

    def _push(self, call: Callable[[], Any], future: asyncio.Future[Any] | None, urgent: bool) -> None:
        with self._ready:
            if self._closing:
                if future is not None:
                    raise EngineFailed("lane_closed", f"{self.name}: the lane is closed")
                return
            rank = (0 if urgent else 1, next(self._numbers))
            heapq.heappush(self._jobs, _Job(rank, call, future))
            self._ready.notify()

    def _next(self) -> _Job | None:
        with self._ready:
            while not self._jobs and not self._closing:
                self._ready.wait()
            return heapq.heappop(self._jobs) if self._jobs else None

    def _work(self) -> None:
        while (job := self._next()) is not None:
            self._do(job)
        self._tell(self._stopped.set)

    def _do(self, job: _Job) -> None:
        future = job.future
        if future is None:
            with suppress(Exception):  # by contract: nobody waits for it
                job.call()
            return
        if future.cancelled():
            return
        try:
            result = job.call()
        except BaseException as error:  # noqa: BLE001 - it is the waiting caller's, whatever it is
            self._tell(_settle, future, None, error)
        else:
            self._tell(_settle, future, result, None)

    def _tell(self, call: Callable[..., object], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop has gone: nobody is left to tell
            self._loop.call_soon_threadsafe(call, *arguments)


def _settle(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    elif isinstance(error, StopIteration):  # a future refuses it
        future.set_exception(EngineFailed("engine_failed", "an engine's call raised StopIteration"))
    else:
        future.set_exception(error)
