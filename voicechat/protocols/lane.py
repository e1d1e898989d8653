"""Where blocking engines run."""

from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Lane(Protocol):
    """Where blocking work runs: a device and its thread."""

    name: str

    @property
    def load(self) -> int:
        """How many jobs wait."""
        ...

    def clock(self) -> float:
        """Seconds, for a job on it to tell how long it has worked."""
        ...

    async def run(self, call: Callable[[], T], *, urgent: bool = False, deadline: float | None = None) -> T:
        """The call's result. Urgent calls go before the others.

        Raises what the call raises, or EngineFailed after `deadline` seconds (None: the lane's own deadline).
        Cancelled before it began, the call never runs; cancelled later, its result is dropped.
        """
        ...

    def stream(self, make: Callable[[], Iterator[T]], *, urgent: bool = False) -> AsyncGenerator[T]:
        """Step a blocking iterator on the lane, one item a job, so that callers take turns.

        Closing the generator closes the iterator, on the lane.
        """
        ...

    def post(self, call: Callable[[], object]) -> None:
        """Run the call after the jobs before it; nobody waits for it."""
        ...

    async def close(self) -> None: ...
