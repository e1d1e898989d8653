"""The door where those who have a key get another, for a short time, for a program that cannot keep a secret.

    POST /v1/realtime/client_secrets   200 {"value": "ek_…", "expires_at": Unix time, "session": {…}}
    POST /v1/realtime/sessions         200 {"client_secret": {"value": "ek_…", "expires_at": …}, …}, as the beta had it
    POST /v1/realtime/transcription_sessions   the same, of a session that only transcribes
"""

import asyncio
import json
import secrets
import time
from collections.abc import Mapping
from typing import Final, cast

from aiohttp import web

from voicechat.config import Settings
from voicechat.errors import BadMessage, NotAllowed
from voicechat.transport.access import admission
from voicechat.transport.access.scopes import Scope, scope
from voicechat.transport.access.tickets import Ticket, Tickets
from voicechat.transport.fields import Fields, parse
from voicechat.transport.realtime import beta, session_object, transcription_session
from voicechat.transport.realtime.wire import RealtimeWire

PATH: Final = "/v1/realtime/client_secrets"
OLD_PATH: Final = "/v1/realtime/sessions"
OLD_TRANSCRIPTION_PATH: Final = "/v1/realtime/transcription_sessions"

_BODY_SECONDS: Final = 5.0


def routes(settings: Settings, tickets: Tickets) -> list[web.AbstractRouteDef]:
    async def issue(request: web.Request, session: Mapping[str, object], seconds: int) -> tuple[str, int]:
        """A ticket, and when it ends. Raises BadMessage for settings that no session can have."""
        _try(session, settings)
        now = asyncio.get_running_loop().time()
        value = tickets.issue(Ticket(admission.of(request).owner, session, now + seconds), now)
        return value, int(time.time()) + seconds

    @scope(Scope.TALK)
    async def make(request: web.Request) -> web.Response:
        """Raises BadMessage and NotAllowed."""
        _check(request)
        wishes = Fields(await _object(request))
        session = dict(wishes.inner("session").values) if wishes.has("session") else {}
        value, end = await issue(request, session, _seconds(wishes, settings.access.ticket_seconds))
        transcribes = session.get("type") == transcription_session.INTENT
        kind = transcription_session.OBJECT if transcribes else session_object.OBJECT
        shown = {"type": "realtime", **session, "object": kind, "id": _id()}
        return _answer({"value": value, "expires_at": end, "session": shown})

    @scope(Scope.TALK)
    async def make_old(request: web.Request) -> web.Response:
        """The same in the beta's shape, where the body is the session. Raises BadMessage and NotAllowed."""
        _check(request)
        flat = await _object(request)
        transcribes = request.path == OLD_TRANSCRIPTION_PATH
        update = "transcription_session.update" if transcribes else "session.update"
        session = beta.understood({"type": update, "session": flat})["session"]
        value, end = await issue(request, cast("Mapping[str, object]", session), settings.access.ticket_seconds)
        secret = {"value": value, "expires_at": end}
        kind = transcription_session.OBJECT if transcribes else session_object.OBJECT
        return _answer({**flat, "object": kind, "id": _id(), "client_secret": secret})

    return [web.post(PATH, make), web.post(OLD_PATH, make_old), web.post(OLD_TRANSCRIPTION_PATH, make_old)]


def _check(request: web.Request) -> None:
    """Raises NotAllowed."""
    if admission.of(request).ticket:
        raise NotAllowed("insufficient_scope", "A key for a short time makes no others; ask with your own.")


def _seconds(wishes: Fields, usual: int) -> int:
    """How long the ticket shall be good. Raises BadMessage."""
    if not wishes.has("expires_after"):
        return usual
    after = wishes.inner("expires_after")
    if after.has("anchor"):
        after.one_of("anchor", "created_at")
    return after.integer("seconds", 10, 7200) if after.has("seconds") else usual


def _id() -> str:
    return f"sess_{secrets.token_hex(12)}"


def _answer(body: Mapping[str, object]) -> web.Response:
    return web.json_response(body, headers={"Cache-Control": "no-store"})


async def _object(request: web.Request) -> dict[str, object]:
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
