"""How late the loop is: the first sign that something blocks it, or that there is too much to do."""

import asyncio
from collections.abc import Callable
from typing import Final

PERIOD: Final = 0.1
"""Seconds between two looks."""


async def watch(observe: Callable[[float], None]) -> None:
    """Tells by how many seconds the loop runs its timers late, for ever."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + PERIOD
        await asyncio.sleep(PERIOD)
        observe(max(0.0, loop.time() - due))
