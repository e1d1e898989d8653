"""How Wyoming's events are read and written."""

import json

import pytest

from voicechat.errors import BadMessage
from voicechat.transport.wyoming.events import DATA_BYTES, PAYLOAD_BYTES, Event, encode, header


def decode(written: bytes) -> Event:
    line, rest = written.split(b"\n", 1)
    about = header(line)
    assert len(rest) == about.data_length + about.payload_length
    return about.event(rest[: about.data_length], rest[about.data_length :])


@pytest.mark.parametrize(
    "event",
    [
        Event("describe"),
        Event("transcript", {"text": "Grüße\n✓", "context": {"conversation_id": "a"}}),
        Event("audio-chunk", {"rate": 16000, "width": 2, "channels": 1}, b'\n{"\x00\xff'),
    ],
)
def test_events_are_read_as_they_were_written(event: Event) -> None:
    assert decode(encode(event)) == event


def test_event_is_written_as_other_programs_write_it() -> None:
    assert encode(Event("audio-chunk", {"rate": 8000}, b"ab")) == (
        b'{"type":"audio-chunk","data_length":13,"payload_length":2}\n{"rate":8000}ab'
    )
    assert encode(Event("audio-stop")) == b'{"type":"audio-stop"}\n'


def test_data_beside_the_line_comes_over_that_within_it() -> None:
    about = header(b'{"type": "ping", "data": {"text": "old", "more": 1}, "data_length": 15, "version": "1.10.2"}')
    assert about.event(b'{"text": "new"}', b"") == Event("ping", {"text": "new", "more": 1})


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"GET / HTTP/1.1\r",
        b"POST /v1/audio/speech HTTP/1.1\r",
        b"[]",
        b"{}",
        b'{"type": 7}',
        b'{"type": "ping", "data": []}',
        b'{"type": "ping", "data_length": -1}',
        b'{"type": "ping", "data_length": 1.5}',
        b'{"type": "ping", "data_length": %d}' % (DATA_BYTES + 1),
        b'{"type": "ping", "payload_length": %d}' % (PAYLOAD_BYTES + 1),
        b'{"type": "p\xff"}',
        b'{"type": NaN}',
        b'{"type": "x", "data": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_what_is_no_event_is_refused(line: bytes) -> None:
    with pytest.raises(BadMessage):
        header(line)


@pytest.mark.parametrize("data", [b"[1]", b"{", b"\xff{}", json.dumps("text").encode()])
def test_data_that_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(BadMessage):
        header(b'{"type": "ping"}').event(data, b"")
