"""The HTTP server: its one shape of error, the page's files, health and metrics; real requests on loopback."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from prometheus_client import CollectorRegistry, Counter

from voicechat.config import Settings
from voicechat.errors import AgentError, BadMessage, BadOffer, NoRoom, PeerError, VoicechatError
from voicechat.protocols import Peer
from voicechat.transport import http
from voicechat.transport.rest import page


class Full:
    """A reception without a place."""

    @contextmanager
    def admit(self) -> Iterator[str]:
        raise NoRoom("all lines are busy")
        yield ""

    async def serve(self, session: str, peer: Peer, caller: str = "") -> None:
        raise AssertionError("nobody is served here")


Get = Callable[..., Awaitable[tuple[int, Any, str]]]


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[tuple[str, Get]]:
    """The server's address, and a function that asks it: path to status, headers and text."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with ClientSession() as client:

            async def ask(path: str, method: str = "GET", **options: Any) -> tuple[int, Any, str]:
                async with client.request(method, address + path, **options) as answer:
                    return answer.status, answer.headers, await answer.text()

            yield address, ask
    finally:
        await runner.cleanup()


def house(**options: Any) -> web.Application:
    return http.build(Settings(), Full(), **{"registry": CollectorRegistry(), **options})


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (BadMessage("invalid_value", "no", param="a.b"), 400, "invalid_value"),
        (BadOffer("bad_offer", "no"), 400, "bad_offer"),
        (BadOffer("offer_too_large", "no"), 413, "offer_too_large"),
        (BadOffer("offer_too_slow", "no"), 408, "offer_too_slow"),
        (BadOffer("bad_content_type", "no"), 415, "bad_content_type"),
        (PeerError("call_id_not_found", "no"), 404, "call_id_not_found"),
        (NoRoom("no", retry_after=9), 503, "server_full"),
        (AgentError("agent_timeout", "no"), 500, "agent_timeout"),
    ],
)
async def test_our_errors_have_one_shape(error: VoicechatError, status: int, code: str) -> None:
    async def fail(request: web.Request) -> web.Response:
        raise error

    app = house()
    app.router.add_get("/fail", fail)
    async with serving(app) as (_, ask):
        found, headers, text = await ask("/fail")
    kind = "server_error" if status >= 500 else "invalid_request_error"
    param = "a.b" if code == "invalid_value" else None
    assert found == status
    assert json.loads(text) == {"error": {"message": "no", "type": kind, "code": code, "param": param}}
    assert headers.get("Retry-After") == ("9" if status == 503 else None)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("PUT", "/healthz", 405, "method_not_allowed"),
        ("DELETE", "/v1/realtime/calls/call_none", 404, "call_id_not_found"),
    ],
)
async def test_wrong_requests_have_the_same_shape(method: str, path: str, status: int, code: str) -> None:
    async with serving(house()) as (_, ask):
        found, headers, text = await ask(path, method)
    assert (found, json.loads(text)["error"]["code"]) == (status, code)
    assert ("Allow" in headers) == (status == 405)


async def test_bug_is_logged_and_told_without_its_details(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(request: web.Request) -> web.Response:
        raise ZeroDivisionError("a secret")

    app = house()
    app.router.add_get("/fail", fail)
    async with serving(app) as (_, ask):
        for accept in ("*/*", "text/html"):
            status, headers, text = await ask("/fail", headers={"Accept": accept})
            assert (status, headers["Content-Type"]) == (500, "application/json")
            assert json.loads(text)["error"]["code"] == "internal_error"
            assert "secret" not in text
        status, _, text = await ask("/healthz")
    assert status == 200
    assert "a secret" in caplog.text


async def test_large_bodies_are_refused() -> None:
    async def read(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    app = house()
    app.router.add_post("/read", read)
    async with serving(app) as (_, ask):
        assert (await ask("/read", "POST", data=b"x" * 60_000))[2] == "60000"
        status, _, text = await ask("/read", "POST", data=b"x" * 70_000)
    assert (status, json.loads(text)["error"]["code"]) == (413, "request_too_large")


async def test_page_and_its_files_have_types_and_guards() -> None:
    async with serving(house()) as (_, ask):
        status, headers, text = await ask("/")
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert text.startswith("<!doctype html>")
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-cache"
        assert (await ask("/static/app.js"))[1]["Content-Type"] == "text/javascript; charset=utf-8"
        assert (await ask("/static/style.css"))[1]["Content-Type"] == "text/css; charset=utf-8"


async def test_page_needs_no_inline_code() -> None:
    text = (page.STATIC / "index.html").read_text(encoding="utf-8")
    assert "<script>" not in text and "<style" not in text and " style=" not in text and " onclick=" not in text


async def test_only_the_files_of_the_page_are_served(tmp_path: Path) -> None:
    folder = tmp_path / "static"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "index.html").write_text("<!doctype html>")
    (folder / "notes.py").write_text("secret")
    (folder / "sub").mkdir()
    (folder / "sub" / "one.js").write_text("1")
    app = web.Application()
    app.add_routes(page.routes(folder))
    async with serving(app) as (address, ask):
        assert (await ask("/static/sub/one.js"))[2] == "1"
        for path in ("/static/notes.py", "/static/", "/static/sub", "/static/%2e%2e/secret.txt", "/static/sub//one.js"):
            assert (await ask(path))[0] == 404
        reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rsplit(":", 1)[1]))
        writer.write(b"GET /static/../secret.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 404") and b"secret" not in answer


async def test_health_tells_the_faults() -> None:
    faults: list[str] = []
    async with serving(house(faults=lambda: faults)) as (_, ask):
        status, _, text = await ask("/healthz")
        assert (status, json.loads(text)) == (200, {"status": "ok", "faults": []})
        faults.append("tts: no sound for 30 s")
        status, _, text = await ask("/healthz")
        assert (status, json.loads(text)["status"]) == (503, "failing")


async def test_metrics_are_prometheus_text() -> None:
    registry = CollectorRegistry()
    Counter("calls", "Calls so far", registry=registry).inc(3)
    async with serving(house(registry=registry)) as (_, ask):
        status, headers, text = await ask("/metrics")
    assert (status, headers["Content-Type"].split(";")[0]) == (200, "text/plain")
    assert "calls_total 3.0" in text
