"""The machine as models see it: its devices, the lanes on each, and the few threads on which models are made.

A model is made on a thread apart from those it works on later: loading takes seconds, and callers are being spoken to.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Final, TypeVar, cast

from voicechat.errors import EngineFailed, VoicechatError
from voicechat.placement import Device, place
from voicechat.placement.devices import UNKNOWN_BYTES
from voicechat.protocols import Lane

T = TypeVar("T")

LONGEST_SECONDS: Final = 86_400.0
"""Whoever waits for a model has a deadline of their own. The thread's place is free when it has really ended."""


class Slot:
    """A thread to make one model on."""

    def __init__(self, lane: Lane, jobs: "set[asyncio.Task[object]]") -> None:
        self._lane = lane
        self._jobs = jobs
        self._last: asyncio.Task[object] | None = None

    async def run(self, call: Callable[[], T]) -> T:
        """The call's result. Whatever it raises that is not ours becomes EngineFailed.

        Cancelled, it goes on; the slot stays taken until it is over.
        """
        job: asyncio.Task[object] = asyncio.create_task(self._lane.run(call, deadline=LONGEST_SECONDS))
        self._last = job
        self._jobs.add(job)
        job.add_done_callback(self._over)
        return await plainly(cast(asyncio.Future[T], asyncio.shield(job)))

    def _over(self, job: "asyncio.Task[object]") -> None:
        self._jobs.discard(job)
        if not job.cancelled():
            job.exception()  # looked at: nobody else may be left who does

    def when_over(self, call: Callable[[], object]) -> None:
        if self._last is None or self._last.done():
            call()
        else:
            self._last.add_done_callback(lambda _: call())


class Machine:
    """Places models on devices. On the loop.

    `lanes` makes the lanes of a kind on a device. `makers` are the lanes that models are made on, as many at a time.
    `survey` gives the devices with their free memory, and `measure` the bytes in use on one that a model's are counted
    by; both may block.
    """

    def __init__(
        self,
        *,
        lanes: Callable[[str, str], tuple[Lane, ...]],
        makers: Sequence[Lane],
        survey: Callable[[], Sequence[Device]],
        measure: Callable[[str], int],
    ) -> None:
        self._make_lanes = lanes
        self._lanes: dict[tuple[str, str], tuple[Lane, ...]] = {}
        self._free: asyncio.Queue[Lane] = asyncio.Queue(len(makers))
        for lane in makers:
            self._free.put_nowait(lane)
        self._survey = survey
        self.measure = measure
        self._coming: defaultdict[str, int] = defaultdict(int)
        self._jobs: set[asyncio.Task[object]] = set()

    def lanes(self, kind: str, device: str) -> tuple[Lane, ...]:
        """Made when the first model of the kind comes to the device."""
        if (kind, device) not in self._lanes:
            self._lanes[kind, device] = self._make_lanes(kind, device)
        return self._lanes[kind, device]

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[Slot]:
        """Waits for one of the places where models are made."""
        lane = await self._free.get()
        slot = Slot(lane, self._jobs)
        try:
            yield slot
        finally:
            slot.when_over(lambda: self._free.put_nowait(lane))

    async def place(self, slot: Slot, name: str, memory: int, *, wanted: str, cpu: bool) -> str:
        """The device for a model of so many bytes (0: unknown). Raises AdapterUnavailable, with every device's why."""
        found = await slot.run(self._survey)
        if len(found) == 1 and wanted.startswith("cuda"):  # nobody tells of GPUs; the engine may see one
            return "cuda:0" if wanted == "cuda" else wanted
        room = [device.less(self._coming[device.name]) for device in found]
        if not memory and (len(room) == 1 or wanted == "cpu"):
            memory = 1  # there is no other choice: it may try
        return place(name, memory, room, wanted=wanted, cpu=cpu).name

    @contextmanager
    def coming(self, device: str, memory: int) -> Iterator[None]:
        """While a model is on its way to a device and does not show there yet, others count with it."""
        memory = memory or UNKNOWN_BYTES
        self._coming[device] += memory
        try:
            yield
        finally:
            self._coming[device] -= memory

    async def close(self) -> None:
        """Waits no longer for what is being made; its threads end when they can."""
        jobs = list(self._jobs)
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)


async def plainly(work: asyncio.Future[T]) -> T:
    """The work's result. Libraries raise what they like: what is not ours becomes EngineFailed."""
    (result,) = await asyncio.gather(work, return_exceptions=True)
    if not isinstance(result, BaseException):
        return result
    if isinstance(result, VoicechatError) or not isinstance(result, Exception):
        raise result
    reason = next(iter(str(result).splitlines()), "")[:200]
    raise EngineFailed("engine_failed", f"{type(result).__name__}: {reason}") from result
