"""Which models stay in memory, and which make room. Pure: no clock of its own, and nothing is unloaded here."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Reason: TypeAlias = Literal["idle", "room", "asked", "replaced", "closing"]
"""Why a model was unloaded: nobody used it, others need its memory, an operator wished it, a newer one, the end."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What models may take; None: as much as there is."""

    ttl: float | None = None
    """Seconds that a model stays after its last use."""
    cap: int | None = None
    """Models of all kinds together."""
    budget: int | None = None
    """Bytes on each device."""


@dataclass(frozen=True, slots=True)
class Resident:
    """A model in memory, as the choice sees it."""

    kind: str
    name: str
    device: str
    memory: int
    """Bytes; 0: not known."""
    used: float
    """When it was last in use, in seconds on the clock of `now`."""
    idle: bool
    """It may be unloaded: nobody uses it or waits for it, and it is not one that always stays."""


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a model. `reason` is why it was unloaded, or the code that loading it failed with."""

    kind: str
    name: str
    what: Literal["loaded", "failed", "unloaded"]
    reason: str = ""
    seconds: float = 0.0
    """What loading it took, or failing to."""
    memory: int = 0


def expired(residents: Sequence[Resident], limits: Limits, now: float) -> list[Resident]:
    """Those that nobody has used for too long."""
    if limits.ttl is None:
        return []
    return [one for one in residents if one.idle and now - one.used >= limits.ttl]


def surplus(residents: Sequence[Resident], limits: Limits) -> list[Resident]:
    """Those that make room, so that the limits hold, as far as what is idle can do it; least recently used first."""
    idle = sorted((one for one in residents if one.idle), key=lambda one: one.used)
    taken: defaultdict[str, int] = defaultdict(int)
    for one in residents:
        taken[one.device] += one.memory
    going = []
    for one in idle:
        if limits.budget is not None and one.memory > 0 and taken[one.device] > limits.budget:
            taken[one.device] -= one.memory
            going.append(one)
    if limits.cap is not None:
        staying = [one for one in idle if one not in going]
        over = len(residents) - len(going) - limits.cap
        going += staying[: max(0, over)]
    return going
