"""RTP packets as bytes (RFC 3550, 5.1). Pure."""

import struct
from typing import Final, NamedTuple

_HEADER: Final = struct.Struct("!BBHII")
_EXTENSION: Final = struct.Struct("!2xH")

_VERSION, _PADDED, _EXTENDED, _SOURCES = 0x80, 0x20, 0x10, 0x0F
_MARKER: Final = 0x80


class Packet(NamedTuple):
    """One packet; `timestamp` counts the samples of its clock, modulo 2^32."""

    payload_type: int
    sequence_number: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse(data: bytes) -> Packet | None:
    """None for what is not RTP, or not whole."""
    if len(data) < _HEADER.size:
        return None
    first, second, sequence, timestamp, source = _HEADER.unpack_from(data)
    start, end = _HEADER.size + 4 * (first & _SOURCES), len(data)
    if first & _EXTENDED:
        if end < start + 4:
            return None
        start += 4 + 4 * _EXTENSION.unpack_from(data, start)[0]
    if first & _PADDED:
        end -= data[-1] or end
    if first & 0xC0 != _VERSION or start > end:
        return None
    return Packet(second & ~_MARKER, sequence, timestamp, source, data[start:end])


class Stream:
    """Packets of one source, numbered in order."""

    def __init__(self, payload_type: int, ssrc: int, *, sequence: int, origin: int) -> None:
        """`sequence` is the first number, `origin` the timestamp of zero; both at random (RFC 3550, 5.1)."""
        self.ssrc = ssrc
        self.count = self.octets = 0
        """Packets so far, and bytes of payload in them."""
        self.timestamp = self._origin = origin
        """Of the last packet."""
        self._payload_type = payload_type
        self._sequence = sequence

    def packet(self, payload: bytes, time: int, *, marked: bool = False) -> bytes:
        """The next one; `time` in samples of its clock since zero. Marked: the first sound after a silence."""
        self.timestamp = self._origin + time & 0xFFFFFFFF
        second = self._payload_type | (_MARKER if marked else 0)
        header = _HEADER.pack(_VERSION, second, self._sequence, self.timestamp, self.ssrc)
        self._sequence = self._sequence + 1 & 0xFFFF
        self.count += 1
        self.octets += len(payload)
        return header + payload
