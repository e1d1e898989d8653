"""What an operator asks of a running server: real requests on loopback, to a house that does as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, web
from prometheus_client import CollectorRegistry

from voicechat.config import Settings
from voicechat.errors import AdapterError, AdapterUnavailable, EngineFailed, ModelBusy, NoRoom
from voicechat.protocols import Peer
from voicechat.transport import http


class House:
    """Has two models, and no place for callers."""

    def __init__(self) -> None:
        self.states = {"piper-amy": "absent", "espeak": "resident"}
        self.begun: list[str] = []
        self.error: AdapterError | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    @contextmanager
    def admit(self) -> Iterator[str]:
        raise NoRoom("all lines are busy")
        yield ""

    async def serve(self, session: str, peer: Peer, caller: str = "") -> None:
        raise AssertionError("nobody is served here")

    async def models(self) -> Sequence[Mapping[str, object]]:
        return [{"name": name, "state": state} for name, state in self.states.items()]

    async def load(self, name: str) -> str:
        return await self._become(name, "loading", "resident")

    async def unload(self, name: str) -> str:
        return await self._become(name, "unloading", "absent")

    async def capabilities(self) -> Mapping[str, object]:
        return {"models": {"espeak": {"languages": ["en"]}}}

    async def _become(self, name: str, first: str, then: str) -> str:
        self.begun.append(f"{name} {first}")
        if name not in self.states:
            raise AdapterUnavailable("model_not_found", f"there is no model {name!r}")
        if self.error is not None:
            raise self.error
        before, self.states[name] = self.states[name], first
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.states[name] = before
            raise
        self.states[name] = then
        return name


Ask = Callable[..., Coroutine[Any, Any, tuple[int, Any]]]


@asynccontextmanager
async def served(house: House, **options: Any) -> AsyncIterator[Ask]:
    """A function that asks the server: method and path to status and JSON."""
    app = http.build(Settings(), house, registry=CollectorRegistry(), **{"operations": house, **options})
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with ClientSession() as client:

            async def ask(method: str, path: str, **headers: str) -> tuple[int, Any]:
                headers = {name: text.replace("ADDRESS", address) for name, text in headers.items()}
                async with client.request(method, address + path, headers=headers) as answer:
                    return answer.status, json.loads(await answer.text())

            yield ask
    finally:
        await runner.cleanup()


async def test_models_and_capabilities_are_told_as_the_house_tells_them() -> None:
    async with served(House()) as ask:
        models = [{"name": "piper-amy", "state": "absent"}, {"name": "espeak", "state": "resident"}]
        assert await ask("GET", "/admin/models") == (200, {"models": models})
        assert await ask("GET", "/admin/capabilities") == (200, {"models": {"espeak": {"languages": ["en"]}}})


async def test_model_is_loaded_and_unloaded() -> None:
    async with served(House()) as ask:
        loaded = await ask("POST", "/admin/models/piper-amy/load")
        assert loaded == (200, {"model": {"name": "piper-amy", "state": "resident"}})
        unloaded = await ask("POST", "/admin/models/piper-amy/unload")
        assert unloaded == (200, {"model": {"name": "piper-amy", "state": "absent"}})


@pytest.mark.parametrize(
    ("what", "first", "then"), [("load", "loading", "resident"), ("unload", "unloading", "absent")]
)
async def test_what_takes_longer_than_the_wait_goes_on(what: str, first: str, then: str) -> None:
    house = House()
    house.gate.clear()
    async with served(house) as ask:
        for wait in ("0", "0.05"):
            answer = await ask("POST", f"/admin/models/piper-amy/{what}?wait={wait}")
            assert answer == (202, {"model": {"name": "piper-amy", "state": first}})
        house.gate.set()
        answer = await ask("POST", f"/admin/models/piper-amy/{what}?wait=5")
        assert answer == (200, {"model": {"name": "piper-amy", "state": then}})
    assert house.begun[0] == f"piper-amy {first}"


async def test_many_who_wait_for_a_load_begin_it_once() -> None:
    house = House()
    house.gate.clear()
    async with served(house) as ask:
        waiting = [asyncio.create_task(ask("POST", "/admin/models/piper-amy/load")) for _ in range(5)]
        await asyncio.sleep(0.1)
        house.gate.set()
        assert {status for status, _ in await asyncio.gather(*waiting)} == {200}
    assert house.begun == ["piper-amy loading"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (AdapterUnavailable("no_such_model", "no"), 404, "model_not_found"),
        (ModelBusy("model_in_use", "no"), 409, "model_in_use"),
        (ModelBusy("model_required", "no"), 409, "model_required"),
        (AdapterUnavailable("library_missing", "no"), 424, "library_missing"),
        (AdapterUnavailable("closing", "no"), 503, "closing"),
        (EngineFailed("bad_model", "no"), 500, "bad_model"),
    ],
)
async def test_failure_has_its_code_and_what_the_engine_said(error: AdapterError, status: int, code: str) -> None:
    house = House()
    house.error = error
    async with served(house) as ask:
        for what in ("load", "unload"):
            found, body = await ask("POST", f"/admin/models/piper-amy/{what}")
            assert (found, body["error"]["code"], body["error"]["message"]) == (status, code, "no")
        house.error = None
        assert (await ask("POST", "/admin/models/piper-amy/load"))[0] == 200


async def test_failure_after_the_wait_is_nobodys_surprise(caplog: pytest.LogCaptureFixture) -> None:
    house = House()

    async def fail(name: str) -> str:
        await house.gate.wait()
        raise EngineFailed("bad_model", "cut short")

    house.load = fail  # type: ignore[method-assign]
    house.gate.clear()
    async with served(house) as ask:
        assert (await ask("POST", "/admin/models/piper-amy/load?wait=0"))[0] == 202
        house.gate.set()
        await asyncio.sleep(0.05)
        assert (await ask("GET", "/admin/models"))[0] == 200
    assert caplog.text == ""


@pytest.mark.parametrize(
    "name", ["piper-bea", "..%2F..%2Fetc%2Fpasswd", "https%3A%2F%2Fhub.example%2Fx", "x" * 300, "%00"]
)
async def test_name_that_is_no_models_is_404(name: str) -> None:
    async with served(House()) as ask:
        for what in ("load", "unload"):
            status, body = await ask("POST", f"/admin/models/{name}/{what}")
            assert (status, body["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("wait", ["-1", "x", "nan", "inf", "301", ""])
async def test_odd_wait_is_refused(wait: str) -> None:
    house = House()
    async with served(house) as ask:
        status, body = await ask("POST", f"/admin/models/piper-amy/load?wait={wait}")
    assert (status, body["error"]["code"], body["error"]["param"]) == (400, "invalid_value", "wait")
    assert house.begun == []


async def test_pages_of_other_sites_change_nothing() -> None:
    house = House()
    async with served(house) as ask:
        for origin in ("https://elsewhere.example", "null", "http://127.0.0.1:1"):
            status, body = await ask("POST", "/admin/models/piper-amy/load", Origin=origin)
            assert (status, body["error"]["code"]) == (403, "foreign_origin")
        assert house.begun == []
        assert (await ask("POST", "/admin/models/piper-amy/load", Origin="ADDRESS"))[0] == 200


async def test_folder_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicechat.transport.rest.admin.LOOK_SECONDS", 0.05)
    house = House()

    async def hang() -> Sequence[Mapping[str, object]]:
        await asyncio.sleep(60)
        return []

    house.models = hang  # type: ignore[method-assign]
    async with served(house) as ask:
        status, body = await ask("GET", "/admin/models")
    assert (status, body["error"]["code"]) == (503, "unavailable")


async def test_shutdown_does_not_wait_for_a_load() -> None:
    house = House()
    house.gate.clear()
    async with served(house) as ask:
        assert (await ask("POST", "/admin/models/piper-amy/load?wait=0"))[0] == 202
    assert house.states["piper-amy"] == "absent"


async def test_server_without_operations_has_no_such_routes() -> None:
    async with served(House(), operations=None) as ask:
        assert (await ask("GET", "/admin/models"))[0] == 404
