"""WebRTC calls over HTTP: an offer is posted, the answer comes back, and the call has an address to hang up at."""

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from voicechat.commands import Command
from voicechat.config import Settings
from voicechat.errors import BadMessage, BadOffer, NoRoom, PeerError
from voicechat.protocols import Reception
from voicechat.transport import identity
from voicechat.transport.channel import Wire
from voicechat.transport.metronome import Metronome
from voicechat.transport.sdp import check_offer
from voicechat.transport.webrtc import WebrtcPeer, answer
from voicechat.transport.wire import RealtimeWire

PATH: Final = "/v1/realtime/calls"

_BODY_SECONDS: Final = 5.0
"""For the offer to come in; the server below has no such deadline."""

_POLITE_SECONDS: Final = 0.3
"""On shutdown, for sessions to end by themselves before they are cancelled."""


@dataclass(frozen=True, slots=True)
class _Call:
    peer: WebrtcPeer
    task: asyncio.Task[None]


def _realtime(session: str) -> Wire:
    return RealtimeWire(session, channel="webrtc")


class Calls:
    """The calls in progress. Each holds its place at the reception, and is one task, until it is over.

    `wire` makes the language of a session's data channel.
    """

    def __init__(
        self,
        settings: Settings,
        reception: Reception,
        metronome: Metronome,
        wire: Callable[[str], Wire] = _realtime,
    ) -> None:
        self._settings = settings
        self._metronome = metronome
        self._reception = reception
        self._wire = wire
        self._calls: dict[str, _Call] = {}
        self._closed = False

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.post(PATH, self._create),
            web.delete(f"{PATH}/{{call}}", self._hang_up),
            web.post(f"{PATH}/{{call}}/hangup", self._hang_up),
        ]

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

    async def _create(self, request: web.Request) -> web.Response:
        """Raises BadOffer, BadMessage for settings that cannot be had, and NoRoom."""
        body, wishes = await _read(request, self._settings.server.offer_bytes)
        offer = check_offer(body, self._settings.server)
        with ExitStack() as place:
            session = place.enter_context(self._reception.admit())
            wire = self._wire(session)
            update = _update(wire, wishes) if wishes is not None else None
            peer = await answer(offer, self._settings, wire, self._metronome)
            if update is not None:
                peer.microphone.ask(update)
            if self._closed:
                await peer.close()
                raise NoRoom("The server is shutting down.")
            name = f"call_{secrets.token_urlsafe(16)}"
            running = self._run(name, session, peer, identity.caller(request), place.pop_all())
            task = asyncio.create_task(running, name=name)
            self._calls[name] = _Call(peer, task)
        return web.Response(
            status=201, text=peer.answer_sdp, content_type="application/sdp", headers={"Location": f"{PATH}/{name}"}
        )

    async def _run(self, name: str, session: str, peer: WebrtcPeer, caller: str, place: ExitStack) -> None:
        with place:
            try:
                await self._reception.serve(session, peer, caller)
            finally:
                await peer.close()
                del self._calls[name]

    async def _hang_up(self, request: web.Request) -> web.Response:
        """The call ends; its place is free a moment later. Raises PeerError."""
        call = self._calls.get(request.match_info["call"])
        if call is None:
            raise PeerError("call_id_not_found", "There is no such call; it may be over.")
        call.peer.hang_up()
        return web.Response(status=204)


async def _read(request: web.Request, most: int) -> tuple[bytes, bytes | None]:
    """The offer and, from a form, the wished settings, read within a deadline. Raises BadOffer."""
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            match request.content_type:
                case "application/sdp":
                    return await _body(request, most), None
                case "multipart/form-data":
                    form = await request.post()
                    return _part(form, "sdp"), _part(form, "session") if "session" in form else None
    except TimeoutError:
        raise BadOffer("offer_too_slow", f"the offer did not come within {_BODY_SECONDS} s") from None
    except ValueError as error:
        raise BadOffer("bad_form", f"the form cannot be read: {error}") from error
    raise BadOffer("bad_content_type", f"Content-Type is {request.content_type}; application/sdp is expected")


async def _body(request: web.Request, most: int) -> bytes:
    """The body of at most `most` bytes. Raises BadOffer."""
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > most:
            raise BadOffer("offer_too_large", f"the offer is larger than {most} bytes")
    return bytes(body)


def _part(form: Mapping[str, str | bytearray | bytes | web.FileField], name: str) -> bytes:
    """A part of the form, which may have come as a file; empty when it is not there."""
    part = form.get(name, b"")
    if isinstance(part, web.FileField):
        with part.file as file:
            return file.read()
    return part.encode() if isinstance(part, str) else bytes(part)


def _update(wire: Wire, wishes: bytes) -> Command | None:
    """The settings of a form's `session` part as the command that a client would send first. Raises BadMessage."""
    try:
        session = json.loads(wishes)
    except (ValueError, RecursionError) as error:
        raise BadMessage("invalid_json", f"the part 'session' is not JSON: {error}", param="session") from None
    command = wire.decode(json.dumps({"type": "session.update", "session": session}))
    return command if isinstance(command, Command) else None
