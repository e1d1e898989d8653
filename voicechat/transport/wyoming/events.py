"""Wyoming's events and how they are written. No I/O.

    {"type": …, "data": {…}, "data_length": …, "payload_length": …}⏎   more data as JSON   sound
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from voicechat.errors import BadMessage
from voicechat.transport.fields import Fields, parse

LINE_BYTES: Final = 65_536
DATA_BYTES: Final = 65_536
PAYLOAD_BYTES: Final = 262_144
"""More than a second of stereo at 48 kHz."""


@dataclass(frozen=True, slots=True)
class Event:
    type: str
    data: Mapping[str, object] = field(default_factory=dict)
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Header:
    """An event's line: what it has of the event, and how many bytes follow it."""

    type: str
    data: Mapping[str, object]
    data_length: int
    payload_length: int

    def event(self, data: bytes, payload: bytes) -> Event:
        """With what followed the line. Raises BadMessage."""
        more = _object(data).values if data else {}
        return Event(self.type, {**self.data, **more}, payload)


def header(line: bytes) -> Header:
    """Raises BadMessage for what is no event, or too large."""
    fields = _object(line)
    return Header(
        fields.text("type", longest=64),
        fields.inner("data").values if fields.has("data") else {},
        fields.integer("data_length", 0, DATA_BYTES) if fields.has("data_length") else 0,
        fields.integer("payload_length", 0, PAYLOAD_BYTES) if fields.has("payload_length") else 0,
    )


def encode(event: Event) -> bytes:
    """All the bytes of an event; the data beside the line, as other programs write it."""
    data = _json(event.data) if event.data else b""
    line: dict[str, object] = {"type": event.type}
    if data:
        line["data_length"] = len(data)
    if event.payload:
        line["payload_length"] = len(event.payload)
    return b"".join((_json(line), b"\n", data, event.payload))


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _object(text: bytes) -> Fields:
    try:
        value = parse(text.decode())
    except UnicodeDecodeError as error:
        raise BadMessage("invalid_json", f"The event is not UTF-8: {error.reason}") from None
    if not isinstance(value, dict):
        raise BadMessage("invalid_json", "The event is not a JSON object")
    return Fields(value)
