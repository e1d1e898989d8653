"""What a second worker is worth: `python -m bench.synthesis [--pairs 9] [--callers 4] [--clauses 2]`

A real Piper voice is built, heavy enough that its ONNX model takes the time (some convolutions more, one thread each).
Callers' answers are spoken by it through the server's own synthesis, on lanes: by one worker, by two, and so on in
turn. Beside it the same clauses on bare threads, which is what the machine itself has to give at that moment. On a busy
machine that is less than its number of cores; how many workers were at work on average, and what a second of sound cost
the processor, still say whether the pool keeps its workers busy and whether they hinder each other. Both together are
the ratio "on idle cores", which is how much more sound comes of two workers who have a core each.
"""

import argparse
import asyncio
import os
import platform
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import onnx
from onnx import helper, numpy_helper
from rich.console import Console
from rich.table import Table

from tests.tiny import piper as tiny
from voicechat import adapters
from voicechat.config import PiperSettings, Settings, TtsSettings
from voicechat.lane import ThreadLane
from voicechat.pool import ClauseEnded, Pool, Spoken
from voicechat.protocols import TtsEngine
from voicechat.synthesis import Synthesis
from voicechat.turnstile import Turnstile, Worker
from voicechat.words.pace import Pace

CLAUSE: Final = "The dinosaurs are in the great hall straight ahead of you"
CHANNELS: Final = 128
"""A frame of so many samples is one column for the convolutions; what they hold stays in a core's own cache."""
WIDTH: Final = 11


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--pairs", type=int, default=9)
    arguments.add_argument("--callers", type=int, default=4)
    arguments.add_argument("--clauses", type=int, default=2)
    arguments.add_argument("--layers", type=int, default=160, help="how heavy the voice is")
    chosen = arguments.parse_args()
    screen = Console(highlight=False, width=120)
    with TemporaryDirectory() as folder:
        path = heavier(tiny.build(Path(folder) / "heavy.onnx"), chosen.layers)
        settings = Settings(tts=TtsSettings(piper=PiperSettings(model=str(path))))
        engine: TtsEngine = adapters.choose("tts", "piper", settings)
        for _ in engine.synthesize(CLAUSE, ""):
            pass
        screen.print(f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        screen.print(compared(engine, chosen.pairs, chosen.callers, chosen.clauses))
        engine.close()


def heavier(path: Path, layers: int) -> Path:
    """The same voice and the same sound, with convolutions whose result is added as good as silent."""
    model = onnx.load(str(path))
    graph = model.graph
    last = next(node for node in graph.node if node.output[0] == "output")
    sound, shape = last.input
    random = np.random.default_rng(0)
    weights = random.normal(0, 1 / np.sqrt(CHANNELS * WIDTH), (CHANNELS, CHANNELS, WIDTH)).astype(np.float32)
    graph.initializer.extend(
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array([1, CHANNELS, -1], np.int64), "columns"),
            numpy_helper.from_array(np.array(1e-6, np.float32), "silent"),
        ]
    )
    nodes = [helper.make_node("Reshape", [sound, "columns"], ["layer0"])]
    for number in range(layers):
        pads = [WIDTH // 2] * 2
        nodes.append(helper.make_node("Conv", [f"layer{number}", "weights"], [f"conv{number}"], pads=pads))
        nodes.append(helper.make_node("Tanh", [f"conv{number}"], [f"layer{number + 1}"]))
    nodes += [
        helper.make_node("Reshape", [f"layer{layers}", "flat"], ["worked"]),
        helper.make_node("Mul", ["worked", "silent"], ["hardly"]),
        helper.make_node("Add", [sound, "hardly"], ["both"]),
        helper.make_node("Reshape", ["both", shape], ["output"]),
    ]
    graph.node.remove(last)
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


@dataclass(frozen=True)
class Made:
    """What came of one run: seconds of sound in a second, mean workers at work, processor ms for a second of sound."""

    sound: float
    at_work: float
    cost: float


class Watch:
    """Seconds and processor seconds since it was made."""

    def __init__(self) -> None:
        self._begun, self._used = time.perf_counter(), time.process_time()

    def made(self, sound: float, work: float) -> Made:
        seconds, used = time.perf_counter() - self._begun, time.process_time() - self._used
        return Made(sound / seconds, work / seconds, 1000 * used / sound)


def compared(engine: TtsEngine, pairs: int, callers: int, clauses: int) -> Table:
    """`callers` answers with so many clauses each, and one such answer alone."""
    cases: dict[str, Callable[[int], Made]] = {
        f"{callers} answers": lambda workers: asyncio.run(spoken(engine, workers, callers, clauses)),
        "one answer": lambda workers: asyncio.run(spoken(engine, workers, 1, callers * clauses)),
        "bare threads": lambda workers: bare(engine, workers, callers * clauses),
    }
    heads = ("by one worker, two", "sound, s in 1 s", "ratio", "pairs", "on idle cores", "at work", "CPU, ms for 1 s")
    table = Table(*heads, title=f"{pairs} pairs, medians")
    found: dict[str, list[tuple[Made, Made]]] = {name: [] for name in cases}
    for number in range(pairs):
        for name, case in cases.items():
            first, second = (1, 2) if number % 2 else (2, 1)
            made = {first: case(first), second: case(second)}
            found[name].append((made[1], made[2]))
    for name, runs in found.items():
        table.add_row(name, *row(runs))
    return table


def row(runs: Sequence[tuple[Made, Made]]) -> list[str]:
    ones, twos = zip(*runs, strict=True)
    sound = [f"{median(made.sound for made in case):.1f}" for case in (ones, twos)]
    ratios = [after.sound / before.sound for before, after in runs]
    idle = [after.at_work / before.at_work * before.cost / after.cost for before, after in runs]
    work = [f"{median(made.at_work for made in case):.2f}" for case in (ones, twos)]
    cost = [f"{median(made.cost for made in case):.1f}" for case in (ones, twos)]
    return [
        ", ".join(sound),
        f"{median(ratios):.2f}",
        f"{min(ratios):.2f} to {max(ratios):.2f}",
        f"{median(idle):.2f}",
        ", ".join(work),
        ", ".join(cost),
    ]


async def spoken(engine: TtsEngine, workers: int, callers: int, clauses: int) -> Made:
    """Through pool and lanes, with two clauses of each answer in flight."""
    lanes = [ThreadLane(f"tts-{number}") for number in range(workers)]
    work: list[float] = []

    def tell(told: Spoken) -> None:
        if isinstance(told, ClauseEnded):
            work.append(told.work)

    pool = Pool([Worker(engine, lane) for lane in lanes], Turnstile(), [tell])
    watch = Watch()
    sound = sum(await asyncio.gather(*(answer(pool, clauses) for _ in range(callers)))) / engine.rate
    made = watch.made(sound, sum(work))
    for lane in lanes:
        await lane.close()
    return made


async def answer(pool: Pool, clauses: int) -> int:
    """The samples of an answer whose listener is as fast as can be."""

    async def words() -> AsyncGenerator[str]:
        for _ in range(clauses):
            yield CLAUSE

    synthesis = Synthesis(pool, voice="", speed=1.0, in_flight=2, pace=Pace(), left=lambda: 0.0)
    making = asyncio.create_task(synthesis.run(words()))
    made = 0
    async for sound in synthesis.sounds():
        made += len(sound.samples)
    await making
    return made


def bare(engine: TtsEngine, workers: int, clauses: int) -> Made:
    def one(clause: str) -> tuple[int, float]:
        begun = time.perf_counter()
        made = sum(len(piece.samples) for piece in engine.synthesize(clause, ""))
        return made, time.perf_counter() - begun

    with ThreadPoolExecutor(workers) as threads:
        watch = Watch()
        made, work = zip(*threads.map(one, [CLAUSE] * clauses), strict=True)
        return watch.made(sum(made) / engine.rate, sum(work))


if __name__ == "__main__":
    main()
