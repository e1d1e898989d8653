"""A response that is written as it comes: as bytes, or as server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from aiohttp import web

from voicechat.errors import AdapterError
from voicechat.protocols import Job, Outcome

EVENTS: Final = "text/event-stream"

WARNING: Final = "Voicechat-Warning"
"""The header that says which wish was met otherwise: voice_unknown or model_unknown."""

STALL_SECONDS: Final = 20.0
"""A client that takes nothing for this long does not read."""


LOOK_SECONDS: Final = 0.5
"""How often it is looked whether a client is still there, as long as nothing is sent to it."""

_NOBODY: Final = 499
"""The status of an answer that nobody reads; nginx's for the same."""


async def answered(
    request: web.Request, job: Job, work: Coroutine[Any, Any, web.StreamResponse]
) -> web.StreamResponse:
    """What the work at a job answers. It is cancelled as soon as nobody is there any more to answer to: aiohttp would
    let it go on. Raises what the work raises."""
    working = asyncio.create_task(work)
    try:
        while not working.done():
            await asyncio.wait({working}, timeout=LOOK_SECONDS)
            if not working.done() and (request.transport is None or request.transport.is_closing()):
                job.outcome = Outcome.LEFT
                return web.Response(status=_NOBODY)
        return working.result()
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


class Outflow:
    """A job's response in chunks, sent while `flowing`."""

    def __init__(
        self, request: web.Request, job: Job, content_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self._job = job
        self.response = web.StreamResponse(headers={"Cache-Control": "no-store", **(headers or {})})
        self.response.content_type = content_type
        self._request = request

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """The response begins, and ends with this. A client who goes and an engine that fails end it early, and the job
        with it."""
        try:
            await self.response.prepare(self._request)
            yield
            await self.response.write_eof()
        except ConnectionError:
            self._job.outcome = Outcome.LEFT
        except AdapterError as error:
            self._job.outcome = Outcome.FAILED
            await self._fail(error)

    async def send(self, data: bytes) -> None:
        """Waits for the client to take it. Raises ConnectionError for one who has gone, or does not read."""
        if not data:
            return
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await self.response.write(data)
        except TimeoutError:
            self._break_off()
            raise ConnectionAbortedError("the client does not read") from None

    async def tell(self, event: Mapping[str, object]) -> None:
        """Sends a server-sent event. Raises as `send`."""
        text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        await self.send(f"data: {text}\n\n".encode())

    async def _fail(self, error: AdapterError) -> None:
        """Tells events' readers why there are no more, and breaks off."""
        with suppress(ConnectionError):
            if self.response.content_type == EVENTS:
                told = {"type": "server_error", "code": error.code, "message": error.message, "param": None}
                await self.tell({"type": "error", "error": told})
        self._break_off()

    def _break_off(self) -> None:
        """The client sees that it did not get all."""
        if self._request.transport is not None:
            self._request.transport.abort()
