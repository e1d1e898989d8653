"""WebRTC calls by programs that speak RTVI: Pipecat's clients with their small WebRTC transport.

    POST   /start                     {"body": {"session": {…}}}               -> {"sessionId": …}
    POST   /sessions/{id}/api/offer   {"sdp", "type", "pc_id", "restart_pc"}   -> {"sdp", "type", "pc_id"}
    PATCH  /sessions/{id}/api/offer   {"pc_id", "candidates": […]}             -> {"status": "success"}

The last two are at /api/offer as well, for programs that do not start anything before. `session` is the settings that
the call begins with, as the realtime protocol writes them; an offer may have them too, in its `requestData`.
"""

import asyncio
import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from voicechat.commands import Command, UpdateSettings
from voicechat.config import Settings
from voicechat.errors import BadMessage, BadOffer, PeerError
from voicechat.transport import body, identity
from voicechat.transport.access import admission
from voicechat.transport.access.keys import Owner
from voicechat.transport.access.scopes import Scope, scope
from voicechat.transport.fields import Fields, parse
from voicechat.transport.realtime.calls import Call, Calls, Language
from voicechat.transport.realtime.messages import Messages
from voicechat.transport.rtvi.wire import CHANNEL, RtviWire
from voicechat.transport.webrtc.sdp import candidates, credentials, read_candidate

_BODY_BYTES: Final = 65_536

_STARTED: Final = 512
"""Sessions that were asked for and may call; of more, the one that was asked for or called least recently goes."""

_LEAVING: Final = 1.5
"""Seconds for a call to end when its caller comes back by another way."""

RETURN: Final = 60.0
"""Seconds after the end of a call in which its caller may come back and go on. Pipecat's client waits for five before
it tries, and tries three times."""


@dataclass(frozen=True, slots=True)
class _Begun:
    """The language of a call that is there or was a moment ago, and who has the key that it was made with."""

    wire: RtviWire
    owner: Owner | None


