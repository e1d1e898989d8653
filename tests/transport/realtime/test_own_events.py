"""Events beyond the protocol, for those who ask."""

from tests.realtime_turns import ASKS_FOR_ALL, DRAFT, kinds, say
from voicechat.events import (
    Event,
    ReplyPaused,
    ReplyResumed,
    ReplyStarted,
    SettingsChanged,
    State,
    StateChanged,
    TranscriptPartial,
    TurnMeasured,
)


def test_own_events_come_only_to_those_who_ask() -> None:
    own: list[Event] = [
        StateChanged(State.THINKING),
        TranscriptPartial("item_5", "", "well"),
        TurnMeasured(1, 0.3, 0.5, 0.55, 0.6504),
        ReplyStarted("resp_1", 1, DRAFT, "item_1", speaks=True),
        ReplyPaused("resp_1"),
        ReplyResumed("resp_1"),
    ]
    assert kinds(say(own)) == ["response.created", "rate_limits.updated"]
    messages = say([SettingsChanged(ASKS_FOR_ALL), *own])
    assert messages[0]["session"]["include"] == ["voicechat.state", "voicechat.latency", "voicechat.partials"]
    assert [{**message, "event_id": ""} for message in messages[1:4] + messages[-2:]] == [
        {"event_id": "", "type": "voicechat.state", "state": "thinking"},
        {
            "event_id": "",
            "type": "voicechat.partial",
            "item_id": "item_5",
            "transcript": "well",
            "stable": "",
            "tail": "well",
            "revised": False,
        },
        {
            "event_id": "",
            "type": "voicechat.latency",
            "turn": 1,
            "endpointed_ms": 300,
            "understood_ms": 500,
            "first_word_ms": 550,
            "first_sound_ms": 650,
        },
        {"event_id": "", "type": "voicechat.paused", "response_id": "resp_1"},
        {"event_id": "", "type": "voicechat.resumed", "response_id": "resp_1"},
    ]
