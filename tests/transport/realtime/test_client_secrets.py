"""Keys for a short time: how they are made, what they are good for, and when they end."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, web

from voicechat.config import AccessSettings, Settings
from voicechat.transport import http
from voicechat.transport.access import admission, keys
from voicechat.transport.access.guard import Guard
from voicechat.transport.access.keys import NOBODYS, Keys
from voicechat.transport.access.scopes import Scope, scope
from voicechat.transport.access.tickets import MOST, Ticket, Tickets
from voicechat.transport.realtime import client_secrets
from voicechat.transport.silence import SILENCE, Silence

SECRET = "key-of-one-who-talks"
KEYS = keys.load(None, {keys.VARIABLE: f"kitchen talk {SECRET}; monitor metrics key-of-one-who-counts"})


class Door:
    """Makes tickets, and says of whoever comes by which one they came."""

    def __init__(self, client: ClientSession, at: str) -> None:
        self.client, self.at = client, at

    async def make(
        self, body: Any = None, secret: str | None = SECRET, path: str = client_secrets.PATH
    ) -> tuple[int, dict[str, Any]]:
        content = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        headers = {"Content-Type": "application/json", **bearer(secret)}
        async with self.client.post(self.at + path, data=content, headers=headers) as answer:
            return answer.status, await answer.json()

    async def come(self, secret: str) -> tuple[int, dict[str, Any]]:
        async with self.client.get(f"{self.at}/who", headers=bearer(secret)) as answer:
            return answer.status, await answer.json()


def bearer(secret: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"} if secret else {}


@asynccontextmanager
async def door(known: Keys = KEYS, tickets: Tickets | None = None, **access: Any) -> AsyncIterator[Door]:
    settings, tickets = Settings(access=AccessSettings(**access)), tickets or Tickets()

    @scope(Scope.TALK)
    async def who(request: web.Request) -> web.Response:
        found = admission.of(request)
        name = found.owner and found.owner.name
        return web.json_response({"name": name, "ticket": found.ticket, "update": found.update()})

    app = web.Application(middlewares=[http.explain, Guard(settings, known, tickets).middleware])
    app[SILENCE] = Silence()
    app.add_routes([*client_secrets.routes(settings, tickets), web.get("/who", who)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with ClientSession(timeout=ClientTimeout(total=20)) as client:
            yield Door(client, f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()


async def test_ticket_is_made_and_lets_in_any_number_of_times() -> None:
    async with door(ticket_seconds=300) as at:
        status, made = await at.make()
        assert status == 200 and made["value"].startswith("ek_") and len(made["value"]) > 40
        assert abs(made["expires_at"] - time.time() - 300) < 10
        assert made["session"]["type"] == "realtime" and made["session"]["object"] == "realtime.session"
        for _ in range(3):
            assert await at.come(made["value"]) == (200, {"name": "kitchen", "ticket": True, "update": None})


async def test_sessions_of_a_ticket_begin_with_its_settings() -> None:
    session = {"type": "realtime", "instructions": "Be brief.", "audio": {"output": {"voice": "en-gb"}}}
    for known, secret in ((KEYS, SECRET), (NOBODYS, None)):
        async with door(known) as at:
            status, made = await at.make({"session": session}, secret)
            assert status == 200 and made["session"].items() >= session.items()
            status, told = await at.come(made["value"])
            assert json.loads(told["update"]) == {"type": "session.update", "session": session}


async def test_ticket_ends_when_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    async with door() as at:
        _, made = await at.make({"expires_after": {"anchor": "created_at", "seconds": 10}})
        assert abs(made["expires_at"] - time.time() - 10) < 5
        assert (await at.come(made["value"]))[0] == 200
        loop = asyncio.get_running_loop()
        now = loop.time
        monkeypatch.setattr(loop, "time", lambda: now() + 10.0)
        status, told = await at.come(made["value"])
        assert (status, told["error"]["code"]) == (401, "invalid_api_key")


async def test_only_who_talks_makes_tickets_and_a_ticket_makes_none() -> None:
    async with door() as at:
        _, made = await at.make()
        for secret, status in ((None, 401), ("wrong", 401), ("key-of-one-who-counts", 403), (made["value"], 403)):
            assert (await at.make(secret=secret))[0] == status


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        (b"\xff", None),
        (b"[]", None),
        (b'{"session": {"voice": NaN}}', None),
        ({"session": []}, "session"),
        ({"session": {"instructions": 7}}, "session.instructions"),
        ({"session": {"nonsense": 1}}, "session.nonsense"),
        ({"expires_after": 600}, "expires_after"),
        ({"expires_after": {"anchor": "now"}}, "expires_after.anchor"),
        ({"expires_after": {"seconds": 9}}, "expires_after.seconds"),
        ({"expires_after": {"seconds": 7201}}, "expires_after.seconds"),
        ({"expires_after": {"seconds": True}}, "expires_after.seconds"),
    ],
)
async def test_wish_that_cannot_be_had_is_refused_at_once(body: Any, param: str | None) -> None:
    async with door() as at:
        status, told = await at.make(body)
    assert (status, told["error"]["param"]) == (400, param)


def test_only_so_many_are_good_and_those_that_ended_make_room() -> None:
    tickets = Tickets()
    ended = [tickets.issue(Ticket(None, {}, 5.0), 0.0) for _ in range(10)]
    first = tickets.issue(Ticket(None, {}, 100.0), 0.0)
    texts = [tickets.issue(Ticket(None, {}, 100.0), 6.0) for _ in range(MOST - 1)]
    assert tickets.find(first, 6.0) and not any(tickets.find(text, 6.0) for text in ended)
    assert len(tickets._tickets) == MOST
    tickets.issue(Ticket(None, {}, 100.0), 6.0)
    assert tickets.find(first, 6.0) is None and tickets.find(texts[0], 6.0)
    assert len(tickets._tickets) == MOST


async def test_beta_has_its_own_shape_and_the_same_tickets() -> None:
    async with door() as at:
        body = {"model": "gpt-4o-realtime-preview", "voice": "en-gb", "modalities": ["text"], "instructions": "Brief."}
        status, made = await at.make(body, path=client_secrets.OLD_PATH)
        assert status == 200 and made.items() >= body.items() and made["object"] == "realtime.session"
        secret = made["client_secret"]
        assert abs(secret["expires_at"] - time.time() - 600) < 10
        status, told = await at.come(secret["value"])
        session = json.loads(told["update"])["session"]
        assert session["output_modalities"] == ["text"] and session["audio"] == {"output": {"voice": "en-gb"}}
        status, told = await at.make({"modalities": 7}, path=client_secrets.OLD_PATH)
        assert (status, told["error"]["code"]) == (400, "invalid_value")
        assert (await at.make({}, secret["value"], client_secrets.OLD_PATH))[0] == 403


@pytest.mark.parametrize("text", ["", "ek_", "ek_wrong", "\udcff", "x" * 10_000])
def test_what_is_no_ticket_is_not_found(text: str) -> None:
    tickets = Tickets()
    tickets.issue(Ticket(None, {}, 5.0), 0.0)
    assert tickets.find(text, 0.0) is None
