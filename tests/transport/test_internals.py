import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from voicechat.transport import internals
from voicechat.transport.metronome import Metronome
from voicechat.transport.opus import RATE, OpusEncoder
from voicechat.transport.playout import Playout
from voicechat.transport.speaker import Speaker

STRANGER = ("192.0.2.9", 4711)


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[RTCPeerConnection, RTCPeerConnection]]:
    """Two connections, the second of them gated, before they have connected."""
    ours, theirs = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    try:
        theirs.addTransceiver("audio")
        await theirs.setLocalDescription()
        await ours.setRemoteDescription(theirs.localDescription)
        await ours.setLocalDescription()
        internals.gate(ours)
        yield theirs, ours
    finally:
        await theirs.close()
        await ours.close()


async def connect(theirs: RTCPeerConnection, ours: RTCPeerConnection) -> None:
    await theirs.setRemoteDescription(ours.localDescription)
    async with asyncio.timeout(5):
        while {theirs.connectionState, ours.connectionState} != {"connected"}:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("packet", [b"\x16\xfe\xff", b"\x80\x00", b"\xff", b""])
async def test_a_strangers_packets_go_nowhere(packet: bytes) -> None:
    async with pair() as (theirs, ours):
        ice = ours.getTransceivers()[0].receiver.transport.transport._connection
        for protocol in ice._protocols:
            protocol.datagram_received(packet, STRANGER)
        assert ice._queue.empty()
        await connect(theirs, ours)


@pytest.mark.parametrize("packet", [b"\x16\xfe\xff", b"\x80\x00", b""])
async def test_a_connection_outlives_a_strangers_packets(packet: bytes) -> None:
    async with pair() as (theirs, ours):
        await connect(theirs, ours)
        ice = ours.getTransceivers()[0].receiver.transport.transport._connection
        for protocol in ice._protocols:
            protocol.datagram_received(packet, STRANGER)
        await asyncio.sleep(0.1)
        assert ours.connectionState == "connected"


async def test_a_known_address_passes_with_and_without_the_name_of_an_interface() -> None:
    async with pair() as (theirs, ours):
        await connect(theirs, ours)
        ice = ours.getTransceivers()[0].receiver.transport.transport._connection
        host, port = ice._nominated[1].remote_addr
        passed: list[int] = []
        ice.data_received = lambda data, component: passed.append(len(data))  # type: ignore[method-assign]
        ice._protocols[0].datagram_received(b"\x80" * 12, (host, port))
        ice._protocols[0].datagram_received(b"\x80" * 13, (f"{host}%eth0", port))
        ice._protocols[0].datagram_received(b"\x80" * 14, (host, port + 1))
        assert passed[:2] == [12, 13]
        assert 14 not in passed


class Voice(Speaker):
    def __init__(self) -> None:
        super().__init__(Playout(RATE, ahead=0.6), OpusEncoder(32_000, 5), Metronome())


@pytest.mark.parametrize("unmarked", [False, True])
async def test_packets_arrive_without_a_thread_and_the_marker_is_cleared(unmarked: bool) -> None:
    heard: list[internals.Packet] = []
    enough = asyncio.Event()

    def push(packet: internals.Packet) -> None:
        heard.append(packet)
        if len(heard) == 20:
            enough.set()

    ours, theirs = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    try:
        sender = ours.addTransceiver(Voice(), "sendonly").sender
        theirs.on("track", lambda track: internals.tap(theirs.getReceivers()[0], push))
        await ours.setLocalDescription()
        await theirs.setRemoteDescription(ours.localDescription)
        await theirs.setLocalDescription()
        await ours.setRemoteDescription(theirs.localDescription)
        if unmarked:
            internals.unmark(sender)
        async with asyncio.timeout(10):
            await enough.wait()
        assert not [thread for thread in threading.enumerate() if "decoder" in thread.name]
        assert {packet.marker for packet in heard[1:]} == {0 if unmarked else 1}  # type: ignore[attr-defined]
        assert len({packet.ssrc for packet in heard}) == 1, "sender reports still go their way"
    finally:
        await ours.close()
        await theirs.close()


def test_a_library_that_has_moved_its_parts_is_told() -> None:
    class Moved:
        track = None

    with pytest.raises(AttributeError):
        internals.tap(Moved(), lambda packet: None)  # type: ignore[arg-type]
    moved = Moved()
    setattr(moved, "_RTCRtpReceiver__jitter_buffer", object())  # noqa: B010 - no mangling
    with pytest.raises(AttributeError, match="has aiortc been updated"):
        internals.tap(moved, lambda packet: None)  # type: ignore[arg-type]
