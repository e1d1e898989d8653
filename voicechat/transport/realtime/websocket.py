"""The WebSocket door: one caller who speaks the realtime protocol and sends sound as JSON."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from typing import Final

from aiohttp import WSMsgType, web

from voicechat.audio import FRAME_SECONDS, AudioFrame, Resampler
from voicechat.commands import Command
from voicechat.config import Settings
from voicechat.echo.reverberation import Played
from voicechat.errors import BadMessage
from voicechat.events import Event, Failed, SessionEnded
from voicechat.protocols import Heard, Reception, SpeechChunk
from voicechat.transport import identity
from voicechat.transport.access import admission
from voicechat.transport.access.keys import Owner
from voicechat.transport.access.scopes import Scope, scope
from voicechat.transport.media.metronome import Metronome
from voicechat.transport.media.microphone import Microphone
from voicechat.transport.media.playout import Playout
from voicechat.transport.outbox import PLENTY, Outbox
from voicechat.transport.realtime import beta, openings
from voicechat.transport.realtime.decoding import decoded
from voicechat.transport.realtime.formats import RATE
from voicechat.transport.realtime.wire import RealtimeWire

BACKLOG: Final = 30.0
"""Seconds of a client's sound that may wait for us; one that sends faster than we listen is held back."""

_LARGE: Final = 65_536
"""Characters of a message that waits until all before it is done: what is in it must not pile up."""

HEARTBEAT: Final = 20.0
"""Seconds between pings; a client that answers none within ten has vanished."""

_FLUSH, _CLOSE = 0.4, 0.5
"""Seconds for the last messages to leave, and for the closing handshake."""

_BITE: Final = 0.2
"""Seconds heard at once: about half a millisecond of resampling on the loop."""

CODES: Final = {"shutdown": 1001, "key_revoked": 1008, "failed": 1011, "not_reading": 1013}
"""RFC 6455, 7.4.1, by the reason of the end; 1000 for all others."""


