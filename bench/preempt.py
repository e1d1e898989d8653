"""What beginning the answer early saves: the same questions to two servers by turns, one with `turn.preempt`.

`python -m bench.preempt [--rounds N] [--config FILE] [--think SECONDS]`

Over WebRTC, with two servers of its own. A round is four questions to each of them, one server after the other, so
that whatever else the machine does falls on both. With `--think` an agent answers who needs so long for a first word,
as a language model would.
"""

import argparse
import asyncio
import os
import platform
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from bench.latency import WORDS, call, questions, table
from voicechat import config
from voicechat.terminal import spawn
from voicechat.terminal.dialogue import Turn

SETTING: Final = "VOICECHAT__TURN__PREEMPT"


@dataclass
class Side:
    """One of the two servers, and what came of its calls."""

    title: str
    url: str
    turns: list[Turn] = field(default_factory=list)
    heard: list[float] = field(default_factory=list)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=6)
    arguments.add_argument("--config", type=Path)
    arguments.add_argument("--think", type=float)
    chosen = arguments.parse_args()
    asyncio.run(measure(chosen.config, chosen.rounds, chosen.think))


async def measure(path: Path | None, rounds: int, think: float | None) -> None:
    asked = questions(config.load(path), len(WORDS))
    async with (
        spawn.server(path, {**agent(think), SETTING: "true"}) as (early, ready),
        spawn.server(path, {**agent(think), SETTING: "false"}) as (late, _),
    ):
        sides = [Side("begun early", early), Side("begun when sure", late)]
        for number in range(rounds):
            for side in sides[:: 1 if number % 2 else -1]:
                turns, heard = await call(side.url, asked)
                side.turns += turns
                side.heard += heard
        fates = await drafts(early)
    screen = Console(highlight=False)
    screen.print(ready, soft_wrap=True)
    screen.print(f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, {rounds * len(WORDS)} turns each")
    for side in sides:
        rows = table(side.turns, side.heard)
        rows.title, rows.title_justify = side.title, "left"
        screen.print(rows)
    screen.print("drafts: " + ", ".join(f"{count:.0f} {fate}" for fate, count in sorted(fates.items())))


def agent(think: float | None) -> dict[str, str]:
    """Settings for one that thinks so long; none for the configured one."""
    if think is None:
        return {}
    scripted = {"ENGINE": "scripted", "SCRIPTED__DELAY": str(think), "SCRIPTED__SENTENCES": "1"}
    return {f"VOICECHAT__AGENT__{key}": value for key, value in scripted.items()}


async def drafts(url: str) -> Counter[str]:
    """What became of the drafts of a server."""
    async with ClientSession() as client, client.get(f"{url}/metrics") as response:
        families = text_string_to_metric_families(await response.text())
    fates: Counter[str] = Counter()
    for family in families:
        for sample in family.samples:
            if sample.name == "voicechat_drafts_total":
                fates[sample.labels["fate"]] += int(sample.value)
    return fates


if __name__ == "__main__":
    main()
