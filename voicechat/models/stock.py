"""Models as things: how one is made, one that is loaded, one that is lent, and one as operators see it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from voicechat.models.residency import Resident
from voicechat.protocols import Lane


class Engine(Protocol):
    """What every engine has in common. `close` is called on the engine's lane."""

    name: str

    def close(self) -> None: ...


E = TypeVar("E", bound=Engine)


class State(StrEnum):
    ABSENT = "absent"
    LOADING = "loading"
    RESIDENT = "resident"
    UNLOADING = "unloading"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Recipe(Generic[E]):
    """A model before it is loaded: which engine it is of, and how it is made."""

    engine: str
    """Its adapter's name."""
    make: Callable[[str], E]
    """Makes it on a device (cpu or cuda:N). Blocking. Raises VoicechatError."""
    device: str = "auto"
    """Where it is wanted: auto, cpu, cuda or cuda:N."""
    cpu: bool = True
    """It can run on a processor at all."""
    memory: int = 0
    """Bytes that it will take; 0: not known before it is loaded."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class Model(Generic[E]):
    """A loaded engine, the lanes it may run on, and how many use it."""

    name: str
    engine: E
    device: str
    lanes: tuple[Lane, ...]
    memory: int = 0
    """Bytes, measured when it was loaded."""
    seconds: float = 0.0
    """What loading it took."""
    users: int = 0
    used: float = 0.0
    """When it was last given back, on the loop's clock."""

    def lane(self) -> Lane:
        """The lane with the least to do."""
        return min(self.lanes, key=lambda lane: lane.load)

    def resident(self, kind: str, *, idle: bool) -> Resident:
        """As the evictor sees it."""
        return Resident(kind, self.name, self.device, self.memory, self.used, idle)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model as operators see it; what is not known while it is absent is empty or 0."""

    name: str
    kind: str
    engine: str
    state: State
    device: str
    memory: int
    users: int
    idle: float
    """Seconds since it was last in use; 0 while it is."""
    loads: int
    """How often it was loaded."""
    seconds: float
    """What its last load took."""
    error: str
    """Why its last load failed; empty: it did not."""


class Lease(Generic[E]):
    """A model that is in use until this is closed; closing it again does nothing."""

    __slots__ = ("_give_back", "model")

    def __init__(self, model: Model[E], give_back: Callable[[Model[E]], None]) -> None:
        self.model = model
        self._give_back: Callable[[Model[E]], None] | None = give_back
        model.users += 1

    def close(self) -> None:
        if self._give_back is not None:
            give_back, self._give_back = self._give_back, None
            give_back(self.model)
