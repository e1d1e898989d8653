"""The Wyoming protocol, as Home Assistant speaks it, on a port of its own: sound understood, questions answered, text
spoken. It knows no keys."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from voicechat.config import Settings
from voicechat.errors import VoicechatError
from voicechat.protocols import Reception, Studio
from voicechat.transport.wyoming.connection import Connection, Rooms
from voicechat.transport.wyoming.events import LINE_BYTES
from voicechat.transport.wyoming.memory import Memory

MOST: Final = 64
"""Programs that may be connected; one more is closed at once."""

_CLOSE: Final = 1.0
"""Seconds for connections to end."""


@asynccontextmanager
async def serving(settings: Settings, reception: Reception, studio: Studio | None) -> AsyncIterator[None]:
    """The port is open until this is left, if there is one. Raises VoicechatError when it cannot be had."""
    wyoming = settings.wyoming
    if wyoming.port is None or studio is None:
        yield
        return
    rooms = Rooms(settings, reception, studio, Memory())
    running: set[asyncio.Task[None]] = set()

    def accept(reader: StreamReader, writer: StreamWriter) -> None:
        if len(running) >= MOST:
            writer.close()
            return
        task = asyncio.create_task(Connection(reader, writer, rooms).run())
        running.add(task)
        task.add_done_callback(running.discard)

    try:
        server = await asyncio.start_server(accept, wyoming.host, wyoming.port, limit=LINE_BYTES)
    except OSError as error:
        message = f"cannot listen on {wyoming.host}:{wyoming.port} for Wyoming: {error.strerror or error}"
        raise VoicechatError("cannot_listen", message) from None
    structlog.get_logger().info("wyoming listens", host=wyoming.host, port=server.sockets[0].getsockname()[1])
    try:
        yield
    finally:
        server.close()
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=_CLOSE)
