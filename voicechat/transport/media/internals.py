"""The one file that reaches into aiortc and aioice, whose public interface ends where our media path begins.

What is not where it is looked for raises at once, and the tests fail; `transport.media: stock` does without.
Written for aiortc 1.16 and aioice 0.13, which pyproject.toml pins.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import pylibsrtp
from aioice.ice import Connection, StunProtocol
from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpTransceiver
from aiortc.rtcdtlstransport import State
from aiortc.rtcrtpreceiver import StreamStatistics

from voicechat.transport.media.packets import Packet, Stream, parse

_STUN: Final = 4
"""First bytes below it are STUN (RFC 7983); ICE checks those itself, by password."""

_RTP: Final = range(128, 192)
"""First bytes of SRTP and SRTCP (RFC 7983)."""

_RTCP: Final = range(192, 224)
"""Second bytes of RTCP (RFC 5761)."""

_1900: Final = 2_208_988_800
"""Seconds from where NTP counts to where Unix does."""

_COMPONENT: Final = 1
"""ICE's for RTP, and with RTCP on the same port the only one."""

_ARRIVED: Final = 64
"""Packets that may wait to be collected: more than a second of them, where 20 ms bring one."""

_REPORTED: Final = 16
"""Packets after which the library's report of them is brought up to date; it sends one every 25 to 75."""


class Line:
    """The sound of one call, between the sockets that ICE has found and us, by the keys that DTLS has agreed on.

    Packets wait until they are collected, at the clock's next tick: to turn to each as it comes would cost more than
    the work itself, as everything starts from cold. Where the library is used as it is, it has a queue and three tasks
    for each packet. What it still does: STUN, DTLS, the data channel, and RTCP, whose reports of our packets it finds
    in its own places. Packets of strangers go nowhere: the library hands on every datagram that is not STUN, from
    whomever it comes; OWASP ASVS 5.0, 17.2.6 asks for more.

    For a connection that has made its answer, in which sound has the one codec of `clock` Hz.
    """

    def __init__(
        self, connection: RTCPeerConnection, transceiver: RTCRtpTransceiver, hear: Callable[[Packet], None], clock: int
    ) -> None:
        self._sender, self._receiver = transceiver.sender, transceiver.receiver
        self._dtls = transceiver.sender.transport
        self._ice: Connection = self._dtls.transport._connection
        self._hear = hear
        self._arrived: deque[bytes] = deque(maxlen=_ARRIVED)
        self._clock = clock
        [self._payload_type] = [codec.payloadType or 0 for codec in transceiver._codecs]
        self._stream = Stream(
            self._payload_type, self._sender._ssrc, sequence=secrets.randbits(15), origin=secrets.randbits(32)
        )
        self._pair: Any = None  # the addresses in use, and what belongs to them
        self._socket: Any = None
        self._address: Any = None
        self._statistics: dict[int, Any] = _get(self._receiver, "_RTCRtpReceiver__remote_streams")
        for name in ("ntp_timestamp", "rtp_timestamp", "packet_count", "octet_count"):
            _get(self._sender, f"_RTCRtpSender__{name}")
        for ice in _connections(connection):
            for protocol in ice._protocols:
                _put(protocol, "datagram_received", _gate(ice, protocol, self._arrived.append), has="__call__")

    def send(self, payload: bytes, time_: int, *, marked: bool = False) -> None:
        """A packet, at once; nothing while there is no connection. `time_` in samples."""
        pair = self._ice._nominated.get(_COMPONENT)
        if pair is None or self._dtls._state is not State.CONNECTED:
            return
        if pair is not self._pair:
            self._pair, self._socket, self._address = pair, pair.protocol.transport, pair.remote_addr
        packet = self._stream.packet(payload, time_, marked=marked)
        self._socket.sendto(self._dtls._tx_srtp.protect(packet), self._address)
        if self._stream.count % _REPORTED == 0:
            self._report()

    def collect(self) -> None:
        """Hands on the packets that have come since."""
        while self._arrived:
            self._receive(self._arrived.popleft())

    def _report(self) -> None:
        sender: Any = self._sender
        sender._RTCRtpSender__ntp_timestamp = int((time.time() + _1900) * 2**32)
        sender._RTCRtpSender__rtp_timestamp = self._stream.timestamp
        sender._RTCRtpSender__packet_count = self._stream.count
        sender._RTCRtpSender__octet_count = self._stream.octets

    def _receive(self, data: bytes) -> None:
        session = self._dtls._rx_srtp
        if session is None:
            return  # the keys are agreed on while it comes
        try:
            packet = parse(session.unprotect(data))
        except (pylibsrtp.Error, ValueError):  # forged, repeated, or too long
            return
        if packet is not None and packet.payload_type == self._payload_type:
            self._count(packet)
            self._hear(packet)

    def _count(self, packet: Packet) -> None:
        """For the reports to the sender; of one source, lest a caller with many fill the memory."""
        if packet.ssrc not in self._statistics:
            self._statistics.clear()
            self._statistics[packet.ssrc] = StreamStatistics(self._clock)
        self._statistics[packet.ssrc].add(packet)


