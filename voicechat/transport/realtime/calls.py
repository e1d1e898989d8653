"""WebRTC calls over HTTP: an offer is posted, the answer comes back, and the call has an address to hang up at."""

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from voicechat.commands import Command
from voicechat.config import Settings
from voicechat.errors import BadMessage, BadOffer, NoRoom, PeerError
from voicechat.protocols import Reception
from voicechat.transport import body, forms, identity
from voicechat.transport.access import admission
from voicechat.transport.access.keys import Owner
from voicechat.transport.access.scopes import Scope, scope
from voicechat.transport.media.metronome import Metronome
from voicechat.transport.realtime import openings
from voicechat.transport.realtime.wire import RealtimeWire
from voicechat.transport.webrtc.channel import LABEL, Wire
from voicechat.transport.webrtc.peer import WebrtcPeer, answer
from voicechat.transport.webrtc.sdp import check_offer, credentials

PATH: Final = "/v1/realtime/calls"

BETA_PATH: Final = "/v1/realtime"
"""Where calls were made in the protocol's beta, and still are by programs that speak it."""

_POLITE_SECONDS: Final = 0.3
"""On shutdown, for sessions to end by themselves before they are cancelled."""

_FOR_TELEPHONES: Final = ("accept", "reject", "refer")


@dataclass(frozen=True, slots=True)
class Call:
    """A call in progress. `model` is what the caller named; `credentials` tells its offers from those of others;
    `owner` has the key that it was made with."""

    name: str
    session: str
    model: str
    credentials: str
    peer: WebrtcPeer
    task: asyncio.Task[None]
    owner: Owner | None = None


@dataclass(frozen=True, slots=True)
class Language:
    """How a call's program speaks to us: what makes its wire of a session's id, and the name of its data channel."""

    wire: Callable[[str], Wire]
    channel: str = LABEL


