import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from voicechat.transport.silence import SILENCE, Silence


@asynccontextmanager
async def watched(seconds: float) -> AsyncIterator[int]:
    """A server that cuts the silent after `seconds`; its port."""

    async def hello(request: web.Request) -> web.Response:
        request.app[SILENCE].break_by(request)
        return web.Response(text="hello")

    app = web.Application()
    app[SILENCE] = Silence()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    assert runner.server is not None
    cutting = asyncio.create_task(app[SILENCE].cut(runner.server, seconds))
    try:
        yield int(runner.addresses[0][1])
    finally:
        cutting.cancel()
        await runner.cleanup()


async def test_silent_and_dripping_connections_are_cut() -> None:
    async with watched(0.2) as port:
        for head in (b"", b"GET / HTTP/1.1\r\nHost:"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head)
            try:
                answer = await asyncio.wait_for(reader.read(), 10)
            except ConnectionResetError:
                answer = b""
            assert answer == b""
            writer.transport.abort()


async def test_connection_that_has_asked_may_stay() -> None:
    async with watched(0.1) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await asyncio.wait_for(reader.readuntil(b"hello"), 10)).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(0.5)
        writer.close()
        await writer.wait_closed()
