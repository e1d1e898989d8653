import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from voicechat.transport import gate

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
        gate.shut(ours)
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
