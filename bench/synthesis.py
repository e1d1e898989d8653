"""What a second worker is worth: `python -m bench.synthesis [--pairs 9] [--callers 4] [--clauses 4]`

A real Piper voice is built, heavy enough that its ONNX model takes the time (some convolutions more, one thread each).
Callers' answers are spoken by it through the server's own synthesis, on lanes: by one worker, by two, and so on in
turn. Beside it the same clauses on bare threads, which is what the machine itself has to give at that moment: on a busy
one less than its number of cores. All ratios are those of medians.
"""

import argparse
import asyncio
import os
import platform
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from voicechat import app
from voicechat.config import PiperSettings, Settings, TtsSettings
from voicechat.lane import ThreadLane
from voicechat.pace import Pace
from voicechat.pool import Pool
from voicechat.protocols import TtsEngine
from voicechat.synthesis import Synthesis
from voicechat.turnstile import Turnstile, Worker

CLAUSE: Final = "The dinosaurs are in the great hall straight ahead of you"
CHANNELS: Final = 128
"""A frame of so many samples is one column for the convolutions; what they hold stays in a core's own cache."""
WIDTH: Final = 11


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--pairs", type=int, default=9)
    arguments.add_argument("--callers", type=int, default=4)
    arguments.add_argument("--clauses", type=int, default=4)
    arguments.add_argument("--layers", type=int, default=24, help="how heavy the voice is")
    chosen = arguments.parse_args()
    screen = Console(highlight=False)
    with TemporaryDirectory() as folder:
        path = heavier(tiny.build(Path(folder) / "heavy.onnx"), chosen.layers)
        engine: TtsEngine = app.choose("tts", "piper", Settings(tts=TtsSettings(piper=PiperSettings(model=str(path)))))
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


def compared(engine: TtsEngine, pairs: int, callers: int, clauses: int) -> Table:
    """Sound made in a second, of `callers` answers with so many clauses each, and of one such answer alone."""
    cases: dict[str, Callable[[int], float]] = {
        f"{callers} answers": lambda workers: asyncio.run(spoken(engine, workers, callers, clauses)),
        "one answer": lambda workers: asyncio.run(spoken(engine, workers, 1, callers * clauses)),
        "bare threads": lambda workers: bare(engine, workers, callers * clauses),
    }
    heads = ("sound made, s in 1 s", "one worker", "two", "ratio", "ratio of the best", "ratio of each pair")
    table = Table(*heads, title=f"{pairs} pairs")
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for number in range(pairs):
        for name, case in cases.items():
            first, second = (1, 2) if number % 2 else (2, 1)
            made = {first: case(first), second: case(second)}
            results[name].append((made[1], made[2]))
    for name, found in results.items():
        one, two = median(pair[0] for pair in found), median(pair[1] for pair in found)
        ratios = sorted(pair[1] / pair[0] for pair in found)
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}, median {median(ratios):.2f}"
        best = max(pair[1] for pair in found) / max(pair[0] for pair in found)
        table.add_row(name, f"{one:.1f}", f"{two:.1f}", f"{two / one:.2f}", f"{best:.2f}", spread)
    return table


async def spoken(engine: TtsEngine, workers: int, callers: int, clauses: int) -> float:
    """Through pool and lanes, with two clauses of each answer in flight; seconds of sound in a second."""
    lanes = [ThreadLane(f"tts-{number}") for number in range(workers)]
    pool = Pool([Worker(engine, lane) for lane in lanes], Turnstile())
    begun = time.perf_counter()
    made = await asyncio.gather(*(answer(pool, clauses) for _ in range(callers)))
    taken = time.perf_counter() - begun
    for lane in lanes:
        await lane.close()
    return sum(made) / engine.rate / taken


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


def bare(engine: TtsEngine, workers: int, clauses: int) -> float:
    def one(clause: str) -> int:
        return sum(len(piece.samples) for piece in engine.synthesize(clause, ""))

    texts: Sequence[str] = [CLAUSE] * clauses
    with ThreadPoolExecutor(workers) as threads:
        begun = time.perf_counter()
        made = sum(threads.map(one, texts))
        return made / engine.rate / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
