"""A WebSocket beside a WebRTC call: a program elsewhere is told what happens in the call, and may ask for something.

It is the way to keep tools and instructions on a server of one's own while the sound goes straight to us.
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from aiohttp import WSMsgType, web

from voicechat.audio import AudioFrame
from voicechat.config import Settings
from voicechat.errors import BadMessage
from voicechat.events import Event, Failed, SessionEnded
from voicechat.transport.access.scopes import Scope, scope
from voicechat.transport.outbox import Outbox
from voicechat.transport.realtime.calls import Call, Calls, realtime_wire
from voicechat.transport.realtime.decoding import decoded
from voicechat.transport.realtime.items import Message
from voicechat.transport.realtime.websocket import CODES, HEARTBEAT
from voicechat.transport.realtime.wire import RealtimeWire

_FLUSH, _CLOSE = 0.4, 0.5
"""Seconds for the last messages to leave, and for the closing handshake."""

Handler = Callable[[web.Request], Awaitable[web.WebSocketResponse]]


class Follower:
    """One socket beside a call, which goes on without it. `run` it while it has `joined`. On the loop."""

    def __init__(self, socket: web.WebSocketResponse, call: Call, wire: RealtimeWire) -> None:
        self._socket, self._call, self._wire = socket, call, wire
        self._outbox = Outbox()
        self._reason = "failed"
        self._over = asyncio.Event()
        self._name = ""

    @contextmanager
    def joined(self) -> Iterator[None]:
        """What happens is kept for the program. Raises NoRoom, and PeerError when the call is over."""
        following = self._call.peer.following
        self._name = following.join(self._tell)
        try:
            yield
        finally:
            following.leave(self._name)

    async def run(self) -> None:
        """Until the call or the program is at its end."""
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(self._read())
                writing = group.create_task(self._write())
                await self._over.wait()
                reading.cancel()
                self._outbox.close()
                await asyncio.wait({writing}, timeout=_FLUSH)
                writing.cancel()
        finally:
            with suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(_CLOSE):
                    await self._socket.close(code=CODES.get(self._reason, 1000), message=self._reason.encode())

    def _tell(self, event: Event) -> None:
        self._send(self._wire.encode(event))
        if isinstance(event, SessionEnded):
            self._end(event.reason)

    def _send(self, messages: Iterable[Message]) -> None:
        for message in messages:
            if not self._outbox.put(json.dumps(message, ensure_ascii=False, separators=(",", ":"))):
                self._end("not_reading")

    def _end(self, reason: str) -> None:
        """The first reason counts."""
        if not self._over.is_set():
            self._reason = reason
            self._over.set()

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                await self._take(message.data)
            elif message.type is WSMsgType.BINARY:
                self._tell(Failed("not_text", "messages are JSON text"))
            await asyncio.sleep(0)  # aiohttp hands over what it has without a pause; other callers come between
        self._end("hung_up")

    async def _take(self, message: str) -> None:
        """What it asks goes the way of what the caller asks, behind the sound that came before it."""
        try:
            wish = await decoded(self._wire, message)
            if isinstance(wish, AudioFrame):
                raise BadMessage("audio_on_channel", "the sound of this call comes on its audio track")
        except BadMessage as error:
            self._tell(Failed(error.code, error.message, error.param, error.event_id))
            return
        self._send(self._wire.answers())
        if wish is not None:
            await self._call.peer.microphone.room()
            self._call.peer.microphone.ask(self._call.peer.following.mark(self._name, wish))

    async def _write(self) -> None:
        if (reason := await self._outbox.deliver(self._socket.send_str)) is not None:
            self._end(reason)


def endpoint(settings: Settings, calls: Calls, otherwise: Handler) -> Handler:
    """Answers GET /v1/realtime with a call_id; others are for `otherwise`. Raises PeerError before the upgrade."""

    @scope(Scope.TALK)
    async def follow(request: web.Request) -> web.WebSocketResponse:
        if "call_id" not in request.query:
            return await otherwise(request)
        call = calls.find(request.query["call_id"])
        socket = web.WebSocketResponse(
            protocols=("realtime",),
            heartbeat=HEARTBEAT,
            timeout=_CLOSE,
            compress=False,
            max_msg_size=settings.server.message_bytes,
        )
        if not socket.can_prepare(request):
            raise BadMessage("not_a_websocket", "this address is for WebSocket clients")
        author = f"follower_{secrets.token_hex(4)}"
        follower = Follower(socket, call, realtime_wire(settings, call.session, call.model, author=author))
        with follower.joined():
            await socket.prepare(request)
            try:
                await follower.run()
            finally:
                if request.transport is not None and request.transport.get_write_buffer_size() > 0:
                    request.transport.abort()  # a program that reads nothing would hold the line open for ever
        return socket

    return follow
