"""The one file that reaches into aiortc and aioice: RTP straight between a caller's socket and the caller.

The library sets a call up and keeps it: SDP, ICE, DTLS, RTCP, the data channel. From then on its sender, receiver,
jitter buffer, and the tasks and queues between them would cost more than the caller itself, so that a core could not
hold the callers that another one can serve. Nothing of the server's own transport is used here.
Written for aiortc 1.16 and aioice 0.13.
"""

import asyncio
import random
import struct
from collections.abc import Callable, Iterator
from typing import Any, Final

from aiortc import RTCPeerConnection, RTCRtpTransceiver
from aiortc.mediastreams import MediaStreamTrack
from aiortc.rtp import RtpPacket
from pylibsrtp import Error as SrtpError

from bench.media.clips import FRAME

Hear = Callable[[int, bool, bytes], None]
"""Is told of each packet: RTP timestamp, marker, payload."""

Receive = Callable[[Any, tuple[Any, ...]], None]

_RTP: Final = range(128, 192)
"""First bytes of RTP and RTCP (RFC 7983)."""

_RTCP: Final = range(192, 224)
"""Second bytes of RTCP (RFC 5761)."""

_HEADER: Final = 12
_RECEIVE: Final = "datagram_received"


class Mute(MediaStreamTrack):
    """Stands where the library has what it sends, and never has anything: its sender sleeps, and its RTCP goes on."""

    kind = "audio"

    async def recv(self) -> Any:
        await asyncio.Event().wait()


class Wire:
    """The media of a connected call with one audio transceiver. On the loop; one that closes takes the wire along."""

    def __init__(self, connection: RTCPeerConnection, hear: Hear, lost: Iterator[bool]) -> None:
        """`lost` says of each packet that is sent whether the network loses it."""
        [transceiver] = connection.getTransceivers()
        dtls = transceiver.sender.transport
        ice = dtls.transport._connection
        [pair] = ice._nominated.values()
        self._hear, self._lost = hear, lost
        self._protect, self._unprotect = dtls._tx_srtp.protect, dtls._rx_srtp.unprotect
        self._socket, self._address = pair.protocol.transport, pair.remote_addr
        self._header = _header(transceiver)
        self._sequence, self._timestamp = random.randrange(1 << 15), random.randrange(1 << 31)
        for protocol in ice._protocols:
            setattr(protocol, _RECEIVE, self._sieve(protocol.datagram_received))

    def send(self, payload: bytes) -> None:
        """The next 20 ms."""
        struct.pack_into(">HI", self._header, 2, self._sequence, self._timestamp)
        self._sequence = self._sequence + 1 & 0xFFFF
        self._timestamp = self._timestamp + FRAME & 0xFFFFFFFF
        packet = self._protect(bytes(self._header) + payload)
        if not next(self._lost) and not self._socket.is_closing():  # the other side may have hung up
            self._socket.sendto(packet, self._address)

    def _sieve(self, others: Receive) -> Receive:
        def receive(data: Any, address: tuple[Any, ...]) -> None:
            if data[0] in _RTP and data[1] not in _RTCP:
                self._receive(data)
            else:
                others(data, address)

        return receive

    def _receive(self, data: bytes) -> None:
        try:
            packet = self._unprotect(data)
        except SrtpError:
            return
        begin, end = _HEADER + 4 * (packet[0] & 0x0F), len(packet)
        if packet[0] & 0x10:
            begin += 4 + 4 * int.from_bytes(packet[begin + 2 : begin + 4])
        if packet[0] & 0x20:
            end -= packet[-1]
        self._hear(int.from_bytes(packet[4:8]), packet[1] >= 128, packet[begin:end])


def deafen(transceiver: RTCRtpTransceiver) -> None:
    """What comes before there is a wire is dropped, instead of being decoded on a thread. Before the answer is set."""

    async def drop(packet: RtpPacket, arrival_time_ms: int) -> None: ...

    transceiver.receiver._handle_rtp_packet = drop  # type: ignore[method-assign]


def _header(transceiver: RTCRtpTransceiver) -> bytearray:
    """As the library's sender would write it, with the extensions that were agreed upon."""
    sender, kind = transceiver.sender, transceiver._codecs[0].payloadType
    assert kind is not None
    packet = RtpPacket(payload_type=kind, ssrc=sender._ssrc)
    packet.extensions.mid = transceiver.mid
    return bytearray(packet.serialize(sender._RTCRtpSender__rtp_header_extensions_map))  # type: ignore[attr-defined]
