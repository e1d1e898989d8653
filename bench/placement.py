"""What a choice of replica costs, and what it is worth: `python -m bench.placement [--replicas 64] [--hours 1]`

The first table times choices on this machine. Replicas are of many kinds, some of them gone or unfit; a wish asks for
several things at once. The second plays callers on a clock of its own, the same on every machine: so many for each
replica, who come, speak and go. It says how many of the replies stayed with their caller's replica, how far the
replica with the most or the fewest replies is from its fair share, and how long replies waited for others.
"""

import argparse
import heapq
import os
import platform
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import date
from random import Random
from statistics import quantiles
from typing import Final, get_args

from rich.console import Console
from rich.table import Table

from voicechat.errors import NoReplica
from voicechat.metrics import Metrics
from voicechat.placement import Replica, Router, Wish
from voicechat.placement.routing import Strategy
from voicechat.protocols import Capabilities

ALL: Final[tuple[Strategy, ...]] = get_args(Strategy)
WISH: Final = Wish(language="en", streaming=True, voice="piper-*", device="cpu")
CHOICES: Final = 5_000

CALLERS: Final = 8
"""For each replica."""
CALL_SECONDS: Final = 300.0
PAUSE_SECONDS: Final = (4.0, 8.0)
"""Between a caller's replies at least, and on average so much more."""
WORK_SECONDS: Final = (0.1, 0.5)
"""A reply of one to five seconds, at a real-time factor of 0.1."""
CAPACITY: Final = 2


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--replicas", type=int, default=64)
    arguments.add_argument("--hours", type=float, default=1.0)
    chosen = arguments.parse_args()
    screen = Console(highlight=False)
    screen.print(f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, {chosen.replicas} replicas")
    screen.print(costs(chosen.replicas))
    screen.print(worth(chosen.replicas, 3600 * chosen.hours))


def costs(count: int) -> Table:
    table = Table("a choice, µs", "median", "p95", "p99", "p95, new wish", "p95, own replica")
    for strategy in ALL:
        usual = timed(strategy, count)
        new = timed(strategy, count, known=False)
        own = timed(strategy, count, bound="0")
        table.add_row(strategy, *(f"{value:.1f}" for value in (usual[49], usual[94], usual[98], new[94], own[94])))
    return table


def timed(strategy: Strategy, count: int, *, known: bool = True, bound: str = "") -> list[float]:
    """Percentiles of a choice, counting for metrics included, in µs; not `known`: no wish comes twice."""
    replicas = fleet(count)
    router = Router(strategy, observers=[Metrics().observe_routing])
    taken = []
    for number in range(CHOICES):
        wish = WISH if known else Wish("en", streaming=True, voice="piper-*", engine=f"p*{'*' * (number % 100)}")
        begun = time.perf_counter()
        try:
            replica = router.choose(replicas, wish, 0.0, bound).replica
        except NoReplica:
            continue
        finally:
            taken.append(1e6 * (time.perf_counter() - begun))
        if not bound:
            replica.in_flight = (replica.in_flight + 1) % CAPACITY
    return quantiles(taken, n=100)


def fleet(count: int) -> list[Replica]:
    """Every eighth is another engine's, and every ninth has given no sign of life."""
    languages = [("en-GB", "de"), ("en",), ("en-US", "es-MX", "fr")]
    return [
        Replica(
            str(number),
            "espeak" if number % 8 == 7 else "piper",
            "cpu",
            Capabilities(streaming=True, languages=languages[number % 3]),
            voices=(f"voice-{number % 5}", "amy"),
            capacity=CAPACITY,
            weight=1 + number % 2,
            factor=0.1 + 0.01 * (number % 4),
            seen=-100.0 if number % 9 == 8 else 0.0,
        )
        for number in range(count)
    ]


def worth(count: int, seconds: float) -> Table:
    title = f"{CALLERS * count} callers, {seconds / 3600:g} h"
    heads = ("replies", "stayed", "stray", "p95 wait, ms", "stray, no affinity", "p95 wait, ms, no affinity")
    table = Table(title, *heads)
    for strategy in ALL:
        bound, free = play(strategy, count, seconds), play(strategy, count, seconds, affinity=False)
        table.add_row(
            strategy, str(bound.replies), f"{bound.stayed:.2%}", f"{bound.stray:.1%}", f"{1000 * bound.wait:.0f}",
            f"{free.stray:.1%}", f"{1000 * free.wait:.0f}",
        )  # fmt: skip
    return table


@dataclass
class Played:
    """What came of some hours of calls."""

    counts: Counter[str] = field(default_factory=Counter)
    """Replies of each replica."""
    affinity: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)

    @property
    def replies(self) -> int:
        return self.counts.total()

    @property
    def stayed(self) -> float:
        """The share of replies that stayed with their caller's replica, of those who had one."""
        return self.affinity["kept"] / max(1, self.affinity["kept"] + self.affinity["moved"])

    @property
    def stray(self) -> float:
        """How far the replica with the most or the fewest replies is from the mean, as a share of the mean."""
        mean = self.replies / len(self.counts)
        return max(abs(count - mean) for count in self.counts.values()) / mean

    @property
    def wait(self) -> float:
        return quantiles(self.waits, n=20)[-1]


def play(strategy: Strategy, count: int, seconds: float, *, affinity: bool = True, seed: int = 1) -> Played:
    """Callers on a clock of their own. Each replica does one job after the other."""
    random, played = Random(seed), Played()
    capabilities = Capabilities(streaming=True, languages=("en",))
    replicas = [
        Replica(str(i), "piper", "cpu", capabilities, capacity=CAPACITY, factor=0.1) for i in range(count)
    ]
    played.counts.update({one.name: 0 for one in replicas})
    router = Router(strategy, random=random)
    free = {one.name: 0.0 for one in replicas}  # when its last job will be done
    ends: dict[str, deque[float]] = {one.name: deque() for one in replicas}
    turns = [(random.uniform(0, 60), caller, "", 0.0) for caller in range(CALLERS * count)]
    heapq.heapify(turns)
    while turns[0][0] < seconds:
        now, caller, bound, until = heapq.heappop(turns)
        if now > until:  # a new call on this line
            bound, until = "", now + random.expovariate(1 / CALL_SECONDS)
        for one in replicas:
            while ends[one.name] and ends[one.name][0] <= now:
                ends[one.name].popleft()
            one.in_flight = len(ends[one.name])
        decision = router.choose(replicas, Wish(), 0.0, bound if affinity else "")
        name = decision.replica.name
        played.counts[name] += 1
        played.affinity[decision.routed.affinity] += 1
        played.waits.append(max(0.0, free[name] - now))
        free[name] = max(now, free[name]) + random.uniform(*WORK_SECONDS)
        ends[name].append(free[name])
        pause = PAUSE_SECONDS[0] + random.expovariate(1 / PAUSE_SECONDS[1])
        heapq.heappush(turns, (free[name] + pause, caller, name, until))
    return played


if __name__ == "__main__":
    main()
