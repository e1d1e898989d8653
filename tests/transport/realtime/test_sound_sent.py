"""How much of an answer a client may say that it has played."""

import json
from typing import Any

import numpy as np
import pytest

from tests.realtime_turns import LISTENED, finished, say
from voicechat.commands import TruncateItem
from voicechat.errors import BadMessage
from voicechat.events import ReplyStatus
from voicechat.transport.realtime.wire import RealtimeWire


def truncate(wire: RealtimeWire, end: int) -> Any:
    return wire.decode(json.dumps({"type": "conversation.item.truncate", "item_id": "item_2", "audio_end_ms": end}))


@pytest.mark.parametrize("channel", ["websocket", "webrtc"])
def test_truncation_beyond_the_sound_is_held_to_it_or_refused(channel: Any) -> None:
    wire = RealtimeWire("sess_a", channel=channel)
    say(LISTENED, wire)
    if channel == "websocket":
        wire.audio(1, np.zeros(28_800, np.int16))
    say([finished(ReplyStatus.COMPLETED)], wire)
    assert truncate(wire, 700) == TruncateItem("item_2", 0.7)
    assert truncate(wire, 2_200) == TruncateItem("item_2", 1.2)
    with pytest.raises(BadMessage) as caught:
        truncate(wire, 2_201)
    assert (caught.value.code, caught.value.param) == ("invalid_value", "audio_end_ms")
