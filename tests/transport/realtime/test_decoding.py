"""Where messages are read: small ones on the loop, large ones beside it, all of them in order."""

import json
import threading

import pytest

from voicechat.errors import BadMessage
from voicechat.transport.realtime.decoding import LARGE, decoded
from voicechat.transport.realtime.wire import RealtimeWire


class Witness:
    """Says on which thread it was asked."""

    def decode(self, message: str) -> str:
        return threading.current_thread().name

    def understand(self, value: object) -> str:
        return f"{value} on {threading.current_thread().name}"


async def test_large_messages_are_read_beside_the_loop() -> None:
    here = threading.current_thread().name
    assert await decoded(Witness(), "x" * (LARGE - 1)) == here
    value, thread = (await decoded(Witness(), f"7{' ' * LARGE}")).split(" on ")
    assert value == "7" and thread != here


async def test_what_is_wrong_with_a_large_message_is_told_like_that_of_any() -> None:
    wire = RealtimeWire("sess_a", channel="websocket")
    sound = json.dumps({"type": "input_audio_buffer.append", "event_id": "e1", "audio": "*" * LARGE})
    with pytest.raises(BadMessage) as caught:
        await decoded(wire, sound)
    assert (caught.value.code, caught.value.event_id) == ("audio_not_base64", "e1")
