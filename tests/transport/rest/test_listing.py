"""GET /v1/models and /v1/voices."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from tests.fakes_studio import ScriptedStudio
from voicechat.config import Settings
from voicechat.transport import http
from voicechat.transport.rest import listing
from voicechat.transport.silence import SILENCE, Silence


@pytest.fixture
async def url() -> AsyncIterator[str]:
    app = web.Application(middlewares=[http.explain])
    app[SILENCE] = Silence()
    app.add_routes(listing.routes(Settings(), ScriptedStudio()))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_models_are_listed_as_openai_lists_them(url: str) -> None:
    small = {"id": "small", "object": "model", "created": 0, "owned_by": "voicechat"}
    async with aiohttp.ClientSession(url) as client:
        async with client.get("/v1/models") as answer:
            told = await answer.json()
        assert told["object"] == "list"
        assert told["data"][0] == small
        assert [model["id"] for model in told["data"]] == ["small", "large", "ears"]
        async with client.get("/v1/models/small") as answer:
            assert await answer.json() == small


async def test_model_that_is_not_there_is_not_found(url: str) -> None:
    async with aiohttp.ClientSession(url) as client, client.get("/v1/models/huge") as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (404, "model_not_found")


async def test_voices_are_listed_with_their_language_and_model(url: str) -> None:
    async with aiohttp.ClientSession(url) as client, client.get("/v1/voices") as answer:
        told = await answer.json()
    assert told == {
        "object": "list",
        "data": [
            {"id": "one", "object": "voice", "name": "one", "language": "en-GB", "model": "small"},
            {"id": "large", "object": "voice", "name": "large", "language": "", "model": "large"},
        ],
    }
