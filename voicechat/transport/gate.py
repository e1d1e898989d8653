"""Only addresses that ICE knows may bring media: packets of strangers are dropped where they come in.

aioice hands on every datagram that is not STUN, from whomever it comes. OWASP ASVS 5.0, 17.2.6 asks for more.
"""

from collections.abc import Callable
from typing import Final

from aioice.ice import Connection, StunProtocol
from aiortc import RTCPeerConnection

_STUN: Final = 4
"""First bytes below it are STUN (RFC 7983); ICE checks those itself, by password."""


def shut(connection: RTCPeerConnection) -> None:
    """Gates all sockets of a connection that has gathered its candidates."""
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
