"""How long a caller waits: from the end of speech to the first sound, over WebRTC, with a server of its own.

`python -m bench.latency [--turns N] [--config FILE]`
"""

import argparse
import asyncio
import os
import platform
from datetime import date
from pathlib import Path
from statistics import median, quantiles

from rich.console import Console
from rich.table import Table

from voicechat import adapters, config
from voicechat.config import Settings
from voicechat.terminal import spawn
from voicechat.terminal.caller import Caller
from voicechat.terminal.demo import ear, voiced
from voicechat.terminal.dialogue import Dialogue, Question, Turn
from voicechat.transport.media.opus import RATE

WORDS = ("What is your name?", "How do you work?", "How can you help me?", "Which languages do you speak?")
PARTS = ("endpointed", "understood", "first_word", "first_sound")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--turns", type=int, default=12)
    arguments.add_argument("--config", type=Path)
    chosen = arguments.parse_args()
    asyncio.run(measure(chosen.config, chosen.turns))


async def measure(path: Path | None, count: int) -> None:
    settings = config.load(path)
    async with spawn.server(path) as (url, ready):
        turns, heard = await call(url, questions(settings, count))
    screen = Console(highlight=False)
    screen.print(ready, soft_wrap=True)
    screen.print(f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, {count} turns")
    screen.print(table(turns, heard))


async def call(url: str, asked: list[Question]) -> tuple[list[Turn], list[float]]:
    """Asks them in one call; the turns, and how many ms each caller's ear waited."""
    async with Caller(url) as caller:
        dialogue = Dialogue(caller, lambda who, words: None)
        await dialogue.hold(asked)
        mine, theirs = caller.recording()
    turns = dialogue.turns
    ends = [turn.at for turn in turns[1:]] + [len(mine) / RATE]
    waits = [ear(turn, end, mine, theirs) for turn, end in zip(turns, ends, strict=True)]
    return turns, [1000 * seconds for seconds in waits if seconds is not None]


def questions(settings: Settings, count: int) -> list[Question]:
    """The words over and over, with their sound."""
    engine = adapters.choose("tts", "espeak", settings)
    try:
        return [Question(words, voiced(engine, words)) for words in (WORDS * count)[:count]]
    finally:
        engine.close()


def table(turns: list[Turn], heard: list[float]) -> Table:
    rows = Table("ms since the caller's last sound", "median", "p95", "max")
    for part in PARTS:
        rows.add_row(part.replace("_", " "), *spread([turn.latency[f"{part}_ms"] for turn in turns]))
    rows.add_row("at the caller's ear", *spread(heard))
    return rows


def spread(values: list[float]) -> list[str]:
    p95 = quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]
    return [f"{value:.0f}" for value in (median(values), p95, max(values))]


if __name__ == "__main__":
    main()
