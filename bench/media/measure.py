"""So many callers at the same time, talking: what they say of the server, and what the server took for it."""

import asyncio
import gc
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from statistics import median
from typing import Final

import aiohttp

from bench.media import systems
from bench.media.clips import FRAME_SECONDS
from bench.media.clock import Clock
from bench.media.line import Line
from bench.media.systems import Server, ServerFailed
from bench.media.talk import Said, Words, converse, spread

LATE_SECONDS: Final = 0.015
"""A run in which our own 99th percentile tick came later than this says nothing about the server."""

OTHERS: Final = 0.15
"""Neither does one in which other processes used more of the server's core."""

GAP_MS: Final = 60.0
"""The longest audible gap, in 95 of 100 answers, of a server that holds its callers."""

SETTLE_SECONDS: Final = 1.0
DIALLING: Final = 4
"""Callers who connect at the same time."""

DIAL_SECONDS: Final = 45.0
"""For all of them; who has no connection by then has none."""

TURN_SECONDS: Final = 20.0
"""No turn takes longer, however slow the server."""


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
    """Of the server's core, by the server."""
    others: float
    """Of the server's core, by other processes."""
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
    def void(self) -> str:
        """Why the run says nothing against the server; empty: it does."""
        if self.late > 1000 * LATE_SECONDS:
            return f"void: we were {self.late:.0f} ms late ourselves"
        if self.others > OTHERS:
            return f"void: others used {self.others:.0%} of its core"
        return ""

    def faults(self, single_wait: float) -> list[str]:
        """Why the server does not hold this many callers; `single_wait` is the 95th percentile of one caller's."""
        found = []
        if self.connected < self.callers:
            found.append(f"{self.callers - self.connected} not connected")
        if self.unanswered > 0.05 * self.asked:
            found.append(f"{self.unanswered} of {self.asked} unanswered")
        if self.gaps and p95(self.gaps) > GAP_MS:
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
    server: Server, words: Words, callers: int, *, asks: int, interrupts: int = 0, pause: float = 0.5
) -> Run:
    """Connects them, lets them talk, and hangs up. Raises ServerFailed when it is gone, or does not come to an end."""
    async with Clock() as clock, calling(server, words, callers, clock) as lines:
        await asyncio.sleep(SETTLE_SECONDS)
        clock.late.clear()
        lag = await _lag(server)
        own, foreign = time.process_time(), systems.core_seconds(systems.SERVER_CPU)
        begin, cpu = time.monotonic(), server.cpu()
        said = await _conversations(lines, words, asks=asks, interrupts=interrupts, pause=pause)
        seconds, cpu, own = time.monotonic() - begin, server.cpu() - cpu, time.process_time() - own
        foreign = systems.core_seconds(systems.SERVER_CPU) - foreign - cpu
        late = percentile(clock.late, 0.99)
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
        others=max(0.0, foreign / seconds),
        memory=memory,
        late=1000 * late,
        own_busy=own / seconds,
        lag=lags,
        markers=markers / max(1, packets),
    )


async def _conversations(lines: list[Line], words: Words, *, asks: int, interrupts: int, pause: float) -> list[Said]:
    said, moments = [Said() for _ in lines], spread()
    limit = TURN_SECONDS * (asks + interrupts)
    try:
        async with asyncio.timeout(limit), asyncio.TaskGroup() as group:
            for line, notes in zip(lines, said, strict=True):
                group.create_task(
                    converse(line, words, notes, moments, asks=asks, interrupts=interrupts, pause=pause)
                )
    except TimeoutError:
        raise ServerFailed(f"{len(lines)} callers were not through after {limit:.0f} s") from None
    return said


@asynccontextmanager
async def calling(server: Server, words: Words, callers: int, clock: Clock) -> AsyncIterator[list[Line]]:
    """The lines that came to stand."""
    places = asyncio.Semaphore(DIALLING)
    lines: list[Line] = []

    async def dial() -> None:
        async with places:
            line = Line(server.offer, words.silence, clock)
            with suppress(TimeoutError, aiohttp.ClientError):  # the run tells how many are missing
                lines.append(await line.__aenter__())

    dials = [asyncio.create_task(dial()) for _ in range(callers)]
    try:
        _, late = await asyncio.wait(dials, timeout=DIAL_SECONDS)
        for task in late:
            task.cancel()
        for result in await asyncio.gather(*dials, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
        gc.collect()
        gc.freeze()  # our own pauses would be taken for the server's
        yield lines
    finally:
        gc.unfreeze()
        await asyncio.gather(*(line.__aexit__() for line in lines))
    await asyncio.sleep(SETTLE_SECONDS + FRAME_SECONDS)


async def _lag(server: Server) -> dict[float, float]:
    """The server's histogram of its loop's lag so far: upper bounds in seconds, and how many lie below each."""
    if not server.system.metrics:
        return {}
    limit = aiohttp.ClientTimeout(total=5)
    try:
        async with aiohttp.ClientSession(timeout=limit) as http, http.get(f"{server.url}/metrics") as response:
            text = await response.text()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise ServerFailed(f"no metrics: {error!r}") from error
    rows = re.findall(r'voicechat_loop_lag_seconds_bucket{le="([^"]+)"} (\S+)', text)
    return {float(bound): float(count) for bound, count in rows}


def _between(before: dict[float, float], after: dict[float, float]) -> float | None:
    """The 99th percentile, in milliseconds, of what came between two readings."""
    counts = {bound: after[bound] - before[bound] for bound in after}
    total = max(counts.values(), default=0.0)
    return next((1000 * bound for bound, count in sorted(counts.items()) if total and count >= 0.99 * total), None)
