"""`python -m bench.media [--quick] [--systems NAME,...] [--out NAME]`: the media path, beside that of others.

Callers on a core of their own call a server on a core of its own. `--quick` takes a minute and measures voicechat only;
the whole takes a quarter of an hour, and installs the others into .venv-bench the first time. The results go to
bench/results as JSON and, with others beside, as a chart.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Final

import uvloop
from rich.console import Console

from bench.media import capacity, chart, found, loss, measure, systems
from bench.media.found import Found, Report
from bench.media.measure import Run
from bench.media.systems import Server, System
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

    async def run(self, chosen: list[System], *, quick: bool, out: str) -> None:
        chosen = chosen[:1] if quick else chosen
        for system in chosen:
            system.install()
        systems.pin(systems.CALLERS_CPU)
        words = Words.spoken()
        out = f"{out}-quick" if quick else out
        for system in chosen:
            self._report.systems[system.name] = await (self._quick if quick else self._whole)(system, words)
            self._write(out)  # what has been found is kept, whatever comes
        for loopback in systems.LOOPBACKS[: 1 if quick else None]:
            await self._loopback(loopback, words, seconds=10 if quick else 30)
        self._write(out)
        self._screen.print(f"written: bench/results/{out}.json; what the servers complained of: {self._log}")
        screen = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
        for table in found.tables(self._report):
            screen.print(table)

    async def _quick(self, system: System, words: Words) -> Found:
        async with systems.running(system, self._log) as server:
            result = await self._begin(server, words, asks=2)
            self._tell(system, "8 callers talk and interrupt")
            result.eight = result.latency = await measure.talk(server, words, 8, asks=2, interrupts=1)
        return result

    async def _whole(self, system: System, words: Words) -> Found:
        async with systems.running(system, self._log) as server:
            result = await self._begin(server, words, asks=4)
            self._tell(system, "4 callers talk and interrupt")
            result.latency = await measure.talk(server, words, 4, asks=3, interrupts=4)
            self._tell(system, "8 callers talk")
            result.eight = await measure.talk(server, words, 8, asks=3)
        if system.metrics:
            result.twenty = await self._trial(system, words, 20)

        async def trial(callers: int) -> Run:
            result.runs.append(await self._trial(system, words, callers))
            return result.runs[-1]

        result.capacity = await capacity.search(
            trial, result.single, result.eight, lambda line: self._tell(system, line), most=self._most
        )
        return result

    async def _begin(self, server: Server, words: Words, *, asks: int) -> Found:
        self._tell(server.system, "one caller talks")
        idle = server.memory()
        single = await measure.talk(server, words, 1, asks=asks)
        return Found(server.system.silence, idle, single)

    async def _trial(self, system: System, words: Words, callers: int) -> Run:
        """On a new server: one that was overrun may not be itself again."""
        async with systems.running(system, self._log) as server:
            return await measure.talk(server, words, callers, asks=max(2, -(-ANSWERS // callers)))

    async def _loopback(self, system: System, words: Words, *, seconds: float) -> None:
        self._tell(system, "echo and loss")
        self._report.trips[system.name] = await loss.round_trips(system, self._log, words.silence, lines=6, times=3)
        self._report.losses[system.name] = await loss.missing(system, self._log, seconds=seconds)

    def _tell(self, system: System, line: str) -> None:
        self._report.notes.append(f"{system.name}: {line}")
        self._screen.print(self._report.notes[-1])

    def _write(self, name: str) -> None:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(f"{json.dumps(self._report.as_json(), indent=1)}\n")
        if len(self._report.systems) > 1:
            (RESULTS / f"{name}.svg").write_text(chart.svg(self._report))


if __name__ == "__main__":
    main()
