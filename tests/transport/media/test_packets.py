import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicechat.transport.media.packets import Packet, Stream, parse

HEADER = struct.pack("!BBHII", 0x80, 111, 7, 960, 0x1234)


def test_a_plain_packet_is_its_header_and_its_payload() -> None:
    assert parse(HEADER + b"opus") == Packet(111, 7, 960, 0x1234, b"opus")


@pytest.mark.parametrize(
    ("first", "between", "after"),
    [
        (0x82, bytes(8), b""),  # two contributing sources
        (0x90, b"\xbe\xde\x00\x02" + bytes(8), b""),  # an extension of two words
        (0xA0, b"", b"\x00\x00\x03"),  # padding
        (0xB1, bytes(4) + b"\xbe\xde\x00\x00", b"\x01"),
    ],
)
def test_what_stands_before_and_after_the_payload_is_left_out(first: int, between: bytes, after: bytes) -> None:
    packet = parse(bytes([first]) + HEADER[1:] + between + b"opus" + after)
    assert packet is not None
    assert packet.payload == b"opus"


def test_the_marker_is_no_part_of_the_payload_type() -> None:
    packet = parse(HEADER[:1] + bytes([0x80 | 111]) + HEADER[2:])
    assert packet is not None
    assert packet.payload_type == 111


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEADER[:11],
        b"\x40" + HEADER[1:],  # another version
        b"\x8f" + HEADER[1:],  # fifteen sources that are not there
        b"\x90" + HEADER[1:],  # an extension that is not there
        b"\x90" + HEADER[1:] + b"\xbe\xde\xff\xff",  # one that is longer than the packet
        b"\xa0" + HEADER[1:] + b"\xff",  # more padding than packet
        b"\xa0" + HEADER[1:] + b"opus\x00",  # padding of no length
    ],
)
def test_what_is_not_a_whole_packet_is_none(data: bytes) -> None:
    assert parse(data) is None


@given(st.binary(max_size=64))
def test_any_bytes_are_understood_or_refused(data: bytes) -> None:
    packet = parse(data)
    assert packet is None or data[12:].find(packet.payload) >= 0


def test_a_stream_numbers_its_packets_and_counts_them() -> None:
    stream = Stream(111, 0xABCD, sequence=0xFFFF, origin=0xFFFF_FFFF)
    sent = [stream.packet(b"one", 0), stream.packet(b"three", 960)]
    assert [parse(data) for data in sent] == [
        Packet(111, 0xFFFF, 0xFFFF_FFFF, 0xABCD, b"one"),
        Packet(111, 0, 959, 0xABCD, b"three"),
    ]
    assert (stream.count, stream.octets, stream.timestamp) == (2, 8, 959)
    assert not sent[0][1] & 0x80


def test_the_marker_is_set_where_it_is_asked_for() -> None:
    assert Stream(111, 1, sequence=1, origin=0).packet(b"", 0, marked=True)[1] == 0x80 | 111
