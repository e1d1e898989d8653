"""The HTTP server's routes, and what becomes of errors."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from voicechat.config import Settings
from voicechat.errors import AdapterUnavailable, NoRoom, PeerError, VoicechatError
from voicechat.protocols import Reception, Studio
from voicechat.transport.access import admission
from voicechat.transport.access.guard import Guard
from voicechat.transport.access.keyfile import Change
from voicechat.transport.access.keys import NOBODYS, Keys, Owner
from voicechat.transport.access.scopes import Scope, scope, undeclared
from voicechat.transport.access.tickets import Tickets
from voicechat.transport.media.metronome import Metronome
from voicechat.transport.realtime import client_secrets, sideband, websocket
from voicechat.transport.realtime.calls import Calls
from voicechat.transport.refusal import refusal
from voicechat.transport.rest import listing, openapi, page, speech, transcriptions
from voicechat.transport.rest.admin import Admin, Operations
from voicechat.transport.rtvi.calls import RtviCalls
from voicechat.transport.silence import SILENCE, Silence

BODY_BYTES: Final = 65_536
"""No request has a reason to be larger; offers have a lower limit of their own."""

LEAVING: Final = 2.0
"""Seconds for callers to leave whose key has been taken away, before all that is under way with it is broken off."""

CHANGE: Final = web.AppKey[Change]("change")
"""Lets other keys be the good ones, and ends what was begun with those that are not any more."""

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_CODES: Final = {
    404: "not_found", 405: "method_not_allowed", 408: "request_timeout", 413: "request_too_large",
    500: "internal_error", 503: "unavailable",
}  # fmt: skip

_STATUSES: Final = {
    "offer_too_large": 413, "offer_too_slow": 408, "bad_content_type": 415, "invalid_api_key": 401,
    "insufficient_scope": 403, "foreign_origin": 403, "not_by_proxy": 403, "unknown_host": 421,
    "too_many_attempts": 429, "request_too_large": 413, "request_timeout": 408,
}  # fmt: skip


def build(
    settings: Settings,
    reception: Reception,
    *,
    registry: CollectorRegistry,
    faults: Callable[[], Sequence[str]] = tuple,
    operations: Operations | None = None,
    studio: Studio | None = None,
    keys: Keys = NOBODYS,
) -> web.Application:
    """The page, the realtime protocol over WebSocket and WebRTC, /healthz, /metrics, with `operations` /admin, and with
    a `studio` the requests that need no session.

    `faults` says what is wrong with the server, for /healthz; it must not block. Without `keys` everybody who reaches
    us may do everything; `app[CHANGE]` changes them. On shutdown all callers are hung up.
    Whoever runs the application should also run `app[SILENCE].cut(runner.server)`.
    """
    tickets = Tickets()
    guard = Guard(settings, keys, tickets)
    app = web.Application(middlewares=[explain, guard.middleware], client_max_size=BODY_BYTES)
    app[SILENCE] = Silence()
    peers: set[websocket.RealtimePeer] = set()
    metronome = Metronome()
    calls = Calls(settings, reception, metronome)
    rtvi = RtviCalls(settings, calls)
    admin = Admin(operations) if operations is not None else None

    @scope(Scope.OPEN)
    async def health(request: web.Request) -> web.Response:
        found = list(faults())
        told: dict[str, object] = {"status": "failing" if found else "ok"}
        if Scope.METRICS in admission.of(request).scopes:
            told["faults"] = found
        return web.json_response(told, status=503 if found else 200)

    @scope(Scope.METRICS)
    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def end_calls(owners: Collection[Owner]) -> None:
        calls.hang_up(owners)
        rtvi.forget(owners)

    async def change(known: Keys) -> None:
        less = guard.change(known)
        for peer in list(peers):
            if peer.owner in less:
                peer.hang_up("key_revoked")
        end_calls(less)
        if less:
            await asyncio.sleep(LEAVING)
            guard.break_off(less)
            end_calls(less)  # those that were still being answered the first time

    async def hang_up(app: web.Application) -> None:
        for peer in list(peers):
            peer.hang_up("shutdown")
        await calls.close()
        if admin is not None:
            await admin.close()

    app.add_routes(page.routes())
    app.add_routes(calls.routes())
    app.add_routes(rtvi.routes())
    app.add_routes(client_secrets.routes(settings, tickets))
    if studio is not None:
        for door in (speech, transcriptions, listing):
            app.add_routes(door.routes(settings, studio))
    talking = websocket.endpoint(settings, reception, metronome, peers)
    app.router.add_get("/v1/realtime", sideband.endpoint(settings, calls, talking))
    app.router.add_get("/healthz", health)
    app.router.add_get("/metrics", metrics)
    if admin is not None:
        app.add_routes(admin.routes())
    forgotten = undeclared(app.router)
    if forgotten:
        raise TypeError(f"these routes do not say what they ask for: {', '.join(forgotten)}")
    app.add_routes(openapi.routes(app.router))
    app.on_response_prepare.append(_finish)
    app.on_response_prepare.append(guard.finish)
    app.on_shutdown.append(hang_up)
    app[CHANGE] = change
    return app


@web.middleware
async def explain(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Our errors and aiohttp's as JSON. Bugs are not caught here: aiohttp logs them and answers 500."""
    request.app[SILENCE].break_by(request)
    try:
        return await handler(request)
    except VoicechatError as error:
        response = refusal(_status(error), error.code, error.message, getattr(error, "param", None))
        if isinstance(error, NoRoom):
            response.headers["Retry-After"] = str(error.retry_after)
        return response
    except web.HTTPException as error:
        if error.status < 400:
            raise
        response = refusal(error.status, _CODES.get(error.status, "invalid_request"), error.text or error.reason)
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response


async def _finish(request: web.Request, response: web.StreamResponse) -> None:
    """What every answer has. The plain page that aiohttp gives for a bug becomes JSON like all other errors."""
    response.headers["X-Content-Type-Options"] = "nosniff"
    if isinstance(response, web.Response) and response.status == 500 and response.content_type != "application/json":
        told = refusal(500, _CODES[500], "Something went wrong on the server; its log has more.")
        response.body = told.body
        response.headers["Content-Type"] = told.headers["Content-Type"]
        response.headers["Content-Length"] = str(told.content_length)
        request.writer.length = told.content_length  # counted before we came


def _status(error: VoicechatError) -> int:
    if isinstance(error, NoRoom | AdapterUnavailable):
        return 503
    if not isinstance(error, PeerError):
        return 500
    if error.code.endswith("_not_found"):
        return 404
    return _STATUSES.get(error.code, 400)
