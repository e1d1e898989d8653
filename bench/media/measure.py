"""So many callers at the same time, talking: what they say of the server, and what the server took for it."""

import asyncio
import gc
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from statistics import median
from typing import Final

import aiohttp

from bench.media.clips import FRAME_SECONDS
from bench.media.clock import Clock
from bench.media.line import Line
from bench.media.systems import Server
from bench.media.talk import Said, Words, converse

LATE_SECONDS: Final = 0.015
"""A run in which our own 99th percentile tick came later than this says nothing about the server."""

SETTLE_SECONDS: Final = 1.0
DIALLING: Final = 4
"""Callers who connect at the same time."""

MOCKS_SECONDS: Final = 0.15
"""Of a caller's wait, for the engines: `config/bench.yaml`."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run found; times in milliseconds."""

    callers: int
    connected: int
    asked: int
    unanswered: int
    waits: list[float]
    gaps: list[float]
    stops: list[float]
    unstopped: int
    seconds: float
    cpu_ms: float
    """Processor time for each second of each session."""
    busy: float
    """Of the server's core."""
    memory: float
    """MiB at the end, with all callers there."""
    late: float
    """The 99th percentile of our own ticks' lateness."""
    own_busy: float
    """Of our own core."""
    lag: float | None
    """The server's event loop's 99th percentile, as a histogram's upper bound; None: it does not tell."""
    markers: float
    """The share of its packets with the RTP marker."""

    @property
    def void(self) -> bool:
        return self.late > 1000 * LATE_SECONDS

    def faults(self, single_wait: float) -> list[str]:
        """Why the server does not hold this many callers; `single_wait` is the 95th percentile of one caller's."""
        found = []
        if self.connected < self.callers:
            found.append(f"{self.callers - self.connected} not connected")
        if self.unanswered > 0.05 * self.asked:
            found.append(f"{self.unanswered} of {self.asked} unanswered")
        if self.gaps and p95(self.gaps) > 60:
            found.append(f"gap {p95(self.gaps):.0f} ms")
        if self.waits and p95(self.waits) > 2 * single_wait:
            found.append(f"wait {p95(self.waits):.0f} ms")
        return found


def p50(values: Sequence[float]) -> float:
    return median(values) if values else float("nan")


def p95(values: Sequence[float]) -> float:
    return percentile(values, 0.95)


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest rank: a value that was really measured."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


async def talk(
    server: Server, words: Words, callers: int, *, asks: int, interrupts: int = 0, pause: float = 1.0
) -> Run:
    """Connects them, lets them talk, and hangs up."""
    async with Clock() as clock, calling(server, words, callers, clock) as lines:
        await asyncio.sleep(SETTLE_SECONDS)
        gc.collect()
        gc.freeze()  # our own pauses would be taken for the server's
        clock.late.clear()
        own = time.process_time()
        lag = await _lag(server)
        loop = asyncio.get_running_loop()
        begin, cpu = loop.time(), server.cpu()
        said = [Said() for _ in lines]
        async with asyncio.TaskGroup() as group:
            for line, notes in zip(lines, said, strict=True):
                group.create_task(converse(line, words, notes, asks=asks, interrupts=interrupts, pause=pause))
        seconds, cpu, own = loop.time() - begin, server.cpu() - cpu, time.process_time() - own
        memory = server.memory()
        lags = _between(lag, await _lag(server))
        packets, markers = sum(line.packets for line in lines), sum(line.markers for line in lines)
    waits = [wait for notes in said for wait in notes.waits]
    stops = [stop for notes in said for stop in notes.stops]
    return Run(
        callers=callers,
        connected=len(lines),
        asked=len(waits),
        unanswered=waits.count(None),
        waits=[1000 * wait for wait in waits if wait is not None],
        gaps=[1000 * gap for notes in said for gap in notes.gaps],
        stops=[1000 * stop for stop in stops if stop is not None],
        unstopped=stops.count(None),
        seconds=seconds,
        cpu_ms=1000 * cpu / seconds / max(1, len(lines)),
        busy=cpu / seconds,
        memory=memory,
        late=1000 * percentile(clock.late, 0.99),
        own_busy=own / seconds,
        lag=lags,
        markers=markers / max(1, packets),
    )


@asynccontextmanager
async def calling(server: Server, words: Words, callers: int, clock: Clock) -> AsyncIterator[list[Line]]:
    """The lines that came to stand."""
    places = asyncio.Semaphore(DIALLING)
    lines: list[Line] = []

    async def dial(stack: AsyncExitStack) -> None:
        async with places:
            try:
                lines.append(await stack.enter_async_context(Line(server.offer, words.silence, clock)))
            except (TimeoutError, aiohttp.ClientError):
                return  # the run tells how many are missing

    async with AsyncExitStack() as stack:
        await asyncio.gather(*(dial(stack) for _ in range(callers)))
        yield lines
        hang_up = stack.pop_all()
    await hang_up.aclose()
    await asyncio.sleep(SETTLE_SECONDS + FRAME_SECONDS)


async def _lag(server: Server) -> dict[float, float]:
    """The server's histogram of its loop's lag so far: upper bounds in seconds, and how many lie below each."""
    if not server.system.metrics:
        return {}
    async with aiohttp.ClientSession() as http, http.get(f"{server.url}/metrics") as response:
        text = await response.text()
    rows = re.findall(r'voicechat_loop_lag_seconds_bucket{le="([^"]+)"} (\S+)', text)
    return {float(bound): float(count) for bound, count in rows}


def _between(before: dict[float, float], after: dict[float, float]) -> float | None:
    """The 99th percentile, in milliseconds, of what came between two readings."""
    counts = {bound: after[bound] - before[bound] for bound in after}
    total = max(counts.values(), default=0.0)
    return next((1000 * bound for bound, count in sorted(counts.items()) if total and count >= 0.99 * total), None)
