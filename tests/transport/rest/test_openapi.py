"""The routes described for machines: all that are there, none that is not, and who may ask for them."""

import json
from collections.abc import Iterator
from typing import Any, cast

import yaml
from aiohttp import ClientSession, web
from prometheus_client import CollectorRegistry

from voicechat import __version__
from voicechat.config import Settings
from voicechat.protocols import Reception, Studio
from voicechat.transport import http
from voicechat.transport.access.scopes import Scope, declared
from voicechat.transport.rest import openapi
from voicechat.transport.rest.admin import Operations

NOTHING = cast("Any", object())


def built(settings: Settings, *, whole: bool = True) -> web.Application:
    """A server with every door there is, or without the studio's and the operator's."""
    desk, studio = (cast("Operations", NOTHING), cast("Studio", NOTHING)) if whole else (None, None)
    reception = cast("Reception", NOTHING)
    return http.build(settings, reception, registry=CollectorRegistry(), operations=desk, studio=studio)


async def described(app: web.Application) -> dict[str, Any]:
    """As it is served."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with ClientSession() as client:
            async with client.get(f"http://127.0.0.1:{runner.addresses[0][1]}/openapi.json") as answer:
                assert (answer.status, answer.content_type) == (200, "application/json")
                return cast("dict[str, Any]", json.loads(await answer.text()))
    finally:
        await runner.cleanup()


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method, path): operation
        for path, whole in document["paths"].items()
        for method, operation in whole.items()
        if method != "parameters"
    }


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


async def test_every_route_is_described_with_who_may_ask() -> None:
    app = built(Settings())
    found = operations(await described(app))
    there = {
        (route.method.lower(), route.resource.canonical): declared(route.handler)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD" and "/static/" not in route.resource.canonical
    }
    assert set(found) == set(there)
    for name, operation in found.items():
        is_open = there[name] is Scope.OPEN
        assert operation["security"] == ([] if is_open else [{"key": []}]), name
        assert ("401" in operation["responses"]) != is_open, name
        assert is_open or f"scope {there[name]}." in operation["description"], name


async def test_nothing_is_described_that_no_server_has() -> None:
    all_of_them = operations(yaml.safe_load(openapi._FILE.read_text(encoding="utf-8")))
    assert set(all_of_them) == set(operations(await described(built(Settings()))))


async def test_doors_that_are_shut_are_not_described() -> None:
    small = await described(built(Settings.model_validate({"rtvi": {"enabled": False}}), whole=False))
    for shut in ("/start", "/api/offer", "/v1/audio/speech", "/admin/models"):
        assert shut not in small["paths"]
    assert "/v1/realtime/calls" in small["paths"]


async def test_references_lead_somewhere() -> None:
    document = await described(built(Settings()))
    assert document["info"]["version"] == __version__
    for reference in references(document):
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            assert step in place, reference
            place = place[step]
