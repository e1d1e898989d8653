"""`python -m bench.media [--quick] [--systems NAME,...] [--out NAME]`: the media path, beside that of others.

Callers on a core of their own call a server on a core of its own. `--quick` takes a minute and measures voicechat only;
the whole takes up to 20 minutes, and 3 more the first time, when it installs the others into .venv-bench. The results
go to bench/results as JSON, as they come, and with others beside, as a chart. A server that fails or hangs is told of,
and the next one is measured.
"""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import uvloop
from rich.console import Console

from bench.media import capacity, chart, found, loss, measure, systems
from bench.media.found import Found, Report
from bench.media.measure import Run
from bench.media.systems import Server, ServerFailed, System
from bench.media.talk import Words

RESULTS: Final = systems.ROOT / "bench" / "results"
SIDE_BY_SIDE: Final = ("voicechat", "stock aiortc", "pipecat", "FastRTC")
ANSWERS: Final = 32
"""In a run of many callers, at least."""


def main() -> None:
    known = systems.systems()
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--systems", default="", help=f"of {', '.join(known)}; built in: {', '.join(SIDE_BY_SIDE)}")
    arguments.add_argument("--most", type=int, default=capacity.MOST, help="callers that are tried at most")
    arguments.add_argument("--out", default="media", help="name of the files in bench/results")
    chosen = arguments.parse_args()
    wanted = chosen.systems.split(",") if chosen.systems else [name for name in SIDE_BY_SIDE if name in known]
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        arguments.error(f"no such system: {', '.join(unknown)}; there are {', '.join(known)}")
    uvloop.run(Bench(chosen.most).run([known[name] for name in wanted], quick=chosen.quick, out=chosen.out))


class Bench:
    def __init__(self, most: int) -> None:
        self._most = most
        self._screen = Console(stderr=True, highlight=False)
        self._log = Path(tempfile.gettempdir()) / "voicechat-bench.log"
        self._report = Report(found.place())
        self._begun = time.monotonic()

    async def run(self, chosen: list[System], *, quick: bool, out: str) -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # no server is left behind
        chosen = chosen[:1] if quick else chosen
        systems.pin(systems.CALLERS_CPU)
        words = Words.spoken()
        out = f"{out}-quick" if quick else out
        for system in chosen:
            result = self._report.systems[system.name] = Found(system.silence, system.mocks)
            with self._told(result, system):
                system.install()
                await (self._quick if quick else self._whole)(system, words, result)
            self._write(out)  # what has been found is kept, whatever comes
        for loopback in systems.LOOPBACKS[: 1 if quick else None]:
            with self._told(None, loopback):
                await self._loopback(loopback, words, seconds=10 if quick else 30)
            self._write(out)
        self._screen.print(
            f"{self._report.minutes:.0f} minutes; written: bench/results/{out}.json;"
            f" what the servers complained of: {self._log}",
            soft_wrap=True,
        )
        screen = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
        for table in found.tables(self._report):
            screen.print(table)

    @contextmanager
    def _told(self, result: Found | None, system: System) -> Iterator[None]:
        """A server that fails is told of, and the next part is measured."""
        try:
            yield
        except ServerFailed as error:
            self._tell(system, f"failed: {error}")
            if result is not None:
                result.failed.append(str(error))

    async def _quick(self, system: System, words: Words, result: Found) -> None:
        async with systems.running(system, self._log) as server:
            await self._begin(server, words, result, asks=2)
            self._tell(system, "8 callers talk and interrupt")
            result.eight = result.latency = await measure.talk(server, words, 8, asks=2, interrupts=1)

    async def _whole(self, system: System, words: Words, result: Found) -> None:
        async with systems.running(system, self._log) as server:
            await self._begin(server, words, result, asks=3)
            with self._told(result, system):
                self._tell(system, "4 callers talk and interrupt")
                result.latency = await measure.talk(server, words, 4, asks=3, interrupts=3)
                self._tell(system, "8 callers talk")
                result.eight = await measure.talk(server, words, 8, asks=2)
        if system.name == SIDE_BY_SIDE[0]:
            with self._told(result, system):
                self._tell(system, "20 callers talk")
                result.twenty = await self._trial(system, words, 20)

        async def trial(callers: int) -> Run:
            result.runs.append(await self._trial(system, words, callers))
            return result.runs[-1]

        if result.single is not None:
            result.capacity = await capacity.search(
                trial,
                result.single,
                result.eight or result.single,
                lambda line: self._tell(system, line),
                most=self._most,
            )

    async def _begin(self, server: Server, words: Words, result: Found, *, asks: int) -> None:
        self._tell(server.system, "one caller talks")
        result.idle_memory = server.memory()
        result.single = await measure.talk(server, words, 1, asks=asks)

    async def _trial(self, system: System, words: Words, callers: int) -> Run:
        """On a new server: one that was overrun may not be itself again."""
        async with systems.running(system, self._log) as server:
            return await measure.talk(server, words, callers, asks=max(2, -(-ANSWERS // callers)))

    async def _loopback(self, system: System, words: Words, *, seconds: float) -> None:
        self._tell(system, "echo and loss")
        self._report.trips[system.name] = await loss.round_trips(system, self._log, words.silence, lines=6, times=3)
        self._report.losses[system.name] = await loss.missing(system, self._log, seconds=seconds)

    def _tell(self, system: System, line: str) -> None:
        minutes = (time.monotonic() - self._begun) / 60
        self._report.notes.append(f"{minutes:.1f} min: {system.name}: {line}")
        self._screen.print(self._report.notes[-1], soft_wrap=True)

    def _write(self, name: str) -> None:
        self._report.minutes = (time.monotonic() - self._begun) / 60
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(f"{json.dumps(self._report.as_json(), indent=1, allow_nan=False)}\n")
        if len(self._report.systems) > 1:
            (RESULTS / f"{name}.svg").write_text(chart.svg(self._report))


if __name__ == "__main__":
    main()
