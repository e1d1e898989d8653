"""A response that is written as it comes: as bytes, or as server-sent events."""

import asyncio
import json
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any, Final

from aiohttp import web

from voicechat.errors import VoicechatError

EVENTS: Final = "text/event-stream"

WARNING: Final = "Voicechat-Warning"
"""The header that says which wish was met otherwise: voice_unknown or model_unknown."""

STALL_SECONDS: Final = 20.0
"""A client that takes nothing for this long does not read."""


LOOK_SECONDS: Final = 0.5
"""How often it is looked whether a client is still there, as long as nothing is sent to it."""

_NOBODY: Final = 499
"""The status of an answer that nobody reads; nginx's for the same."""


async def answered(request: web.Request, work: Coroutine[Any, Any, web.StreamResponse]) -> web.StreamResponse:
    """What the work answers. It is cancelled as soon as nobody is there any more to answer to: aiohttp would let it go
    on. Raises what the work raises."""
    working = asyncio.create_task(work)
    try:
        while not working.done():
            await asyncio.wait({working}, timeout=LOOK_SECONDS)
            if not working.done() and (request.transport is None or request.transport.is_closing()):
                return web.Response(status=_NOBODY)
        return working.result()
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


class Outflow:
    """A response in chunks. `open` it first; `finish` it, or `fail` where it cannot be finished."""

    def __init__(self, request: web.Request, content_type: str, headers: Mapping[str, str] | None = None) -> None:
        self.response = web.StreamResponse(headers={"Cache-Control": "no-store", **(headers or {})})
        self.response.content_type = content_type
        self._request = request

    async def open(self) -> None:
        await self.response.prepare(self._request)

    async def send(self, data: bytes) -> None:
        """Waits for the client to take it. Raises ConnectionError for one who has gone, or does not read."""
        if not data:
            return
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await self.response.write(data)
        except TimeoutError:
            self.break_off()
            raise ConnectionAbortedError("the client does not read") from None

    async def tell(self, event: Mapping[str, object]) -> None:
        """Sends a server-sent event. Raises as `send`."""
        text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        await self.send(f"data: {text}\n\n".encode())

    async def finish(self) -> None:
        await self.response.write_eof()

    async def fail(self, error: VoicechatError) -> None:
        """Tells events' readers why there are no more, and breaks off."""
        with suppress(ConnectionError):
            if self.response.content_type == EVENTS:
                told = {"type": "server_error", "code": error.code, "message": error.message, "param": None}
                await self.tell({"type": "error", "error": told})
        self.break_off()

    def break_off(self) -> None:
        """The client sees that it did not get all."""
        if self._request.transport is not None:
            self._request.transport.abort()