def _connections(connection: RTCPeerConnection) -> set[Connection]:
    transports = [transceiver.receiver.transport for transceiver in connection.getTransceivers()]
    if connection.sctp is not None:
        transports.append(connection.sctp.transport)
    return {transport.transport._connection for transport in transports}


def _gate(
    ice: Connection, protocol: StunProtocol, sound: Callable[[bytes], None]
) -> Callable[[bytes, tuple[str, int]], None]:
    receive = protocol.datagram_received
    known: set[tuple[str, int]] = set()

    def pass_on(data: bytes, address: tuple[str, int]) -> None:
        if not data:
            return
        if data[0] >= _STUN and address not in known:
            if not _paired(ice, address):
                return
            known.add(address)
        if data[0] in _RTP and len(data) > 1 and data[1] not in _RTCP:
            sound(data)
        else:
            receive(data, address)

    return pass_on


def _paired(ice: Connection, address: tuple[str, int]) -> bool:
    """Whether ICE has paired the address, which has an interface's name in it if it is link-local."""
    source = (address[0].partition("%")[0], address[1])
    return any(source == pair.remote_addr for pair in [*ice._nominated.values(), *ice._check_list])


def tap(receiver: RTCRtpReceiver, hear: Callable[[Packet], None]) -> None:
    """Takes a receiver's packets before its jitter buffer; its decoder thread ends as soon as it begins.

    For a receiver whose track is known and that has not started. Routing, RTCP reports and the end of the track stay
    the library's.
    """
    _put(receiver, "_RTCRtpReceiver__jitter_buffer", _Tap(hear), has="add")
    end = _End()
    _put(receiver.track, "_queue", end, has="put")
    _put(receiver, "_RTCRtpReceiver__decoder_queue", _NoDecoder(end), has="put")


def _get(owner: object, name: str) -> Any:
    """Raises AttributeError where the library has moved its parts."""
    if not hasattr(owner, name):
        raise AttributeError(f"{type(owner).__name__}.{name} is not what it was: has aiortc been updated?")
    return getattr(owner, name)


def _put(owner: object, name: str, value: object, *, has: str) -> None:
    _get(_get(owner, name), has)
    setattr(owner, name, value)


class _Tap:
    """Stands where aiortc has its jitter buffer: sees every packet, and never has a frame to decode."""

    def __init__(self, hear: Callable[[Packet], None]) -> None:
        self._hear = hear

    def add(self, packet: Any) -> tuple[bool, None]:
        self._hear(
            Packet(packet.payload_type, packet.sequence_number, packet.timestamp, packet.ssrc, packet.payload)
        )
        return False, None


class _End(asyncio.Queue[None]):
    """Stands where aiortc has the frames of a track; all that comes is its end."""

    async def put(self, item: None) -> None:
        """From the decoder thread, which is over while the track is not."""


class _NoDecoder:
    """Stands where aiortc has the queue of its decoder thread."""

    def __init__(self, end: _End) -> None:
        self._end = end

    def get(self) -> None:
        """Nothing to decode, ever: the thread ends, and says so with `_End.put`."""

    def put(self, task: None) -> None:
        """The library ends the track."""
        self._end.put_nowait(task)
