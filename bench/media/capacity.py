"""How many callers one core holds: doubling until it fails, then halving the distance."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from bench.media.measure import Run, p95
from bench.media.systems import ServerFailed

MOST: Final = 256
PRECISION: Final = 8
"""The search stops when the step is below an eighth of the number that holds."""

SEARCH_SECONDS: Final = 240.0
"""After which no other number is tried."""

Trial = Callable[[int], Awaitable[Run]]


@dataclass(frozen=True, slots=True)
class Capacity:
    """`holds` callers are held, 0: not even one. `fails` are not, and why; 0: no number that was tried."""

    holds: int
    fails: int = 0
    faults: list[str] = field(default_factory=list)


async def search(
    trial: Trial,
    single: Run,
    first: Run,
    told: Callable[[str], None],
    *,
    most: int = MOST,
    seconds: float = SEARCH_SECONDS,
) -> Capacity:
    """The largest number that held, and the smallest that did not.

    `single` is a run of one caller, the measure of the others' waits; `first` is one of a few. A run that failed while
    our own side was late, or others used the server's core, is repeated once; if it was so again, its number counts as
    not held, and why is told: the true one may be larger.
    """
    limit = p95(single.waits)
    if faults := single.faults(limit):
        return Capacity(0, 1, faults)
    found, end = Capacity(1), time.monotonic() + seconds
    if faults := await _faults(first, limit, trial, told):
        found = Capacity(1, first.callers, faults)
    elif first.callers > 1:
        found = Capacity(first.callers)
    while (number := min(next_number(found.holds, found.fails), most)) > found.holds:
        if time.monotonic() > end:
            told(f"no more is tried after {seconds:.0f} s")
            break
        try:
            faults = await _faults(await trial(number), limit, trial, told)
        except ServerFailed as error:
            told(f"{number} callers: {error}")
            faults = [str(error)]
        found = Capacity(found.holds, number, faults) if faults else Capacity(number, found.fails, found.faults)
    return found


async def _faults(run: Run, limit: float, trial: Trial, told: Callable[[str], None]) -> list[str]:
    """What is wrong with the run, or with its repetition."""
    faults = run.faults(limit)
    if faults and run.void:
        told(f"{run.callers} callers: {', '.join(faults)}; {run.void}; once more")
        run = await trial(run.callers)
        faults = run.faults(limit)
        faults += [run.void] if faults and run.void else []
    told(
        f"{run.callers} callers: {', '.join(faults) or 'holds'}; server {run.busy:.0%} busy, others on its core"
        f" {run.others:.0%}, we {run.own_busy:.0%} and {run.late:.0f} ms late"
    )
    return faults


def next_number(good: int, bad: int) -> int:
    """The next to try, 0 when the answer is known well enough."""
    if not bad:
        return 2 * good
    step = (bad - good) // 2
    return good + step if step >= max(1, good // PRECISION) else 0