class RealtimePeer:
    """The far end of a WebSocket; see `protocols.Peer`. `run` is its life; everything on the loop.

    Sound leaves in frames of 20 ms, at most `websocket_lead` seconds ahead of real time: a client that is far ahead
    of the ear would let the caller interrupt words that it counts as spoken. `owner` has the key that it came with.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        wire: RealtimeWire,
        settings: Settings,
        metronome: Metronome,
        owner: Owner | None = None,
    ) -> None:
        self.owner = owner
        self.reason: str | None = None
        self._socket, self._wire = socket, wire
        self._metronome = metronome
        self._lead = max(FRAME_SECONDS, settings.playout.websocket_lead)
        self._microphone = Microphone(RATE, capacity=BACKLOG)
        self._playout = Playout(RATE, ahead=settings.playout.ahead, buffers=True)
        self._outbox = Outbox()
        self._incoming = Resampler(RATE, RATE)

    @property
    def dropped(self) -> float:
        return self._microphone.dropped

    @property
    def levels(self) -> Sequence[Played]:
        return self._playout.levels

    @property
    def left(self) -> float:
        return self._playout.waiting + self._playout.lead

    def incoming(self) -> AsyncGenerator[AudioFrame | Command]:
        return self._microphone.incoming()

    async def play(self, chunk: SpeechChunk) -> None:
        await self._playout.put(chunk)

    async def audible(self, turn: int) -> float:
        return await self._playout.audible(turn)

    async def drain(self, turn: int) -> Heard:
        return await self._playout.drain(turn)

    def pause(self) -> None:
        self._playout.pause()

    def resume(self) -> None:
        self._playout.resume()

    def duck(self, decibels: float) -> None:
        self._playout.duck(decibels)

    def cut(self, turn: int) -> Heard:
        heard = self._playout.cut(turn)
        self._outbox.cut(turn)
        return heard

    def notify(self, event: Event) -> None:
        if isinstance(event, SessionEnded):
            self.hang_up(event.reason)
        for message in self._wire.encode(event):
            self._send(message)

    def begin(self, message: str) -> None:
        """The session begins with what the message asks, before all that the client sends. Raises BadMessage."""
        wish = self._wire.begin(message)
        if isinstance(wish, Command):
            self._microphone.ask(wish)

    def hang_up(self, reason: str) -> None:
        """`incoming` ends, and the session with it. The first reason counts."""
        if self.reason is None:
            self.reason = reason
            self._microphone.close()

    async def run(self, session: Callable[["RealtimePeer"], Awaitable[None]]) -> None:
        """From the first message to the closed socket; `session` is served meanwhile.

        However it ends, the socket is closed within a second.
        """
        try:
            async with asyncio.TaskGroup() as group:
                busy = [group.create_task(self._read()), group.create_task(self._pace())]
                writing = group.create_task(self._write())
                await session(self)
                self.hang_up("hung_up")
                for task in busy:
                    task.cancel()
                self._outbox.close()
                await asyncio.wait({writing}, timeout=_FLUSH)
                writing.cancel()
        except asyncio.CancelledError:
            self.hang_up("shutdown")
            raise
        finally:
            await self._close()

    async def _read(self) -> None:
        """The client's messages until it closes. aiohttp itself answers too large a message with code 1009."""
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                await self._take(message.data)
            elif message.type is WSMsgType.BINARY:
                self.notify(Failed("not_text", "messages are JSON text; sound goes into input_audio_buffer.append"))
            await asyncio.sleep(0)  # aiohttp hands over what it has without a pause; other callers come between
        self.hang_up("hung_up")

    async def _take(self, message: str) -> None:
        try:
            wish = await decoded(self._wire, message)
        except BadMessage as error:
            self.notify(Failed(error.code, error.message, error.param, error.event_id))
            return
        for answer in self._wire.answers():
            self._send(answer)
        if isinstance(wish, Command):
            await self._microphone.room(BACKLOG if len(message) > _LARGE else FRAME_SECONDS)
            self._microphone.ask(wish)
        elif wish is not None:
            await self._hear(wish)

    async def _hear(self, sound: AudioFrame) -> None:
        if sound.rate != self._incoming.source:  # the client has changed its format
            self._incoming = Resampler(sound.rate, RATE)
        length = round(_BITE * sound.rate)
        for start in range(0, len(sound.samples), length):
            bite = sound.samples[start : start + length]
            await self._microphone.room(len(bite) / sound.rate)
            self._microphone.hear(self._incoming.push(bite))
            await asyncio.sleep(0)  # a message may bring seconds of sound

    async def _pace(self) -> None:
        async with aclosing(self._metronome.ticks()) as ticks:
            async for _ in ticks:
                if len(self._outbox) < PLENTY:
                    self._speak()

    def _speak(self) -> None:
        """Sends what is due: the first frames of an answer at once, then one a tick."""
        while self._playout.lead < self._lead - FRAME_SECONDS / 2:
            samples = self._playout.take()
            if samples is None:
                return
            for message in self._wire.audio(self._playout.turn, samples):
                self._send(message, self._playout.turn)

    def _send(self, message: dict[str, object], turn: int | None = None) -> None:
        text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
        if not self._outbox.put(text, turn):
            self.hang_up("not_reading")

    async def _write(self) -> None:
        if (reason := await self._outbox.deliver(self._socket.send_str)) is not None:
            self.hang_up(reason)

    async def _close(self) -> None:
        reason = self.reason or "failed"
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(_CLOSE):
                await self._socket.close(code=CODES.get(reason, 1000), message=reason.encode())


def endpoint(
    settings: Settings, reception: Reception, metronome: Metronome, peers: set[RealtimePeer]
) -> Callable[[web.Request], Awaitable[web.WebSocketResponse]]:
    """Answers GET /v1/realtime; `peers` has those who are connected. Raises NoRoom before the upgrade."""

    @scope(Scope.TALK)
    async def realtime(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(
            protocols=("realtime",),
            heartbeat=HEARTBEAT,
            timeout=_CLOSE,
            compress=False,  # base64 sound gains little, and a small message could unpack into a large one
            max_msg_size=settings.server.message_bytes,
        )
        with reception.admit() as session:
            if not socket.can_prepare(request):  # a page asks so why its socket did not open: browsers do not tell it
                raise BadMessage("not_a_websocket", "this address is for WebSocket clients")
            wire = RealtimeWire(
                session,
                channel="websocket",
                model=request.query.get("model", "voicechat")[:128],
                expires_at=int(time.time() + settings.server.session_seconds),
                house=settings,
                old=_speaks_beta(request),
            )
            peer = RealtimePeer(socket, wire, settings, metronome, admission.of(request).owner)
            for message in openings.of(request):
                peer.begin(message)
            await socket.prepare(request)
            peers.add(peer)
            try:
                await peer.run(lambda caller: reception.serve(session, caller, identity.caller(request)))
            finally:
                peers.discard(peer)
                if request.transport is not None and request.transport.get_write_buffer_size() > 0:
                    request.transport.abort()  # a client who reads nothing would hold the line open for ever
        return socket

    return realtime


def _speaks_beta(request: web.Request) -> bool:
    name, value = beta.HEADER
    protocols = ",".join(request.headers.getall("Sec-WebSocket-Protocol", ())).split(",")
    return value in request.headers.get(name, "") or beta.PROTOCOL in map(str.strip, protocols)
