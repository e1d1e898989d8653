"""The door where those who have a key get another, for a short time, for a program that cannot keep a secret.

    POST /v1/realtime/client_secrets   200 {"value": "ek_…", "expires_at": Unix time, "session": {…}}
"""

import asyncio
import json
import secrets
import time
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from voicechat.config import Settings
from voicechat.errors import BadMessage, NotAllowed
from voicechat.transport import admission
from voicechat.transport.fields import Fields, parse
from voicechat.transport.scopes import Scope, scope
from voicechat.transport.tickets import Ticket, Tickets
from voicechat.transport.wire import RealtimeWire

PATH: Final = "/v1/realtime/client_secrets"

_BODY_SECONDS: Final = 5.0


def routes(settings: Settings, tickets: Tickets) -> list[web.AbstractRouteDef]:
    @scope(Scope.TALK)
    async def make(request: web.Request) -> web.Response:
        """Raises BadMessage for settings that no session can have, and NotAllowed."""
        who = admission.of(request)
        if who.ticket:
            raise NotAllowed("insufficient_scope", "A key for a short time makes no others; ask with your own.")
        wishes = Fields(await _object(request))
        seconds = settings.access.ticket_seconds
        if wishes.has("expires_after"):
            after = wishes.inner("expires_after")
            if after.has("anchor"):
                after.one_of("anchor", "created_at")
            if after.has("seconds"):
                seconds = after.integer("seconds", 10, 7200)
        session = dict(wishes.inner("session").values) if wishes.has("session") else {}
        _try(session, settings)
        now = asyncio.get_running_loop().time()
        value = tickets.issue(Ticket(who.name, session, now + seconds), now)
        shown = {"type": "realtime", "object": "realtime.session", "id": f"sess_{secrets.token_hex(12)}", **session}
        body = {"value": value, "expires_at": int(time.time()) + seconds, "session": shown}
        return web.json_response(body, headers={"Cache-Control": "no-store"})

    return [web.post(PATH, make)]


async def _object(request: web.Request) -> Mapping[str, object]:
    """The body, which may be empty, as a JSON object. Raises BadMessage."""
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            body = await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"the body did not come within {_BODY_SECONDS:g} s") from None
    try:
        value = parse(body.decode()) if body.strip() else {}
    except UnicodeDecodeError:
        raise BadMessage("invalid_json", "The body is not UTF-8 text") from None
    if not isinstance(value, dict):
        raise BadMessage("invalid_json", "The body is not a JSON object")
    return value


def _try(session: Mapping[str, object], settings: Settings) -> None:
    """Raises BadMessage for what a session would not take: better now than to a caller who cannot change it."""
    wire = RealtimeWire("", channel="websocket", house=settings)
    wire.decode(json.dumps({"type": "session.update", "session": session}))
