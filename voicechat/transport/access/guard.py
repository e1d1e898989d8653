"""Who may come in: looked at before any route is, and before any body is read.

In this order: through a proxy or directly, the Host, the page that asks, its preflight, the key, and what the key may.
No cookie lets anybody in, so that there is nothing to ride on.
"""

import asyncio
import re
from collections.abc import Collection
from typing import Any, Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from voicechat.config import Settings
from voicechat.errors import NotAllowed
from voicechat.transport.access.admission import ADMISSION, Admission
from voicechat.transport.access.attempts import SECONDS, Attempts
from voicechat.transport.access.credentials import secret
from voicechat.transport.access.keys import Keys, Owner
from voicechat.transport.access.origins import Origins
from voicechat.transport.access.proxies import Proxies, Whence, is_loopback
from voicechat.transport.access.scopes import Scope, declared
from voicechat.transport.access.tickets import Ticket, Tickets

EVERYTHING: Final = frozenset({Scope.TALK, Scope.OPERATE, Scope.METRICS})

_PAGE: Final = web.RequestKey("page", str)
"""The origin of another site's page that may ask."""

_METHODS: Final = "GET, POST, PATCH, DELETE"
_MINUTES: Final = "600"
"""Seconds for which a browser remembers that it may ask."""

_HEADERS: Final = re.compile(r"[A-Za-z0-9_, -]{1,2000}")


class Guard:
    """`middleware` lets requests through, or raises NotAllowed; `finish` gives answers what pages and programs need.

    `change` lets other keys be the good ones, and `break_off` ends what is under way on those that are not any more.
    """

    def __init__(self, settings: Settings, keys: Keys, tickets: Tickets) -> None:
        access, server = settings.access, settings.server
        self._keys, self._tickets = keys, tickets
        self._attempts = Attempts(access.attempts)
        self._proxies = Proxies(access.behind_proxy)
        self._origins = Origins([*access.hosts, *_names(server.host)], access.origins)
        self._proxied_only = bool(access.behind_proxy)
        self._under_way: dict[asyncio.Task[Any], Owner] = {}  # requests, and whose keys they came with

    @property
    def middleware(self) -> Middleware:
        @web.middleware
        async def look(request: web.Request, handler: Handler) -> web.StreamResponse:
            whence = self._whence(request)
            local = request.transport and request.transport.get_extra_info("sockname")
            host = self._origins.check_host(request.headers, local[0] if local else None)
            page = self._origins.check_page(request.headers, host, whence.secure)
            if page is not None:
                request[_PAGE] = page
                if request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers:
                    return _preflight(request)
            request[ADMISSION] = admitted = self._admit(request, whence.address)
            task = asyncio.current_task()
            if admitted.owner is None or task is None:
                return await handler(request)
            self._under_way[task] = admitted.owner
            try:
                return await handler(request)
            finally:
                del self._under_way[task]

        return look

    def change(self, keys: Keys) -> frozenset[Owner]:
        """These keys are the good ones from now on. Whose are less so than before; their tickets are no longer good
        either."""
        less = self._keys.less(keys)
        self._keys = keys
        self._tickets.forget(less)
        return less

    def break_off(self, owners: Collection[Owner]) -> None:
        """Ends all requests that came with the keys of these, WebSockets too, and forgets the tickets that they made
        since `change`."""
        for task in [task for task, owner in self._under_way.items() if owner in owners]:
            task.cancel()
        self._tickets.forget(owners)

    async def finish(self, request: web.Request, response: web.StreamResponse) -> None:
        """For `on_response_prepare`."""
        if _PAGE in request:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = request[_PAGE]
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = "Location, Retry-After, Voicechat-Warning"
            response.headers.add(hdrs.VARY, "Origin")
        if response.status == 401:
            response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
        elif response.status == 429:
            response.headers.setdefault(hdrs.RETRY_AFTER, f"{SECONDS:.0f}")

    def _whence(self, request: web.Request) -> Whence:
        """Raises NotAllowed for who comes past the proxy in the clear."""
        whence = self._proxies.whence(request.remote, request.secure, request.headers)
        if self._proxied_only and not (whence.proxied or whence.secure or is_loopback(request.remote)):
            raise NotAllowed("not_by_proxy", "This server is reached through its proxy only.")
        return whence

    def _admit(self, request: web.Request, address: str) -> Admission:
        """Raises NotAllowed."""
        wanted = _wanted(request)
        given = secret(request.headers)
        now = asyncio.get_running_loop().time()
        if not self._keys:
            return _of(self._tickets.find(given, now) if given else None) or Admission(scopes=EVERYTHING)
        blocked = given is not None and self._attempts.too_many(address, now)
        admission = self._find(given, now) if given and not blocked else None
        if given and not blocked and admission is None:
            self._attempts.failed(address, now)
        if wanted is Scope.OPEN:
            return admission or Admission()
        if blocked:
            raise NotAllowed("too_many_attempts", "Too many wrong keys came from your address; wait a minute.")
        if admission is None:
            raise NotAllowed("invalid_api_key", "The key is wrong or has expired." if given else _HOW)
        if wanted not in admission.scopes:
            raise NotAllowed("insufficient_scope", f"This needs a key with the scope {wanted}.")
        return admission

    def _find(self, given: str, now: float) -> Admission | None:
        key = self._keys.find(given)
        return Admission(key.owner, key.scopes) if key is not None else _of(self._tickets.find(given, now))


_HOW: Final = "This needs a key, in the header Authorization: Bearer."


def _of(ticket: Ticket | None) -> Admission | None:
    if ticket is None:
        return None
    return Admission(ticket.owner, frozenset({Scope.TALK}), ticket=True, session=ticket.session)


def _wanted(request: web.Request) -> Scope:
    """What is no route is told so to everybody; a route that asks for nothing asks for the most."""
    if request.match_info.http_exception is not None:
        return Scope.OPEN
    return declared(request.match_info.handler) or Scope.OPERATE


def _preflight(request: web.Request) -> web.Response:
    """What a browser asks before it lets a page ask."""
    headers = {hdrs.ACCESS_CONTROL_ALLOW_METHODS: _METHODS, hdrs.ACCESS_CONTROL_MAX_AGE: _MINUTES}
    asked = request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, "")
    if _HEADERS.fullmatch(asked):
        headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = asked
    return web.Response(status=204, headers=headers)


def _names(host: str) -> list[str]:
    """The host we listen on is a name of ours, unless it stands for all of them."""
    return [] if host in ("", "0.0.0.0", "::") else [host]
