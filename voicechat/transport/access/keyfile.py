"""The file of keys while the server runs: what is changed in it counts a moment later, without a restart."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import structlog

from voicechat.errors import ConfigError
from voicechat.transport.access.keys import Keys, load

PERIOD: Final = 1.0
"""Seconds between two looks. A change is read once it is two looks old, so that no file is read half written."""

Change = Callable[[Keys], Awaitable[None]]
"""Lets these keys be the ones that are good."""


async def watch(path: Path, environ: Mapping[str, str], known: Keys, change: Change) -> None:
    """Reads the file whenever it has changed, for ever; what cannot be used leaves the keys as they are, and is logged.

    It is read once at the beginning, too: it may have changed since `known` was read.
    """
    read: object = None
    seen: object = None
    while True:
        now = await asyncio.to_thread(_state, path)
        if now == seen != read:
            read = now
            known = await _read_again(path, environ, known, change)
        seen = now
        await asyncio.sleep(PERIOD)


def _state(path: Path) -> tuple[int, ...]:
    """Other than it was, where the file is another, or its content or mode is. Blocking."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


async def _read_again(path: Path, environ: Mapping[str, str], known: Keys, change: Change) -> Keys:
    """Those that are good now."""
    log = structlog.get_logger()
    try:
        keys = await asyncio.to_thread(load, path, environ)
    except ConfigError as error:
        log.warning("keys stay as they were", error="; ".join(str(error).splitlines()))
        return known
    if keys != known:
        log.info("keys read", count=len(keys), revoked=sorted(owner.name for owner in known.less(keys)))
        await change(keys)
    return keys
