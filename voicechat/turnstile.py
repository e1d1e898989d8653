"""Who may work next: workers are given to those whose sound is needed soonest, at most so many on one device."""

import asyncio
from bisect import insort
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from voicechat.errors import EngineFailed
from voicechat.protocols import Lane, TtsEngine

QUICK_SECONDS: Final = 0.002
"""A worker whose steps take less is lent ahead: the loop's turn-around, which grows with the number of callers, takes
longer than its work."""

FORGETTING: Final = 0.9
"""What a long step still counts after another one: an engine may be slow with the first piece of a clause only."""

AHEAD: Final = 4
"""Steps for which it is lent at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Worker:
    """An engine on a lane of a device: cpu or cuda:N. A lane may serve several engines."""

    engine: TtsEngine
    lane: Lane
    device: str = "cpu"


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """Less is more urgent. The first sound of any reply goes before whatever comes later in another."""

    later: bool
    by: float
    """When the sound must be there, on the loop's clock, so that no gap is heard."""
    place: int = 0
    """Of the clause in its reply, for what is needed at the same time."""


@dataclass(order=True, slots=True)
class _Request:
    need: Need
    number: int
    workers: tuple[Worker, ...] = field(compare=False)
    granted: asyncio.Future[Worker] = field(compare=False)


class Turnstile:
    """Lends workers, each to one at a time, or to a few who use it one after the other, where its steps are quick. On
    the loop; one for all engines of a process.

    `places` says how many may work on a device at a time; None: as many as it has workers. Who waits is in a queue of
    the workers they can use. Callers bound its length: each clause waits for one worker at a time.
    """

    def __init__(self, places: Callable[[str], int] | None = None) -> None:
        self._places = places
        self._queues: dict[tuple[Worker, ...], list[_Request]] = {}
        self._lent: Counter[Lane] = Counter()
        self._longest: dict[Lane, float] = {}
        self._working: Counter[str] = Counter()
        self._number = 0
        self._granting = False
        self._clearing: set[asyncio.Task[None]] = set()

    @property
    def working(self) -> int:
        """Workers that are lent, whether to one or to several."""
        return self._working.total()

    def waiting(self, workers: Sequence[Worker]) -> int:
        """How many wait for any of these workers."""
        return sum(len(queue) for able, queue in self._queues.items() if not set(able).isdisjoint(workers))

    async def enter(self, workers: Sequence[Worker], need: Need) -> Worker:
        """One of the workers, when it is free and nobody needs it more. It is given back by `leave`, or by `clear`."""
        granted: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        self._number += 1
        request = _Request(need, self._number, tuple(workers), granted)
        insort(self._queues.setdefault(request.workers, []), request)
        self._grant_soon()
        try:
            return await granted
        except asyncio.CancelledError:
            if granted.cancelled():
                self._forget(request)
            else:
                self.leave(granted.result())
            raise

    def leave(self, worker: Worker, took: float | None = None) -> None:
        """The worker is done with a step, which took it so many seconds. Who leaves and enters again at once is
        compared with those who wait."""
        if took is not None:
            self._longest[worker.lane] = max(took, FORGETTING * self._longest.get(worker.lane, took))
        self._lent[worker.lane] -= 1
        if not self._lent[worker.lane]:
            self._working[worker.device] -= 1
        self._grant_soon()

    def clear(self, worker: Worker) -> None:
        """Leaves as soon as the lane is done with what it was given so far. Waits for nothing."""
        task = asyncio.get_running_loop().create_task(self._clear(worker))
        self._clearing.add(task)
        task.add_done_callback(self._clearing.discard)

    async def _clear(self, worker: Worker) -> None:
        try:
            await worker.lane.run(_nothing)
        except EngineFailed:
            pass  # the lane is closed, or stuck: whoever comes next is told
        finally:
            self.leave(worker)

    def _forget(self, request: _Request) -> None:
        queue = self._queues.get(request.workers, [])
        if request in queue:
            queue.remove(request)
            if not queue:
                del self._queues[request.workers]

    def _grant_soon(self) -> None:
        """In this round of the loop, but after all who leave now have said whether they come again."""
        if not self._granting:
            self._granting = True
            asyncio.get_running_loop().call_soon(self._grant)

    def _grant(self) -> None:
        self._granting = False
        while ready := [queue[0] for workers, queue in self._queues.items() if self._free(workers)]:
            request = min(ready)
            worker = min(
                self._free(request.workers), key=lambda worker: (self._lent[worker.lane], self._working[worker.device])
            )
            self._forget(request)
            if not request.granted.done():
                if not self._lent[worker.lane]:
                    self._working[worker.device] += 1
                self._lent[worker.lane] += 1
                request.granted.set_result(worker)

    def _free(self, workers: Sequence[Worker]) -> list[Worker]:
        return [worker for worker in workers if self._may_lend(worker)]

    def _may_lend(self, worker: Worker) -> bool:
        if lent := self._lent[worker.lane]:
            quick = self._longest.get(worker.lane, QUICK_SECONDS) < QUICK_SECONDS
            return quick and lent < AHEAD
        return self._places is None or self._working[worker.device] < self._places(worker.device)


def _nothing() -> None:
    """When this has run, all before it has."""
