"""Tools behind addresses, at a real server in this process."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from voicechat.adapters.tool import http
from voicechat.adapters.tool.http import HttpTools
from voicechat.config import FunctionSettings, Settings
from voicechat.conversation import ToolCall
from voicechat.errors import ConfigError, ToolFailed

WEATHER = ToolCall("c1", "weather", '{"city": "Ulm"}')

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def served(answer: Answer, deadline: float = 5.0, **more: Any) -> AsyncIterator[HttpTools]:
    """The tool weather, which is answered so."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/weather"
        box = HttpTools([FunctionSettings(name="weather", url=url, **more)], deadline)
        try:
            yield box
        finally:
            await box.close()
    finally:
        await runner.cleanup()


async def failure(answer: Answer, deadline: float = 5.0, call: ToolCall = WEATHER) -> ToolFailed:
    async with served(answer, deadline) as box:
        with pytest.raises(ToolFailed) as caught:
            await box.call(call)
    return caught.value


async def test_name_and_arguments_are_posted_and_the_body_is_the_result() -> None:
    asked: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.method, request.path, await request.json(), request.headers.get("Authorization")))
        return web.Response(text='{"weather": "rain"}', content_type="application/json")

    async with served(answer) as box:
        assert await box.call(WEATHER) == '{"weather": "rain"}'
    assert asked == [("POST", "/weather", {"name": "weather", "arguments": {"city": "Ulm"}}, None)]


async def test_token_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=request.headers["Authorization"])

    monkeypatch.setenv("WEATHER_TOKEN", "sesame")
    async with served(answer, token_env="WEATHER_TOKEN") as box:
        assert await box.call(WEATHER) == "Bearer sesame"


async def test_a_token_that_is_not_there_is_told_at_the_start() -> None:
    with pytest.raises(ConfigError, match=r"agent.tools.functions: weather.token_env: the environment has no NO_TOKEN"):
        HttpTools([FunctionSettings(name="weather", url="http://127.0.0.1:9/", token_env="NO_TOKEN")], 1.0)


async def test_redirects_are_not_followed() -> None:
    paths: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        paths.append(request.path)
        raise web.HTTPFound("/elsewhere")

    error = await failure(answer)
    assert (error.code, error.message, paths) == ("tool_refused", "it answered 302", ["/weather"])


async def test_a_servers_error_is_told_without_its_words() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=500, text="password=swordfish")

    error = await failure(answer)
    assert (error.code, error.message) == ("tool_refused", "it answered 500")


async def test_too_long_an_answer_is_left() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    assert (await failure(answer)).code == "tool_result"


async def test_a_packed_answer_is_not_unpacked() -> None:
    async def answer(request: web.Request) -> web.Response:
        assert request.headers["Accept-Encoding"] == "identity"
        return web.Response(body=gzip.compress(b"x" * 10_000_000), headers={"Content-Encoding": "gzip"})

    async with served(answer) as box:
        assert len(await box.call(WEATHER)) < 20_000


async def test_an_answer_that_is_no_text_is_made_one() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=b"r\xffin")

    async with served(answer) as box:
        assert await box.call(WEATHER) == "r\ufffdin"


async def test_a_silent_server_is_left_at_the_deadline() -> None:
    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    assert (await failure(answer, deadline=0.2)).code == "tool_timeout"


async def test_nobody_there_is_told_without_the_address() -> None:
    box = HttpTools([FunctionSettings(name="weather", url="http://127.0.0.1:9/weather")], 5.0)
    with pytest.raises(ToolFailed) as caught:
        await box.call(WEATHER)
    await box.close()
    assert (caught.value.code, caught.value.message) == ("tool_unreachable", "it cannot be reached")


async def test_cancelled_call_ends_at_the_server() -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        asked.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            left.set()
            raise
        return web.Response()

    async with served(answer) as box, asyncio.timeout(5):
        task = asyncio.create_task(box.call(WEATHER))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await left.wait()


async def test_arguments_that_are_none_are_not_sent() -> None:
    async def answer(request: web.Request) -> web.Response:
        raise AssertionError("nothing is asked")

    assert (await failure(answer, call=ToolCall("c1", "weather", "Ulm"))).code == "tool_arguments"


async def test_a_name_for_a_clouds_metadata_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def found(*_: object, **__: object) -> list[Any]:
        return [(2, 1, 6, "", ("169.254.169.254", 80))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found)
    box = HttpTools([FunctionSettings(name="weather", url="http://metadata.test/")], 5.0)
    with pytest.raises(ToolFailed) as caught:
        await box.call(WEATHER)
    await box.close()
    assert caught.value.code == "tool_unreachable"
    assert "no name may stand for" in str(caught.value.__cause__)


async def test_only_functions_with_an_address_are_its_own() -> None:
    functions = [{"name": "a", "url": "http://127.0.0.1:9/"}, {"name": "b", "by": "client"}]
    settings = Settings.model_validate({"agent": {"tools": {"functions": functions}}})
    (box,) = await http.load(settings, lanes=lambda name, deadline: pytest.fail("no lane is needed"))
    assert [tool.name for tool in box.tools] == ["a"]
    await box.close()
    assert await http.load(Settings(), lanes=lambda name, deadline: pytest.fail("no lane is needed")) == []