class Calls:
    """The calls in progress. Each holds its place at the reception, and is one task, until it is over.

    `wire` makes the language of a data channel of a session's id, where it is not the realtime protocol.
    """

    def __init__(
        self,
        settings: Settings,
        reception: Reception,
        metronome: Metronome,
        wire: Callable[[str], Wire] | None = None,
    ) -> None:
        self._settings = settings
        self._metronome = metronome
        self._reception = reception
        self._wire = wire
        self._calls: dict[str, Call] = {}
        self._closed = False

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.post(PATH, self._create),
            web.post(BETA_PATH, self._create),
            web.delete(f"{PATH}/{{call}}", self._hang_up),
            web.post(f"{PATH}/{{call}}/hangup", self._hang_up),
            *(web.post(f"{PATH}/{{call}}/{act}", self._refuse) for act in _FOR_TELEPHONES),
        ]

    def find(self, name: str) -> Call:
        """Raises PeerError."""
        call = self._calls.get(name)
        if call is None:
            raise PeerError("call_id_not_found", "There is no such call; it may be over.")
        return call

    async def begin(
        self,
        offer: bytes,
        language: Language,
        *,
        caller: str,
        owner: Owner | None = None,
        model: str = "voicechat",
        first: Callable[[Wire], Sequence[Command]],
    ) -> Call:
        """Answers an offer; what `first` makes of the call's wire is asked before all that its caller asks.

        Raises BadOffer, NoRoom, and what `first` raises.
        """
        sdp = check_offer(offer, self._settings.server)
        with ExitStack() as place:
            session = place.enter_context(self._reception.admit())
            wire = language.wire(session)
            commands = first(wire)
            peer = await answer(sdp, self._settings, wire, self._metronome, language.channel)
            for command in commands:
                peer.microphone.ask(command)
            if self._closed:
                await peer.close()
                raise NoRoom("The server is shutting down.")
            name = f"call_{secrets.token_urlsafe(16)}"
            task = asyncio.create_task(self._run(name, session, peer, caller, place.pop_all()), name=name)
            call = self._calls[name] = Call(name, session, model, credentials(sdp), peer, task, owner)
        return call

    def hang_up(self, owners: Collection[Owner]) -> None:
        """Ends those that were made with the keys of these."""
        for call in self._calls.values():
            if call.owner in owners:
                call.peer.hang_up("key_revoked")

    async def close(self) -> None:
        """Ends all calls within a second and a half."""
        self._closed = True
        calls = list(self._calls.values())
        for call in calls:
            call.peer.hang_up("shutdown")
        if calls:
            _, late = await asyncio.wait([call.task for call in calls], timeout=_POLITE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            await asyncio.gather(*(call.peer.close() for call in calls))

    @scope(Scope.TALK)
    async def _create(self, request: web.Request) -> web.Response:
        """Raises BadOffer, BadMessage for settings that cannot be had, and NoRoom."""
        offer, wishes = await _read(request, self._settings.server.offer_bytes)
        model, old = request.query.get("model", "voicechat")[:128], request.path == BETA_PATH
        def speak(session: str) -> Wire:
            return realtime_wire(self._settings, session, model, old=old)

        call = await self.begin(
            offer,
            Language(self._wire or speak),
            caller=identity.caller(request),
            owner=admission.of(request).owner,
            model=model,
            first=lambda wire: _asked(wire, [*openings.of(request), *_update(wishes)]),
        )
        return web.Response(
            status=201,
            text=call.peer.answer_sdp,
            content_type="application/sdp",
            headers={"Location": f"{PATH}/{call.name}"},
        )

    async def _run(self, name: str, session: str, peer: WebrtcPeer, caller: str, place: ExitStack) -> None:
        with place:
            try:
                await self._reception.serve(session, peer, caller)
            finally:
                await peer.close()
                del self._calls[name]

    @scope(Scope.TALK)
    async def _hang_up(self, request: web.Request) -> web.Response:
        """The call ends; its place is free a moment later. Raises PeerError."""
        self.find(request.match_info["call"]).peer.hang_up()
        return web.Response(status=204)

    @scope(Scope.TALK)
    async def _refuse(self, request: web.Request) -> web.Response:
        """Raises PeerError, always."""
        self.find(request.match_info["call"])
        raise PeerError("sip_only", "Calls by WebRTC are accepted as they come; this is for telephone calls alone.")


def realtime_wire(
    settings: Settings, session: str, model: str, *, old: bool = False, author: str = "client"
) -> RealtimeWire:
    """For who is told of a call's events in the realtime protocol; see `RealtimeWire`."""
    until = int(time.time() + settings.server.session_seconds)
    return RealtimeWire(
        session, channel="webrtc", house=settings, model=model, expires_at=until, old=old, author=author
    )


async def _read(request: web.Request, most: int) -> tuple[bytes, bytes | None]:
    """The offer and, from a form, the wished settings, read within a deadline. Raises BadOffer."""
    try:
        async with body.patience():
            match request.content_type:
                case "application/sdp":
                    return await body.read(request, most), None
                case "multipart/form-data":
                    form = await request.post()
                    return _part(form, "sdp"), _part(form, "session") if "session" in form else None
    except forms.BROKEN as error:
        raise BadOffer("bad_form", f"the form cannot be read: {error}") from error
    raise BadOffer("bad_content_type", f"Content-Type is {request.content_type}; application/sdp is expected")


def _part(form: Mapping[str, str | bytearray | bytes | web.FileField], name: str) -> bytes:
    """A part of the form, which may have come as a file; empty when it is not there."""
    part = form.get(name, b"")
    if isinstance(part, web.FileField):
        with part.file as file:
            return file.read()
    return part.encode() if isinstance(part, str) else bytes(part)


def _update(wishes: bytes | None) -> list[str]:
    """A form's `session` part as the message that a client would send first. Raises BadMessage."""
    if wishes is None:
        return []
    try:
        session = json.loads(wishes)
    except (ValueError, RecursionError) as error:
        raise BadMessage("invalid_json", f"the part 'session' is not JSON: {error}", param="session") from None
    return [json.dumps({"type": "session.update", "session": session})]


def _asked(wire: Wire, messages: Sequence[str]) -> list[Command]:
    """What the call begins with. Raises BadMessage."""
    begin = wire.begin if isinstance(wire, RealtimeWire) else wire.decode
    read = [begin(message) for message in messages]
    return [command for command in read if isinstance(command, Command)]
