"""A server in a process of its own, for those who measure or show one."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

from voicechat.errors import VoicechatError

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 5.0

_OPEN: Final = {
    "VOICECHAT_KEYS": "",
    "VOICECHAT__ACCESS__KEYS": "null",
    "VOICECHAT__SERVER__TLS_CERT": "null",
    "VOICECHAT__SERVER__TLS_KEY": "null",
}


@asynccontextmanager
async def server(
    config: Path | None, changes: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[tuple[str, str]]:
    """Runs one on a free port of this machine; gives its URL and its whole ready line.

    `changes` are settings of its own, as in the environment: "VOICECHAT__TURN__PREEMPT". It has no keys and no TLS.
    Its warnings go to our stderr. Raises VoicechatError when it does not start.
    """
    command = [sys.executable, "-m", "voicechat", "serve", "--host", "127.0.0.1", "--port", "0"]
    command += ["--config", str(config)] if config is not None else []
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "VOICECHAT__LOG__LEVEL": "warning", **_OPEN, **changes},
    )
    try:
        yield await _ready(process)
    finally:
        await stop(process)


async def _ready(process: asyncio.subprocess.Process) -> tuple[str, str]:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            line = (await process.stdout.readline()).decode().strip()
    except TimeoutError:
        raise VoicechatError("no_server", f"the server was not ready within {START_SECONDS:.0f} s") from None
    url = re.search(r"https?://\S+", line)
    if url is None:
        raise VoicechatError("no_server", f"the server did not start: {line}" if line else "the server did not start")
    return url.group(), line


async def stop(process: asyncio.subprocess.Process) -> None:
    """Asks it to end, and ends it when it does not."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
