"""Who comes in: every Host with every Origin, every key at every route; real requests on loopback."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import product
from typing import Any, cast

import pytest
from aiohttp import ClientSession, ClientTimeout, web
from prometheus_client import CollectorRegistry

from voicechat.config import AccessSettings, Settings
from voicechat.errors import NoRoom
from voicechat.protocols import Peer, Studio
from voicechat.transport import http
from voicechat.transport.access import keys
from voicechat.transport.access.keys import NOBODYS, Keys
from voicechat.transport.access.scopes import Scope, declared

SECRETS = {
    "talk": "key-of-one-who-talks",
    "operate": "key-of-one-who-operates",
    "metrics": "key-of-one-who-counts",
}
KEYS = keys.load(None, {keys.VARIABLE: ";".join(f"{name} {name} {secret}" for name, secret in SECRETS.items())})
PAGE = "https://app.example.org"
MINTS = ("/v1/realtime/client_secrets", "/v1/realtime/sessions", "/v1/realtime/transcription_sessions")


class Full:
    """A reception without a place."""

    @contextmanager
    def admit(self) -> Iterator[str]:
        raise NoRoom("all lines are busy")
        yield ""

    async def serve(self, session: str, peer: Peer, caller: str = "") -> None:
        raise AssertionError("nobody is served here")


class Desk:
    """A house without models."""

    async def models(self) -> Sequence[Mapping[str, object]]:
        return []

    async def load(self, name: str) -> str:
        return name

    async def unload(self, name: str) -> str:
        return name

    async def capabilities(self) -> Mapping[str, object]:
        return {}


def built(known: Keys = NOBODYS, studio: Studio | None = None, **access: Any) -> web.Application:
    settings, registry = Settings(access=AccessSettings(**access)), CollectorRegistry()
    return http.build(
        settings, Full(), registry=registry, operations=Desk(), keys=known, studio=studio, faults=lambda: ["x"]
    )


class Server:
    """Asks a server; `at` is its address."""

    def __init__(self, client: ClientSession, at: str) -> None:
        self.client, self.at = client, at

    async def ask(self, method: str, path: str, **headers: str) -> tuple[int, str, Mapping[str, str]]:
        """The status, the error's code if there is one, and the headers."""
        port = self.at.rpartition(":")[2]
        told = {name.replace("_", "-"): text.replace("PORT", port) for name, text in headers.items()}
        async with self.client.request(method, self.at + path, headers=told, allow_redirects=False) as answer:
            code = ""
            if answer.status >= 400 and method != "HEAD" and answer.content_type == "application/json":
                code = (await answer.json()).get("error", {}).get("code", "")
            return answer.status, code, answer.headers


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[Server]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with ClientSession(timeout=ClientTimeout(total=20)) as client:
            yield Server(client, f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


HOSTS = {
    "127.0.0.1:PORT": True, "localhost:PORT": True, "kiosk.local": True, "[::1]:PORT": True, "127.0.0.1:1": True,
    "rebound.evil.example:PORT": False, "192.0.2.1:PORT": False, "localhost.evil.example": False,
}  # fmt: skip
ORIGINS = {
    "": True, "HOST": True, PAGE: True, "null": False, "https://evil.example": False, "http://127.0.0.1:1": False,
    "http://HOST.evil.example": False, "http://xn--ksk-ioa.local": False,
}  # fmt: skip
SITES = {"": True, "none": True, "same-origin": True, "cross-site": False, "same-site": False}
ROUTES = (("GET", "/"), ("GET", "/metrics"), ("POST", "/v1/realtime/calls"), ("POST", "/admin/models/x/load"))


@pytest.mark.parametrize("known", [NOBODYS, KEYS], ids=["without keys", "with keys"])
async def test_every_host_with_every_origin(known: Keys) -> None:
    async with served(built(known, hosts="kiosk.local", origins=PAGE)) as server:
        for host, origin, site, (method, path) in product(HOSTS, ORIGINS, SITES, ROUTES):
            headers = {"Host": host, "Authorization": "Bearer wrong"} if known else {"Host": host}
            if origin:
                headers["Origin"] = f"http://{host}" if origin == "HOST" else origin.replace("HOST", host)
            if site:
                headers |= {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
            own = headers.get("Origin") == f"http://{host}" or ORIGINS[origin]
            status, code, _ = await server.ask(method, path, **headers)
            where = f"{host} {origin} {site} {method} {path}: {status} {code}"
            if not HOSTS[host]:
                assert (status, code) == (421, "unknown_host"), where
            elif not own or (not origin and not SITES[site]):
                assert (status, code) == (403, "foreign_origin"), where
            elif known and path != "/":
                assert status in (401, 429), where
            else:
                assert status not in (401, 403, 421, 429), where


async def test_websocket_of_another_page_is_not_opened() -> None:
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
    async with served(built()) as server:
        for origin in ("https://evil.example", "null", "http://localhost:PORT"):
            status, code, _ = await server.ask("GET", "/v1/realtime", Origin=origin, **upgrade)
            assert (status, code) == (403, "foreign_origin")
        for own in ({}, {"Origin": "http://127.0.0.1:PORT"}):
            assert (await server.ask("GET", "/v1/realtime", **upgrade, **own))[:2] == (503, "server_full")


async def test_host_is_said_once_and_the_body_is_not_read_before() -> None:
    async with served(built()) as server:
        for head in (
            b"Host: localhost\r\nHost: localhost\r\n",
            b"X: y\r\n",
            b"Host: localhost\r\nOrigin: null\r\nContent-Type: application/sdp\r\nContent-Length: 1000\r\n",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(server.at.rpartition(":")[2]))
            writer.write(b"POST /v1/realtime/calls HTTP/1.1\r\n" + head + b"\r\n")
            status = int((await asyncio.wait_for(reader.readline(), 5)).split()[1])
            assert status in ((403,) if b"Origin" in head else (400, 421))
            writer.close()
            await writer.wait_closed()


def routes(app: web.Application) -> Iterator[tuple[str, str, Scope]]:
    """Method, an address and scope of every route."""
    for route in app.router.routes():
        resource = route.resource
        assert resource is not None
        info = resource.get_info()
        path = resource.canonical
        if "pattern" in info:
            path = str(resource.url_for(**dict.fromkeys(info["pattern"].groupindex, "x")))
        wanted = declared(route.handler)
        assert wanted is not None
        yield route.method, path, wanted


async def test_every_key_at_every_route() -> None:
    """A talking, an operating and a counting key, a ticket, and everything that is none of them."""
    nobody = ["", "wrong", SECRETS["talk"][:-1], "x" * 8000, "ek_wrong", "sha256:" + "0" * 64, "clé"]
    app = built(KEYS, attempts=10**9)
    async with served(app) as server:
        _, _, body = await mint(server)
        given = {**SECRETS, "ticket": body["value"]}
        may = {**{name: Scope(name) for name in SECRETS}, "ticket": Scope.TALK}
        for method, path, wanted in routes(app):
            for secret in nobody:
                answer = await server.ask(method, path, **(bearer(secret) if secret else {}))
                where = f"{method} {path} with {secret[:20]!r}: {answer}"
                if wanted is Scope.OPEN:
                    assert answer[0] not in (401, 403, 429), where
                else:
                    assert (answer[0], answer[2].get("WWW-Authenticate")) == (401, "Bearer"), where
                    assert method == "HEAD" or answer[1] == "invalid_api_key", where
            for name, secret in given.items():
                answer = await server.ask(method, path, **bearer(secret))
                where = f"{method} {path} with {name}: {answer}"
                if wanted in (Scope.OPEN, may[name]):
                    assert answer[0] not in (401, 429), where
                    assert answer[0] != 403 or (name == "ticket" and path in MINTS), where
                else:
                    assert answer[0] == 403, where
                    assert method == "HEAD" or answer[1] == "insufficient_scope", where


async def test_studio_is_behind_the_same_door() -> None:
    app = built(KEYS, cast("Studio", object()), attempts=10**9)
    async with served(app) as server:
        for method, path, wanted in routes(app):
            if wanted is not Scope.OPEN:
                assert (await server.ask(method, path))[0] == 401
                assert (await server.ask(method, path, **bearer("wrong")))[0] == 401


async def mint(server: Server, secret: str = SECRETS["talk"]) -> tuple[int, str, dict[str, Any]]:
    url = f"{server.at}/v1/realtime/client_secrets"
    async with server.client.post(url, headers=bearer(secret)) as answer:
        body = await answer.json()
        return answer.status, body.get("error", {}).get("code", ""), body


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer KEY"},
        {"Authorization": "bearer   KEY "},
        {"api-key": "KEY"},
        {"Sec-WebSocket-Protocol": "realtime, openai-insecure-api-key.KEY, openai-agents-sdk.0.20.0"},
    ],
)
async def test_key_comes_in_any_of_the_usual_ways(headers: dict[str, str]) -> None:
    async with served(built(KEYS)) as server:
        for secret, expected in ((SECRETS["metrics"], 200), ("wrong", 401)):
            told = {name: text.replace("KEY", secret) for name, text in headers.items()}
            assert (await server.ask("GET", "/metrics", **told))[0] == expected