class RtviCalls:
    """The door, unless it is closed. `Calls` has the calls; here are the wishes of those who have started, and what was
    said, for those who come back."""

    def __init__(self, settings: Settings, calls: Calls) -> None:
        self._settings, self._calls = settings, calls
        self._started: dict[str, str | None] = {}
        self._begun: dict[str, _Begun] = {}  # by the names of their calls

    def routes(self) -> list[web.AbstractRouteDef]:
        if not self._settings.rtvi.enabled:
            return []
        found: list[web.AbstractRouteDef] = [web.post("/start", self._start)]
        for path in ("/api/offer", "/sessions/{session}/api/offer"):
            found += [web.post(path, self._offer), web.patch(path, self._add)]
        return found

    def forget(self, owners: Collection[Owner]) -> None:
        """What was said in calls that were made with the keys of these."""
        self._begun = {name: begun for name, begun in self._begun.items() if begun.owner not in owners}

    @scope(Scope.TALK)
    async def _start(self, request: web.Request) -> web.Response:
        """Raises BadMessage for wishes that no session can meet."""
        update = _wishes(await _object(request), "body")
        _commands(self._settings, update)
        name = secrets.token_urlsafe(16)
        self._started[name] = update
        if len(self._started) > _STARTED:
            del self._started[next(iter(self._started))]
        return web.json_response({"sessionId": name})

    @scope(Scope.TALK)
    async def _offer(self, request: web.Request) -> web.Response:
        """A caller who has lost the connection comes back with `restart_pc`, and the conversation goes on. With another
        key than it was begun with it is not known, and a new one begins.

        Raises BadOffer, BadMessage, NoRoom, and PeerError for a session or a call that is not known.
        """
        offer = await _object(request)
        offer.one_of("type", "offer")
        sdp = offer.text("sdp")
        known = offer.name_of("pc_id") if offer.has("pc_id") else None
        restarts = offer.has("restart_pc") and offer.flag("restart_pc")
        updates = [self._wishes_of(request), _wishes(offer, "requestData")]
        if known is not None and not restarts:
            return await self._answer_again(known, sdp)
        admitted = admission.of(request)
        before = await self._leave(known, admitted.owner) if known is not None else None
        wire = RtviWire(_now, ready=restarts, new=restarts and before is None)
        wishes = [*self._tools(), *_commands(self._settings, admitted.update(), *updates)]
        wishes += before.past.begin() if before is not None else []
        call = await self._calls.begin(
            sdp.encode(errors="replace"),
            Language(lambda _: wire, CHANNEL),
            caller=identity.caller(request),
            owner=admitted.owner,
            first=lambda _: wishes,
        )
        self._remember(call, wire)
        return _answer(call.peer.answer_sdp, call.name)

    @scope(Scope.TALK)
    async def _add(self, request: web.Request) -> web.Response:
        """Raises BadOffer, BadMessage and PeerError."""
        self._wishes_of(request)
        message = await _object(request)
        peer = self._calls.find(message.name_of("pc_id")).peer
        found = [
            read_candidate(
                each.text("candidate"),
                each.text("sdp_mid") if each.has("sdp_mid") else None,
                each.integer("sdp_mline_index", 0, 15) if each.has("sdp_mline_index") else 0,
            )
            for each in message.inners("candidates")
            if each.has("candidate")
        ]
        await peer.add([candidate for candidate in found if candidate is not None])
        return web.json_response({"status": "success"})

    def _wishes_of(self, request: web.Request) -> str | None:
        """Of the session in the address. Raises PeerError where it was not started here."""
        name = request.match_info.get("session")
        if name is None:
            return None
        if name not in self._started:
            raise PeerError("session_not_found", "There is no such session; it was started elsewhere or long ago.")
        self._started[name] = self._started.pop(name)
        return self._started[name]

    def _tools(self) -> Sequence[Command]:
        """Those that callers' programs run: they have no way to say so themselves."""
        tools = self._settings.agent.tools.theirs
        return [UpdateSettings({"tools": tools})] if tools else []

    async def _answer_again(self, name: str, sdp: str) -> web.Response:
        """To an offer of the same connection, which knows more ways to reach it than the first one did."""
        call = self._calls.find(name)
        if credentials(sdp) != call.credentials:
            raise BadOffer("bad_offer", "the connection of a call does not change: set restart_pc for another")
        found = [read_candidate(text, None, 0) for text in candidates(sdp)]
        await call.peer.add([candidate for candidate in found if candidate is not None])
        return _answer(call.peer.answer_sdp, name)

    def _remember(self, call: Call, wire: RtviWire) -> None:
        """Until its caller can come back no more."""
        loop = asyncio.get_running_loop()
        self._begun[call.name] = _Begun(wire, call.owner)
        call.task.add_done_callback(lambda _: loop.call_later(RETURN, self._forget, call.name))

    def _forget(self, name: str) -> None:
        self._begun.pop(name, None)

    async def _leave(self, name: str, owner: Owner | None) -> RtviWire | None:
        """The caller comes back: the old call ends, if it is still there, and gives up its place.

        Its language; None if it is forgotten or was made with another key, and then it goes on.
        """
        begun = self._begun.get(name)
        if begun is None or begun.owner != owner:
            return None
        try:
            call = self._calls.find(name)
        except PeerError:
            return begun.wire
        begun.wire.leave()
        call.peer.hang_up()
        await asyncio.wait({call.task}, timeout=_LEAVING)
        return begun.wire


def _now() -> datetime:
    return datetime.now(UTC)


def _answer(sdp: str, name: str) -> web.Response:
    return web.json_response({"sdp": sdp, "type": "answer", "pc_id": name})


async def _object(request: web.Request) -> Fields:
    """The body, which may be empty, as a JSON object. Raises BadOffer and BadMessage."""
    if request.content_type != "application/json":
        raise BadOffer("bad_content_type", f"Content-Type is {request.content_type}; application/json is expected")
    async with body.patience():
        text = await body.read(request, _BODY_BYTES)
    try:
        value = parse(text.decode()) if text.strip() else {}
    except UnicodeDecodeError:
        raise BadMessage("invalid_json", "The body is not UTF-8 text") from None
    if not isinstance(value, dict):
        raise BadMessage("invalid_json", "The body is not a JSON object")
    return Fields(value)


def _wishes(message: Fields, key: str) -> str | None:
    """The session in what programs may send along, as the message of the realtime protocol that asks for it."""
    given = message.values.get(key)
    if not isinstance(given, Mapping) or not isinstance(given.get("session"), Mapping):
        return None
    return json.dumps({"type": "session.update", "session": given["session"]})


def _commands(settings: Settings, *updates: str | None) -> list[Command]:
    """Raises BadMessage."""
    messages = Messages(settings)
    read = [messages.read(update) for update in updates if update is not None]
    return [command for command in read if isinstance(command, Command)]
