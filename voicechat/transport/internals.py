"""The one file that reaches into aiortc and aioice, whose public interface ends where our media path begins.

What is not where it is looked for raises at once, and the tests fail; `transport.media: stock` does without.
Written for aiortc 1.16 and aioice 0.13, which pyproject.toml pins.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from aioice.ice import Connection, StunProtocol
from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpSender

_STUN: Final = 4
"""First bytes below it are STUN (RFC 7983); ICE checks those itself, by password."""

_MARKED: Final = 0xE0
"""Second bytes from it on are RTP with the marker and a dynamic payload type; those of RTCP are lower (RFC 5761)."""


class Packet(Protocol):
    """What we use of an RTP packet."""

    sequence_number: int
    timestamp: int
    ssrc: int
    payload: bytes


def gate(connection: RTCPeerConnection) -> None:
    """Only addresses that ICE knows may bring media: packets of strangers are dropped where they come in.

    For a connection that has gathered its candidates. aioice hands on every datagram that is not STUN, from whomever
    it comes; OWASP ASVS 5.0, 17.2.6 asks for more.
    """
    gates = {transceiver.receiver.transport.transport._connection for transceiver in connection.getTransceivers()}
    if connection.sctp is not None:
        gates.add(connection.sctp.transport.transport._connection)
    name = "datagram_received"
    for ice in gates:
        for protocol in ice._protocols:
            setattr(protocol, name, _gate(ice, protocol))


def _gate(ice: Connection, protocol: StunProtocol) -> Callable[[bytes, tuple[str, int]], None]:
    receive = protocol.datagram_received

    def pass_on(data: bytes, address: tuple[str, int]) -> None:
        if data and (data[0] < _STUN or _known(ice, address)):
            receive(data, address)

    return pass_on


def _known(ice: Connection, address: tuple[str, int]) -> bool:
    """Whether ICE has paired the address, which has an interface's name in it if it is link-local."""
    source = (address[0].partition("%")[0], address[1])
    return any(source == pair.remote_addr for pair in [*ice._nominated.values(), *ice._check_list])


def tap(receiver: RTCRtpReceiver, push: Callable[[Packet], None]) -> None:
    """Takes a receiver's packets before its jitter buffer; its decoder thread ends as soon as it begins.

    For a receiver whose track is known and that has not started. Routing, RTCP reports and the end of the track stay
    the library's.
    """
    _put(receiver, "_RTCRtpReceiver__jitter_buffer", _Tap(push), has="add")
    end = _End()
    _put(receiver.track, "_queue", end, has="put")
    _put(receiver, "_RTCRtpReceiver__decoder_queue", _NoDecoder(end), has="put")


def unmark(sender: RTCRtpSender) -> None:
    """Clears the RTP marker, which the library sets on each packet.

    To a receiver it means the first sound after a silence (RFC 3551, 4.1): Chromium's would adapt its delay each time.
    Our stream never pauses. For a sender whose transport is final: after the answer has been made.
    """
    transport = sender.transport
    send = transport._send_rtp

    async def send_unmarked(data: bytes) -> None:
        if data[1] >= _MARKED:
            data = bytes((data[0], data[1] & 0x7F)) + data[2:]
        await send(data)

    _put(transport, "_send_rtp", send_unmarked, has="__call__")


def _put(owner: object, name: str, value: object, *, has: str) -> None:
    """Raises AttributeError where the library has moved its parts."""
    if not hasattr(getattr(owner, name), has):
        raise AttributeError(f"{type(owner).__name__}.{name} is not what it was: has aiortc been updated?")
    setattr(owner, name, value)


class _Tap:
    """Stands where aiortc has its jitter buffer: sees every packet, and never has a frame to decode."""

    def __init__(self, push: Callable[[Packet], None]) -> None:
        self._push = push

    def add(self, packet: Packet) -> tuple[bool, None]:
        self._push(packet)
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