@pytest.mark.parametrize("given", ["key", "api-key", "api_key", "token", "access_token"])
async def test_key_in_the_address_or_a_cookie_is_none(given: str) -> None:
    async with served(built(KEYS)) as server:
        secret = SECRETS["metrics"]
        assert (await server.ask("GET", f"/metrics?{given}={secret}", Cookie=f"{given}={secret}"))[0] == 401
        assert (await server.ask("GET", "/metrics", Authorization=f"Basic {secret}"))[0] == 401


async def test_without_keys_everybody_on_this_machine_may_do_everything() -> None:
    async with served(built()) as server:
        for headers in ({}, bearer("any")):
            assert (await server.ask("GET", "/metrics", **headers))[0] == 200
            assert (await server.ask("GET", "/admin/models", **headers))[0] == 200


async def test_faults_are_told_to_those_who_watch() -> None:
    async with served(built(KEYS)) as server:
        told = {}
        for name, headers in {"nobody": {}, **{name: bearer(secret) for name, secret in SECRETS.items()}}.items():
            async with server.client.get(f"{server.at}/healthz", headers=headers) as answer:
                assert answer.status == 503
                told[name] = await answer.json()
    assert told.pop("metrics") == {"status": "failing", "faults": ["x"]}
    assert list(told.values()) == [{"status": "failing"}] * 3


