import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCRtpTransceiver
from aiortc.mediastreams import AudioStreamTrack

from voicechat.transport.media import internals
from voicechat.transport.media.internals import Line
from voicechat.transport.media.metronome import Metronome
from voicechat.transport.media.opus import RATE, OpusEncoder
from voicechat.transport.media.packets import Packet
from voicechat.transport.media.playout import Playout
from voicechat.transport.media.speaker import Speaker

STRANGER = ("192.0.2.9", 4711)


class Quiet(AudioStreamTrack):
    """Never has anything for the library to send."""

    async def recv(self) -> Any:
        await asyncio.Event().wait()


class Call:
    """A caller of the library's own, and an answerer whose sound goes through a `Line`."""

    def __init__(self) -> None:
        self.caller, self.answerer = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
        self.speaker = Speaker(Playout(RATE, ahead=0.6), OpusEncoder(32_000, 5), Metronome())
        self.heard: list[Packet] = []
        self.arrived: list[Any] = []
        """What the caller got."""
        self.line: Line
        self.transceiver: RTCRtpTransceiver

    async def prepare(self) -> None:
        """As far as the answer, which the caller has not seen."""
        self.caller.addTransceiver(self.speaker)
        await self.caller.setLocalDescription()
        self.transceiver = self.answerer.addTransceiver(Quiet(), "sendrecv")
        opus = [codec for codec in RTCRtpSender.getCapabilities("audio").codecs if codec.mimeType == "audio/opus"]
        self.transceiver.setCodecPreferences(opus)
        await self.answerer.setRemoteDescription(self.caller.localDescription)
        await self.answerer.setLocalDescription()
        self.line = Line(self.answerer, self.transceiver, self.heard.append, RATE)
        self.leave = Metronome().join(lambda number, due: self.line.collect())

    async def connect(self) -> None:
        receiver = self.caller.getReceivers()[0]

        async def arrive(packet: Any, arrival_time_ms: int) -> None:
            self.arrived.append(packet)

        receiver._handle_rtp_packet = arrive  # type: ignore[method-assign]
        await self.caller.setRemoteDescription(self.answerer.localDescription)
        await until(lambda: {self.caller.connectionState, self.answerer.connectionState} == {"connected"})

    @property
    def ice(self) -> Any:
        return self.transceiver.receiver.transport.transport._connection


@asynccontextmanager
async def calling() -> AsyncIterator[Call]:
    call = Call()
    try:
        await call.prepare()
        yield call
    finally:
        call.leave()
        await call.caller.close()
        await call.answerer.close()


