"""RTVI's messages: what clients say by a table, what they are told as whole stories."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicechat.commands import AddItem, Ask, Command, GiveResult, HangUp
from voicechat.conversation import Item, ItemStatus, Kind, Role, SessionSettings
from voicechat.errors import BadMessage
from voicechat.events import (
    DraftDecided,
    DraftFate,
    Event,
    Failed,
    InputCleared,
    InputCommitted,
    ItemAdded,
    Noted,
    ReplyAudible,
    ReplyCalled,
    ReplyFinished,
    ReplyStarted,
    ReplyStatus,
    ReplyText,
    SessionEnded,
    SessionStarted,
    SpeechStarted,
    SpeechStopped,
    ToolEnded,
    TranscriptFinal,
    TranscriptPartial,
    TurnMeasured,
)
from voicechat.transport.rtvi.wire import RtviWire

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def said(kind: str, data: object = None, id: str = "m1") -> str:
    return json.dumps({"label": "rtvi-ai", "type": kind, "id": id, "data": data})


READY = said("client-ready", {"version": "2.1.0", "about": {"library": "x"}}, "r1")


def talking(version: str = "2.1.0") -> RtviWire:
    """A wire whose client is ready."""
    wire = RtviWire(lambda: NOON)
    wire.decode(said("client-ready", {"version": version}))
    return wire


def told(wire: RtviWire, *events: Event) -> list[Any]:
    """What the client is told, without the label that all have."""
    messages: list[Any] = [message for event in events for message in wire.encode(event)]
    assert all(message.pop("label") == "rtvi-ai" for message in messages)
    return messages


def started(reply: str = "resp_1", *, speaks: bool = True, stored: bool = True) -> ReplyStarted:
    item = Item("item_2", Role.ASSISTANT, "", speaks, ItemStatus.IN_PROGRESS)
    return ReplyStarted(reply, 1, item, "item_1", speaks, stored=stored)


def finished(
    heard: str, text: str, status: ReplyStatus = ReplyStatus.COMPLETED, *, speaks: bool = True
) -> ReplyFinished:
    return ReplyFinished("resp_1", Item("item_2", Role.ASSISTANT, heard, speaks), status, text, 1.0)


def output(text: str, segment: int, status: str, heard: str, rest: str) -> dict[str, object]:
    progress = {"accumulated_text": heard, "remaining_text": rest}
    data = {"text": text, "aggregated_by": "sentence", "segment_id": segment, "will_be_spoken": True}
    return {"type": "bot-output", "data": {**data, "spoken_status": status, "spoken_progress": progress}}


def of(kind: str, text: str) -> dict[str, object]:
    return {"type": kind, "data": {"text": text}}


@pytest.mark.parametrize(
    ("message", "command"),
    [
        (said("send-text", {"content": "Hello"}), Ask("Hello", event_id="m1")),
        (said("send-text", {"content": "Hi", "options": {"audio_response": False}}), Ask("Hi", False, event_id="m1")),
        (
            said("send-text", {"content": "Note", "options": {"run_immediately": False, "audio_response": True}}),
            AddItem(Item("item_rtvi_1", Role.USER, "Note"), event_id="m1"),
        ),
        (
            said("llm-function-call-result", {"function_name": "f", "tool_call_id": "call_1", "result": {"a": "é"}}),
            GiveResult("call_1", '{"a": "é"}', event_id="m1"),
        ),
        (
            said("append-to-context", {"role": "user", "content": "Hello", "run_immediately": True}),
            Ask("Hello", event_id="m1"),
        ),
        (
            said("append-to-context", {"role": "assistant", "content": "I said so."}),
            AddItem(Item("item_rtvi_1", Role.ASSISTANT, "I said so."), event_id="m1"),
        ),
        (said("llm-function-call-result", {"tool_call_id": "c", "result": "6"}), GiveResult("c", "6", event_id="m1")),
        (said("disconnect-bot", {}), HangUp(event_id="m1")),
        ("ping: 1700000000000", None),
        ('{"type": "signalling", "message": {"type": "trackStatus", "receiver_index": 0, "enabled": true}}', None),
        ('{"type": "send-text", "data": {"content": "no label"}}', None),
        ("[]", None),
    ],
)
def test_messages_become_commands(message: str, command: Command | None) -> None:
    wire = talking()
    assert wire.decode(message) == command
    assert wire.answers() == []


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (said("send-text", {}), "content"),
        (said("send-text", {"content": "x", "options": {"audio_response": "no"}}), "true or false"),
        (said("send-text", "Hello"), "content"),
        (said("append-to-context", {"role": "tool", "content": "x"}), "user, assistant"),
        (said("append-to-context", {"role": "user", "content": [{"text": "x"}]}), "content"),
        (said("append-to-context", {"role": "assistant", "content": "x", "run_immediately": True}), "only what"),
        (said("llm-function-call-result", {"result": 1}), "tool_call_id"),
        (said("client-message", {"t": "mine"}), "no program behind this bot"),
        (said("raw-audio", {"base64Audio": ""}), "audio track"),
        (said("dtmf", {"buttons": ["1"]}), "'dtmf'"),
        ('{"label": "rtvi-ai", "id": "m1"}', "type"),
    ],
)
def test_what_cannot_be_done_is_answered_with_the_id_of_the_message(message: str, why: str) -> None:
    wire = talking()
    assert wire.decode(message) is None
    [answer] = wire.answers()
    assert (answer["type"], answer["id"], answer["label"]) == ("error-response", "m1", "rtvi-ai")
    assert why in str(answer["data"])


def test_what_is_not_json_is_a_bad_message() -> None:
    with pytest.raises(BadMessage):
        talking().decode("{")


def test_nothing_is_said_before_the_client_is_ready_and_then_all_of_it() -> None:
    wire = RtviWire(lambda: NOON)
    assert wire.encode(SpeechStarted("item_1", 0.1)) == []
    assert wire.encode(SpeechStopped("item_1", 0.5)) == []
    wire.decode(READY)
    ready, *held = wire.answers()
    assert (ready["type"], ready["id"]) == ("bot-ready", "r1")
    assert isinstance(ready["data"], dict)
    assert ready["data"]["version"] == "2.1.0"
    assert [message["type"] for message in held] == ["user-started-speaking", "user-stopped-speaking"]
    assert [message["type"] for message in told(wire, SpeechStarted("item_1", 0.1))] == ["user-started-speaking"]


def test_what_waits_for_a_client_that_is_never_ready_is_bounded() -> None:
    wire = RtviWire(lambda: NOON)
    for number in range(400):
        wire.encode(TranscriptPartial("item_1", f"word {number}"))
    wire.decode(READY)
    assert len(wire.answers()) == 1 + 256


def test_client_that_comes_back_need_not_say_that_it_is_ready() -> None:
    wire = RtviWire(lambda: NOON, ready=True)
    assert [message["type"] for message in told(wire, SpeechStarted("item_1", 0.1))] == ["user-started-speaking"]


@pytest.mark.parametrize("data", [{"version": "3.0.0"}, {"version": "new"}, {}])
def test_client_of_a_strange_version_is_told_so_and_served(data: dict[str, object]) -> None:
    wire = RtviWire(lambda: NOON)
    wire.decode(said("client-ready", data))
    assert [answer["type"] for answer in wire.answers()] == ["error-response", "bot-ready"]


def test_spoken_turn_is_told_in_order() -> None:
    wire = talking()
    stamp = {"timestamp": "2026-05-01T12:00:00.000+00:00", "user_id": ""}
    assert told(
        wire,
        SessionStarted("sess_1", SessionSettings()),
        SpeechStarted("item_1", 0.1),
        TranscriptPartial("item_1", "Where", " is"),
        SpeechStopped("item_1", 1.0),
        InputCommitted("item_1", None),
        TranscriptFinal("item_1", "Where is it?", 0.9, 1.0, 0.1),
        ItemAdded(Item("item_1", Role.USER, "Where is it?", spoken=True), None),
        DraftDecided(DraftFate.USED),
        started(),
        ReplyText("resp_1", "Over there. "),
        ReplyAudible("resp_1"),
        ReplyText("resp_1", "By the door. "),
        finished("Over there. By the door.", "Over there. By the door."),
    ) == [
        {"type": "user-started-speaking"},
        {"type": "user-transcription", "data": {"text": "Where is", "final": False, **stamp}},
        {"type": "user-stopped-speaking"},
        {"type": "user-transcription", "data": {"text": "Where is it?", "final": True, **stamp}},
        of("user-llm-text", "Where is it?"),
        {"type": "bot-llm-started"},
        of("bot-llm-text", "Over there. "),
        {"type": "bot-tts-started"},
        of("bot-tts-text", "Over there."),
        output("Over there.", 1, "new", "", "Over there."),
        {"type": "bot-started-speaking"},
        of("bot-llm-text", "By the door. "),
        output("Over there.", 1, "completed", "Over there.", ""),
        of("bot-tts-text", "By the door."),
        output("By the door.", 2, "new", "", "By the door."),
        output("By the door.", 2, "completed", "By the door.", ""),
        {"type": "bot-llm-stopped"},
        {"type": "bot-tts-stopped"},
        {"type": "bot-stopped-speaking"},
    ]


def test_interrupted_answer_says_how_much_was_heard() -> None:
    wire = talking()
    told(wire, started(), ReplyText("resp_1", "Over there. "), ReplyAudible("resp_1"))
    told(wire, ReplyText("resp_1", "By the big door. "))
    cut = finished("Over there. By the", "Over there. By the big door.", ReplyStatus.CANCELLED)
    assert told(wire, SpeechStarted("item_3", 3.0), cut) == [
        {"type": "user-started-speaking"},
        {"type": "bot-interrupted"},
        output("By the big door.", 2, "in-progress", "By the", "big door."),
        {"type": "bot-llm-stopped"},
        {"type": "bot-tts-stopped"},
        {"type": "bot-stopped-speaking"},
    ]


def test_segments_are_numbered_through_the_call() -> None:
    wire = talking()
    told(wire, started(), ReplyText("resp_1", "One. "), finished("One.", "One."))
    messages = told(wire, started(), ReplyText("resp_1", "Two. "))
    assert [m["data"]["segment_id"] for m in messages if m["type"] == "bot-output"] == [2]


def test_clients_of_the_first_version_get_outputs_in_its_form() -> None:
    wire = talking("1.4.0")
    [ready] = wire.answers()
    assert isinstance(ready["data"], dict)
    assert ready["data"]["version"] == "1.4.0"
    messages = told(wire, started(), ReplyText("resp_1", "One. "), finished("One.", "One."))
    outputs = [message["data"] for message in messages if message["type"] == "bot-output"]
    assert outputs == [{"text": "One.", "aggregated_by": "sentence", "spoken": True}]


def test_written_answer_is_one_segment_that_is_not_spoken() -> None:
    wire = talking()
    pieces = [ReplyText("resp_1", "One "), ReplyText("resp_1", "two.")]
    messages = told(wire, started(speaks=False), *pieces, finished("One two.", "One two.", speaks=False))
    written = {"segment_id": 1, "will_be_spoken": False, "spoken_status": "new"}
    assert messages == [
        {"type": "bot-llm-started"},
        of("bot-llm-text", "One "),
        of("bot-llm-text", "two."),
        {"type": "bot-output", "data": {"text": "One two.", "aggregated_by": "sentence", **written}},
        {"type": "bot-llm-stopped"},
    ]


def test_what_is_typed_is_what_the_agent_was_asked() -> None:
    typed = ItemAdded(Item("item_1", Role.USER, "Hello"), None)
    assert told(talking(), typed, started())[0] == of("user-llm-text", "Hello")


def test_answers_made_beside_the_conversation_are_not_told() -> None:
    assert told(talking(), started("resp_9", speaks=False, stored=False), ReplyText("resp_9", "x")) == []


def test_call_of_the_clients_tool_names_it_and_ends_with_its_result() -> None:
    item = Item("item_3", Role.ASSISTANT, '{"hall": 1}', kind=Kind.CALL, call="call_1", name="hours")
    result = Item("item_4", Role.USER, "six", kind=Kind.OUTPUT, call="call_1")
    assert told(talking(), ReplyCalled("resp_1", item, 0, None), ItemAdded(result, None)) == [
        {"type": "llm-function-call-started", "data": {"function_name": "hours"}},
        {
            "type": "llm-function-call-in-progress",
            "data": {"function_name": "hours", "tool_call_id": "call_1", "arguments": {"hall": 1}},
        },
        {
            "type": "llm-function-call-stopped",
            "data": {"tool_call_id": "call_1", "cancelled": False, "function_name": "hours"},
        },
    ]


@pytest.mark.parametrize("arguments", ["", "[1]", "{"])
def test_arguments_are_an_object_whatever_the_agent_has_written(arguments: str) -> None:
    item = Item("item_3", Role.ASSISTANT, arguments, kind=Kind.CALL, call="call_1", name="hours")
    assert told(talking(), ReplyCalled("resp_1", item, 0, None))[1]["data"]["arguments"] == {}


def test_client_learns_of_our_own_tools_only_that_one_runs() -> None:
    item = Item("item_3", Role.ASSISTANT, '{"secret": 1}', kind=Kind.CALL, call="call_1", name="lookup")
    ended = ToolEnded("resp_1", "call_1", "lookup", "secret", False, 0.1)
    messages = told(talking(), ReplyCalled("resp_1", item, 0, None, ours="house"), ended)
    assert messages == [
        {"type": "llm-function-call-started", "data": {}},
        {"type": "llm-function-call-in-progress", "data": {"tool_call_id": "call_1"}},
        {"type": "llm-function-call-stopped", "data": {"tool_call_id": "call_1", "cancelled": False}},
    ]


def test_speech_that_comes_to_nothing_ends_for_the_client_too() -> None:
    wire = talking()
    kinds = [m["type"] for m in told(wire, SpeechStarted("item_1", 0.1), InputCleared(), InputCleared())]
    assert kinds == ["user-started-speaking", "user-stopped-speaking"]


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (Failed("agent_timeout", "no answer"), {"type": "error", "data": {"error": "no answer", "fatal": False}}),
        (
            Failed("call_not_found", "no call", event_id="m7"),
            {"type": "error-response", "id": "m7", "data": {"error": "no call"}},
        ),
        (
            Noted("voice_unknown", "no such voice"),
            {
                "type": "server-message",
                "data": {"type": "warning", "code": "voice_unknown", "message": "no such voice"},
            },
        ),
        (
            TurnMeasured(1, 0.5, 0.75, 1.0, 1.5),
            {
                "type": "metrics",
                "data": {
                    "processing": [{"processor": "asr", "value": 0.25}],
                    "ttfb": [{"processor": "agent", "value": 0.25}, {"processor": "tts", "value": 0.5}],
                },
            },
        ),
    ],
)
def test_other_events_are_told_once(event: Event, message: dict[str, object]) -> None:
    assert told(talking(), event) == [message]


def test_client_is_told_by_the_transport_that_the_bot_has_left() -> None:
    assert talking().encode(SessionEnded("sess_1", "idle")) == [
        {"type": "signalling", "message": {"type": "peerLeft"}}
    ]


@given(
    st.sampled_from(["client-ready", "send-text", "llm-function-call-result", "client-message", "disconnect-bot", 7]),
    st.fixed_dictionaries(
        {},
        optional={key: JSON for key in ("version", "content", "options", "tool_call_id", "result", "about")},
    )
    | JSON,
    JSON,
)
def test_whatever_a_client_says_is_a_command_or_is_answered(kind: object, data: object, id: object) -> None:
    wire = talking()
    try:
        command = wire.decode(json.dumps({"label": "rtvi-ai", "type": kind, "id": id, "data": data}))
    except BadMessage as error:
        assert error.code == "invalid_json"
        return
    answers = wire.answers()
    assert command is not None or answers
    json.dumps(answers)
