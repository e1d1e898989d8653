"""The house's lanes: whoever needs one asks here, and none is left at the end."""

import asyncio
from collections.abc import Callable

from voicechat.protocols import Lane


class Lanes:
    """`make` makes a lane of a name and a deadline in seconds."""

    def __init__(self, make: Callable[[str, float], Lane]) -> None:
        self._make = make
        self._made: list[Lane] = []

    def new(self, name: str, deadline: float) -> Lane:
        lane = self._make(name, deadline)
        self._made.append(lane)
        return lane

    async def close(self) -> None:
        async with asyncio.TaskGroup() as group:
            for lane in self._made:
                group.create_task(lane.close())
