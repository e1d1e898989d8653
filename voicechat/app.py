"""The server from start to stop: a house is opened, its doors are, and both are closed in time."""

import asyncio
import gc
import importlib
import os
import signal
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, Final

from voicechat import bind, logs
from voicechat.config import Settings, variables
from voicechat.errors import VoicechatError
from voicechat.house import House
from voicechat.transport.access import keyfile, keys, tls

SWITCH_SECONDS: Final = 0.001
"""How long a thread may keep the interpreter while the loop wants it; Python's own 5 ms is a quarter of a packet."""

HANDSHAKE_SECONDS: Final = 10.0
"""For TLS to be agreed on, after which a silent connection is cut; as long as one may be silent without it."""

CLOSE_SECONDS: Final = 0.8
"""For requests that are under way when the server ends; engines have as long after it, and the whole two seconds."""


async def run(settings: Settings, *, ready: Callable[[str], None], stop: asyncio.Event) -> None:
    """Serves until `stop` is set; calls `ready` with one line that names the URL. Raises VoicechatError."""
    from aiohttp import web

    known = keys.load(settings.access.keys, variables())
    bind.check(settings, known)
    secure = tls.context(settings)
    house = House(settings)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(house.close)
        if not await _before(stop, _unwrapped(_load(house))):
            return
        from voicechat.transport import http, wyoming
        from voicechat.transport.silence import SILENCE

        registry, desk = house.metrics.registry, house.engines.desk
        site = http.build(settings, house, registry=registry, operations=desk, studio=house.studio, keys=known)
        runner = web.AppRunner(site, access_log=None, shutdown_timeout=CLOSE_SECONDS)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        assert runner.server is not None
        door = await _listen(runner.server, settings.server.host, settings.server.port, secure)
        stack.callback(door.close)
        port = door.sockets[0].getsockname()[1]
        await stack.enter_async_context(wyoming.serving(settings, house, house.studio))
        watches = [*house.watches(), site[SILENCE].cut(runner.server)]
        if settings.access.keys is not None:
            watches.append(keyfile.watch(settings.access.keys, variables(), known, site[http.CHANGE]))
        for watch in watches:
            stack.callback(asyncio.create_task(watch).cancel)
        gc.collect()
        gc.freeze()
        ready(f"voicechat ready at {_url(settings.server.host, port, secure)} ({house.describe()})")
        await stop.wait()
        house.end_sessions()


async def _load(house: House) -> None:
    importing = asyncio.create_task(asyncio.to_thread(importlib.import_module, "voicechat.transport.http"))
    await house.open()
    await importing  # half a second, while the engines load on their lanes


async def _before(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Whether the work was done before `stop` was set; if not, it is cancelled. Raises what the work raises."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return working.done() and working.result() is None
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


async def _unwrapped(opening: Awaitable[None]) -> None:
    """Waits; of several engines that failed to load, the first tells."""
    try:
        await opening
    except* VoicechatError as group:
        error = group.exceptions[0]
        raise error from None


async def _listen(
    connect: Callable[[], asyncio.Protocol], host: str, port: int, secure: ssl.SSLContext | None
) -> asyncio.Server:
    """Binds. Raises VoicechatError when the address cannot be had."""
    patience = HANDSHAKE_SECONDS if secure is not None else None
    loop = asyncio.get_running_loop()
    try:
        return await loop.create_server(connect, host, port, ssl=secure, ssl_handshake_timeout=patience, backlog=128)
    except OSError as error:
        unknown = isinstance(error, socket.gaierror)  # its numbers are not the system's
        reason = os.strerror(error.errno) if error.errno and not unknown else error.strerror or str(error)
        raise VoicechatError("cannot_listen", f"cannot listen on {host}:{port}: {reason}") from None


def _url(host: str, port: int, secure: ssl.SSLContext | None) -> str:
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{'http' if secure is None else 'https'}://{name}:{port}"


def announce(line: str) -> None:
    """The ready line, on standard output at once: programs wait for it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def serve(settings: Settings, *, ready: Callable[[str], None] = announce) -> None:
    """Serves until SIGINT or SIGTERM. Blocking. Raises VoicechatError when it cannot begin."""
    logs.configure(settings.log)
    sys.setswitchinterval(SWITCH_SECONDS)

    async def until_signalled() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await run(settings, ready=ready, stop=stop)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(until_signalled())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where it is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
