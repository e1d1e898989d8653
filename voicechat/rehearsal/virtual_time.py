"""An event loop whose clock jumps to the next timer: hours of dialogue in moments, and always the same."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

LIMIT_SECONDS: Final = 24 * 3600.0
"""Virtual seconds after which a run that waits for nothing is given up."""


class _Selector(selectors.DefaultSelector):
    """Instead of waiting, it moves the clock."""

    clock = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("nothing is left to wait for: a deadlock")
        self.clock += max(0.0, timeout)
        if self.clock > LIMIT_SECONDS:
            raise RuntimeError("the virtual day is over")
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Threads and sockets do not move its clock: what runs on it must wait by timers alone."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.clock


def run(main: Coroutine[Any, Any, T]) -> T:
    """Runs the coroutine on virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