async def until(ready: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not ready():  # noqa: ASYNC110 - what we wait for is the library's state
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("packet", [b"\x16\xfe\xff", b"\x80\x00", b"\xff", b""])
async def test_a_strangers_packets_go_nowhere(packet: bytes) -> None:
    async with calling() as call:
        for protocol in call.ice._protocols:
            protocol.datagram_received(packet, STRANGER)
        assert call.ice._queue.empty()
        await call.connect()


@pytest.mark.parametrize("packet", [b"\x16\xfe\xff", b"\x80\x00", b"\x80" + bytes(60), b""])
async def test_a_connection_outlives_a_strangers_packets(packet: bytes) -> None:
    async with calling() as call:
        await call.connect()
        for protocol in call.ice._protocols:
            protocol.datagram_received(packet, STRANGER)
        before = len(call.heard)
        await until(lambda: len(call.heard) > before + 2)
        assert call.answerer.connectionState == "connected"


async def test_a_known_address_passes_with_and_without_the_name_of_an_interface() -> None:
    async with calling() as call:
        await call.connect()
        host, port = call.ice._nominated[1].remote_addr
        passed: list[int] = []
        call.ice.data_received = lambda data, component: passed.append(len(data))
        call.ice._protocols[0].datagram_received(b"\x16" * 12, (host, port))
        call.ice._protocols[0].datagram_received(b"\x16" * 13, (f"{host}%eth0", port))
        call.ice._protocols[0].datagram_received(b"\x16" * 14, (host, port + 1))
        assert passed[:2] == [12, 13]
        assert 14 not in passed


async def test_sound_comes_decrypted_and_what_is_forged_or_repeated_does_not() -> None:
    async with calling() as call:
        await call.connect()
        [protocol] = {pair.protocol for pair in call.ice._nominated.values()}
        receive, wire = protocol.datagram_received, []

        def keep(data: bytes, address: Any) -> None:
            wire.append((data, address))
            receive(data, address)

        protocol.datagram_received = keep
        await until(lambda: len(call.heard) >= 20)
        protocol.datagram_received = lambda data, address: None
        count = len(call.heard)
        data, address = next(entry for entry in wire if 128 <= entry[0][0] < 192 and entry[0][1] == 0x80 | 96)
        receive(data, address)
        receive(data[:-1] + bytes([data[-1] ^ 1]), address)
        receive(b"\x80" + os.urandom(80), address)
        receive(b"\x80" * 3000, address)
        assert len(call.heard) == count
        numbers = [packet.sequence_number for packet in call.heard]
        assert [later - earlier & 0xFFFF for earlier, later in zip(numbers, numbers[1:], strict=False)] == [1] * (
            count - 1
        )
        assert {packet.payload_type for packet in call.heard} == {96}


async def test_what_is_sent_arrives_in_order_and_unmarked() -> None:
    async with calling() as call:
        call.line.send(b"before there is a connection", 0)
        await call.connect()
        for number in range(5):
            call.line.send(b"payload %d" % number, number * 960)
        call.line.send(b"after a silence", 500_000, marked=True)
        await until(lambda: len(call.arrived) == 6)
        assert [packet.payload for packet in call.arrived[:5]] == [b"payload %d" % number for number in range(5)]
        assert [packet.marker for packet in call.arrived] == [0] * 5 + [1]
        assert (call.arrived[1].timestamp - call.arrived[0].timestamp) & 0xFFFFFFFF == 960
        assert {packet.ssrc for packet in call.arrived} == {call.transceiver.sender._ssrc}
        await call.answerer.close()
        call.line.send(b"after the end", 960)


async def test_both_directions_are_reported() -> None:
    async with calling() as call:
        await call.connect()
        for number in range(internals._REPORTED):
            call.line.send(b"12345", number * 960)
        sender = call.transceiver.sender
        report = await sender.getStats()
        [sent] = [each for each in report.values() if each.type == "outbound-rtp"]
        assert (sent.packetsSent, sent.bytesSent) == (internals._REPORTED, 5 * internals._REPORTED)
        await until(lambda: len(call.heard) >= 5)
        report = await call.transceiver.receiver.getStats()
        [received] = [each for each in report.values() if each.type == "inbound-rtp"]
        assert received.packetsReceived == len(call.heard)
        assert received.packetsLost == 0


async def test_a_tapped_receiver_hears_without_a_thread() -> None:
    heard: list[Packet] = []
    ours, theirs = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    try:
        ours.addTransceiver(Speaker(Playout(RATE, ahead=0.6), OpusEncoder(32_000, 5), Metronome()), "sendonly")
        theirs.on("track", lambda track: internals.tap(theirs.getReceivers()[0], heard.append))
        await ours.setLocalDescription()
        await theirs.setRemoteDescription(ours.localDescription)
        await theirs.setLocalDescription()
        await ours.setRemoteDescription(theirs.localDescription)
        await until(lambda: len(heard) >= 20)
        assert not [thread for thread in threading.enumerate() if "decoder" in thread.name]
        assert len({packet.ssrc for packet in heard}) == 1, "sender reports still go their way"
    finally:
        await ours.close()
        await theirs.close()


def test_a_library_that_has_moved_its_parts_is_told() -> None:
    class Moved:
        track = None

    with pytest.raises(AttributeError, match="has aiortc been updated"):
        internals.tap(Moved(), lambda packet: None)  # type: ignore[arg-type]
    moved = Moved()
    setattr(moved, "_RTCRtpReceiver__jitter_buffer", object())  # noqa: B010 - no mangling
    with pytest.raises(AttributeError, match="has aiortc been updated"):
        internals.tap(moved, lambda packet: None)  # type: ignore[arg-type]


async def test_a_line_over_parts_that_have_moved_is_told() -> None:
    async with calling() as call:
        moved: Any = SimpleNamespace(
            sender=call.transceiver.sender, receiver=SimpleNamespace(), _codecs=call.transceiver._codecs
        )
        with pytest.raises(AttributeError, match="has aiortc been updated"):
            Line(call.answerer, moved, call.heard.append, RATE)
