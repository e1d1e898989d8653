"""How many callers one core holds: doubling until it fails, then halving the distance."""

from collections.abc import Awaitable, Callable
from typing import Final

from bench.media.measure import Run, p95

MOST: Final = 256
PRECISION: Final = 8
"""The search stops when the step is below an eighth of the number that holds."""

Trial = Callable[[int], Awaitable[Run]]


async def search(trial: Trial, single: Run, first: Run, told: Callable[[str], None], *, most: int = MOST) -> int:
    """The largest number that held; 0: not even one, `most`: that many or more.

    `single` is a run of one caller, the measure of the others' waits; `first` is one of a few. A run for which our own
    side was late is repeated once; late again, its number counts as not held, and is told as ours: the true one may be
    larger.
    """
    limit = p95(single.waits)
    if single.faults(limit):
        return 0
    good, bad = (1, first.callers) if first.faults(limit) else (first.callers, 0)
    while (number := min(next_number(good, bad), most)) > good:
        run = await trial(number)
        if run.void:
            told(f"{number} callers: we were {run.late:.0f} ms late ourselves, once more")
            run = await trial(number)
        faults = run.faults(limit)
        if run.void:
            faults.append(f"void: we were {run.late:.0f} ms late ourselves")
        result = ", ".join(faults) if faults else "holds"
        told(f"{number} callers: {result}; server {run.busy:.0%} busy, we {run.own_busy:.0%}")
        good, bad = (good, number) if faults else (number, bad)
    return good


def next_number(good: int, bad: int) -> int:
    """The next to try, 0 when the answer is known well enough."""
    if not bad:
        return 2 * good
    step = (bad - good) // 2
    return good + step if step >= max(1, good // PRECISION) else 0
