"""Every route says what it asks for; the routes are those of the router, never a list of our own."""

from typing import Any, cast

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from voicechat.config import Settings
from voicechat.protocols import Reception, Studio
from voicechat.transport import http
from voicechat.transport.access.scopes import Scope, declared, scope, undeclared
from voicechat.transport.rest import page
from voicechat.transport.rest.admin import Operations

NOTHING = cast("Any", object())


def whole() -> web.Application:
    """With every door there is."""
    reception, studio, desk = cast("Reception", NOTHING), cast("Studio", NOTHING), cast("Operations", NOTHING)
    return http.build(Settings(), reception, registry=CollectorRegistry(), operations=desk, studio=studio)


def test_every_route_declares_its_scope() -> None:
    app = whole()
    assert len(app.router.routes()) > 25
    assert undeclared(app.router) == []


def test_route_asks_for_what_its_address_says() -> None:
    begins = {
        "/v1/": Scope.TALK, "/start": Scope.TALK, "/sessions/": Scope.TALK, "/api/offer": Scope.TALK,
        "/admin/": Scope.OPERATE, "/metrics": Scope.METRICS, "/static/": Scope.OPEN, "/healthz": Scope.OPEN,
        "/openapi.json": Scope.OPEN,
    }  # fmt: skip
    for route in whole().router.routes():
        assert route.resource is not None
        path = route.resource.canonical
        wanted = Scope.OPEN if path == "/" else next((each for start, each in begins.items() if path.startswith(start)))
        assert (path, declared(route.handler)) == (path, wanted)


async def test_server_with_a_route_that_declares_nothing_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    async def forgotten(request: web.Request) -> web.Response:
        return web.Response()

    monkeypatch.setattr(page, "routes", lambda: [web.get("/forgotten", forgotten)])
    with pytest.raises(TypeError, match="/forgotten"):
        whole()


def test_methods_and_functions_can_declare() -> None:
    class Door:
        @scope(Scope.METRICS)
        def open(self) -> None: ...

    assert declared(Door().open) is Scope.METRICS
    assert declared(Door) is None
