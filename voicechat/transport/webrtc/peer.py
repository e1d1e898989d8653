"""One WebRTC caller: sound both ways over RTP, events over a data channel."""

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from typing import Final

from aiortc import (
    RTCConfiguration,
    RTCIceCandidate,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.exceptions import InternalError, InvalidAccessError, InvalidStateError, OperationError
from aiortc.mediastreams import MediaStreamTrack
from aiortc.stats import RTCRemoteInboundRtpStreamStats

from voicechat.audio import LISTEN_RATE, AudioFrame, Samples
from voicechat.commands import Command
from voicechat.config import Settings
from voicechat.echo.reverberation import Played
from voicechat.errors import BadOffer
from voicechat.events import Event
from voicechat.protocols import Heard, SpeechChunk
from voicechat.transport.media.internals import Line
from voicechat.transport.media.metronome import Metronome
from voicechat.transport.media.microphone import Microphone
from voicechat.transport.media.opus import RATE, OpusEncoder
from voicechat.transport.media.playout import Playout
from voicechat.transport.media.rtp import Listener, follow, follow_decoded
from voicechat.transport.media.speaker import Speaker
from voicechat.transport.webrtc.channel import LABEL, EventChannel, Wire
from voicechat.transport.webrtc.following import Following
from voicechat.transport.webrtc.sdp import MALFORMED

_log = logging.getLogger(__name__)

_GATHER: Final = 3.0
"""Seconds for our own side of the answer; without STUN servers it takes a few milliseconds."""

_REPORTS: Final = 2.0
"""Seconds between two looks at what the caller reports of our packets."""

_LOSSY: Final = 3
"""Lost packets of 256 from which they are made to repair each other."""

_FAREWELL, _CLOSE = 0.1, 0.8
"""Seconds for the last events to leave, and for the connection to close."""

_COMMANDS: Final = 256
"""Commands that may wait for the session; a caller who sends more cannot be slowed down, so the call ends."""

_REFUSED: Final = (*MALFORMED, InternalError, InvalidAccessError, InvalidStateError, OperationError)


class WebrtcPeer:
    """The far end of a WebRTC call; see `protocols.Peer`. Made by `answer`; everything on the loop.

    The call ends when the caller hangs up, when the connection fails, is not there `setup_seconds` after the answer,
    or brings no more packets for `media_silence_seconds` (a muted browser goes on sending). Callers who never sent any
    are left to the library, which misses them after half a minute. `reason` says what it was.
    """

    def __init__(self, settings: Settings, wire: Wire, metronome: Metronome, label: str = LABEL) -> None:
        self.answer_sdp = ""
        self.following = Following()
        self.reason: str | None = None
        self.microphone = Microphone(LISTEN_RATE)
        self.playout = Playout(RATE, ahead=settings.playout.ahead)
        self._server = settings.server
        self._stock = settings.transport.media == "stock"
        sound = settings.playout
        self._encoder = OpusEncoder(sound.bitrate, sound.complexity, repairs=sound.fec == "always", dtx=sound.dtx)
        self._repairs = sound.fec == "auto"
        self._speaker = Speaker(self.playout, self._encoder, metronome, send=None if self._stock else self._send)
        self._metronome = metronome
        self._leave: Callable[[], None] | None = None
        self._listener = Listener(LISTEN_RATE, self._hear)
        self._line: Line | None = None
        self._channel = EventChannel(wire, self._server.message_bytes, self._ask, self.hang_up, label)
        self._candidates = 0  # that came after the offer
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connected = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._closing: asyncio.Task[None] | None = None
        self._packet_at: float | None = None  # the last one

    @property
    def dropped(self) -> float:
        return self.microphone.dropped

    @property
    def levels(self) -> Sequence[Played]:
        return self.playout.levels

    @property
    def left(self) -> float:
        return self.playout.waiting + self.playout.lead

    def incoming(self) -> AsyncGenerator[AudioFrame | Command]:
        return self.microphone.incoming()

    async def play(self, chunk: SpeechChunk) -> None:
        await self.playout.put(chunk)

    async def audible(self, turn: int) -> float:
        return await self.playout.audible(turn)

    async def drain(self, turn: int) -> Heard:
        return await self.playout.drain(turn)

    def pause(self) -> None:
        self.playout.pause()

    def resume(self) -> None:
        self.playout.resume()

    def duck(self, decibels: float) -> None:
        self.playout.duck(decibels)

    def cut(self, turn: int) -> Heard:
        return self.playout.cut(turn)

    def notify(self, event: Event) -> None:
        if self.following.tell(event):
            self._channel.notify(event)

    def hang_up(self, reason: str = "hung_up") -> None:
        """The call is over: `incoming` ends. The first reason counts."""
        if self.reason is None:
            self.reason = reason
            self.microphone.close()

    async def close(self) -> None:
        """Hangs up and frees tasks, threads and sockets within a second. Safe at any time and from several tasks."""
        self.hang_up("closed")
        self.following.close()
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def add(self, candidates: Sequence[RTCIceCandidate]) -> None:
        """Ways to reach the caller that were found after the offer. Raises BadOffer for what cannot be one."""
        self._candidates += len(candidates)
        if self._candidates > self._server.offer_candidates:
            most = self._server.offer_candidates
            raise BadOffer("too_many_candidates", f"more than {most} candidates came after the offer")
        try:
            for candidate in candidates:
                await self._connection.addIceCandidate(candidate)
        except _REFUSED as error:
            raise BadOffer("bad_candidate", f"a candidate cannot be used: {str(error)[:100]}") from error

    async def accept(self, offer: str) -> None:
        """Answers a checked offer, once. Raises BadOffer."""
        connection = self._connection
        transceiver = connection.addTransceiver(self._speaker, "sendrecv")
        opus = [codec for codec in RTCRtpSender.getCapabilities("audio").codecs if codec.mimeType == "audio/opus"]
        transceiver.setCodecPreferences(opus)

        def begin(track: MediaStreamTrack) -> None:
            if track.kind == "audio":
                self._start(self._listen(transceiver.receiver))

        connection.on("track", begin)
        connection.on("datachannel", self._channel.open)
        connection.on("connectionstatechange", self._change)
        try:
            async with asyncio.timeout(_GATHER):
                await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
                for other in connection.getTransceivers():
                    if other is not transceiver:
                        other.direction = "inactive"  # pictures would cost a decoder thread
                await connection.setLocalDescription()
                if not self._stock:
                    self._line = Line(connection, transceiver, self._listener.push, RATE)
        except TimeoutError:
            raise BadOffer("bad_offer", f"the offer took longer than {_GATHER} s to answer") from None
        except _REFUSED as error:
            what = f"{type(error).__name__} {error}"[:150]
            raise BadOffer("bad_offer", f"the offer cannot be answered: {what}") from error
        self.answer_sdp = connection.localDescription.sdp
        self._start(self._watch())
        if self._repairs:
            self._start(self._repair(transceiver.sender))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    def _ask(self, command: Command) -> None:
        if self.microphone.commands < _COMMANDS:
            self.microphone.ask(command)
        else:
            self.hang_up("too_many_commands")

    async def _listen(self, receiver: RTCRtpReceiver) -> None:
        if self._stock:
            await follow_decoded(receiver, LISTEN_RATE, self._hear)
        else:
            await follow(receiver, self._listener)
        self.hang_up()

    def _tick(self, number: int, due: float) -> None:
        """What has come is heard, by all who wait for it, and then the next 20 ms leave: an interruption is obeyed in
        the tick that brings it."""
        if self._line is not None:
            self._line.collect()
        asyncio.get_running_loop().call_soon(self._speaker.tick, number, due)

    def _send(self, payload: bytes, time: int, marked: bool) -> None:
        if self._line is not None:
            self._line.send(payload, time, marked=marked)

    def _hear(self, samples: Samples, _: int) -> None:
        self._packet_at = asyncio.get_running_loop().time()
        self.microphone.hear(samples, pausing=self._listener.pausing)

    def _change(self) -> None:
        match self._connection.connectionState:
            case "connected":
                self._connected.set()
                if not self._stock and self._leave is None and self._closing is None:
                    self._leave = self._metronome.join(self._tick)
            case "failed":
                self.hang_up("connection_failed")
            case "closed":
                self.hang_up()

    async def _watch(self) -> None:
        """Hangs up on a caller who never comes, or who has vanished. aiortc would wait for ever, or half a minute."""
        try:
            async with asyncio.timeout(self._server.setup_seconds):
                await self._connected.wait()
        except TimeoutError:
            self.hang_up("setup_timeout")
            return
        loop = asyncio.get_running_loop()
        left = patience = self._server.media_silence_seconds
        while left > 0:
            await asyncio.sleep(left)
            left = patience if self._packet_at is None else self._packet_at + patience - loop.time()
        self.hang_up("media_silence")

    async def _repair(self, sender: RTCRtpSender) -> None:
        """Lets packets repair each other once the caller reports losses."""
        while True:
            await asyncio.sleep(_REPORTS)
            for report in (await sender.getStats()).values():
                if isinstance(report, RTCRemoteInboundRtpStreamStats) and report.fractionLost >= _LOSSY:
                    self._encoder.repair(math.ceil(report.fractionLost / 2.56))  # as RTCP has it, of 256

    async def _close(self) -> None:
        if self._connected.is_set():
            await self._channel.drain(_FAREWELL)
        self._speaker.stop()
        if self._leave is not None:
            self._leave()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            async with asyncio.timeout(_CLOSE):
                await self._connection.close()
        except TimeoutError:
            _log.warning("a WebRTC connection did not close within %s s", _CLOSE)


async def answer(
    offer: str, settings: Settings, wire: Wire, metronome: Metronome, label: str = LABEL
) -> WebrtcPeer:
    """A peer for an offer that `check_offer` has passed; its answer is in `answer_sdp`. Raises BadOffer.

    `label` is the name of its data channel.
    """
    peer = WebrtcPeer(settings, wire, metronome, label)
    try:
        await peer.accept(offer)
    except BaseException:
        await peer.close()
        raise
    return peer