async def test_who_tries_many_keys_waits_and_others_do_not() -> None:
    async with served(built(KEYS, attempts=20, behind_proxy="127.0.0.1")) as server:
        for _ in range(20):
            assert (await server.ask("GET", "/metrics", X_Forwarded_For="198.51.100.7", **bearer("wrong")))[0] == 401
        for secret in ("wrong", SECRETS["metrics"]):
            answer = await server.ask("GET", "/metrics", X_Forwarded_For="198.51.100.7", **bearer(secret))
            assert answer[:2] == (429, "too_many_attempts") and answer[2]["Retry-After"] == "60"
        assert (await server.ask("GET", "/", X_Forwarded_For="198.51.100.7"))[0] == 200
        good = bearer(SECRETS["metrics"])
        assert (await server.ask("GET", "/metrics", X_Forwarded_For="198.51.100.8", **good))[0] == 200


async def test_open_routes_are_no_way_to_try_keys() -> None:
    async with served(built(KEYS, attempts=3)) as server:
        for _ in range(3):
            assert (await server.ask("GET", "/healthz", **bearer("wrong")))[0] == 503
        async with server.client.get(f"{server.at}/healthz", headers=bearer(SECRETS["metrics"])) as answer:
            assert await answer.json() == {"status": "failing"}
        assert (await server.ask("GET", "/metrics", **bearer(SECRETS["metrics"])))[0] == 429


async def test_listed_page_may_ask_from_its_own_origin() -> None:
    async with served(built(KEYS, origins=PAGE)) as server:
        status, _, headers = await server.ask(
            "OPTIONS", "/v1/realtime/calls", Origin=PAGE,
            Access_Control_Request_Method="POST",
            Access_Control_Request_Headers="authorization,content-type,x-openai-agents-sdk",
        )  # fmt: skip
        assert status == 204
        assert headers["Access-Control-Allow-Origin"] == PAGE
        assert headers["Access-Control-Allow-Headers"] == "authorization,content-type,x-openai-agents-sdk"
        assert {"POST", "DELETE", "PATCH"} <= set(headers["Access-Control-Allow-Methods"].split(", "))
        assert headers["Access-Control-Max-Age"] == "600"
        assert "Access-Control-Allow-Credentials" not in headers
        status, _, headers = await server.ask("POST", "/v1/realtime/calls", Origin=PAGE)
        assert (status, headers["Access-Control-Allow-Origin"], headers["Vary"]) == (401, PAGE, "Origin")
        assert "Location" in headers["Access-Control-Expose-Headers"]


async def test_page_that_is_not_listed_learns_nothing() -> None:
    async with served(built(origins=PAGE)) as server:
        for origin in ("https://evil.example", "null", f"{PAGE}.evil.example"):
            told = {"Origin": origin, "Access-Control-Request-Method": "POST"}
            status, _, headers = await server.ask("OPTIONS", "/v1/realtime/calls", **told)
            assert status == 403
            assert not [name for name in headers if name.lower().startswith("access-control")]
        assert (await server.ask("OPTIONS", "/v1/realtime/calls"))[0] == 405


async def test_headers_that_a_page_asks_for_come_back_only_if_they_look_like_headers() -> None:
    async with served(built(origins=PAGE)) as server:
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-a: b"}
        status, _, headers = await server.ask("OPTIONS", "/v1/realtime/calls", Origin=PAGE, **asked)
        assert status == 204 and "Access-Control-Allow-Headers" not in headers


async def test_what_is_no_route_is_told_so_with_or_without_a_key() -> None:
    async with served(built(KEYS)) as server:
        for headers in ({}, bearer("wrong"), bearer(SECRETS["talk"])):
            assert (await server.ask("GET", "/nowhere", **headers))[:2] == (404, "not_found")
            assert (await server.ask("PUT", "/metrics", **headers))[:2] == (405, "method_not_allowed")


async def test_route_that_came_later_and_declares_nothing_asks_for_the_most() -> None:
    async def forgotten(request: web.Request) -> web.Response:
        return web.Response()

    app = built(KEYS)
    app.router.add_get("/forgotten", forgotten)
    async with served(app) as server:
        found = {name: (await server.ask("GET", "/forgotten", **bearer(secret)))[0] for name, secret in SECRETS.items()}
    assert found == {"talk": 403, "operate": 200, "metrics": 403}
