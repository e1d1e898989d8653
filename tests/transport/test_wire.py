"""The server's side of the protocol: golden events, their order, and the field lists of OpenAI's own package."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from openai.types.realtime.realtime_server_event import RealtimeServerEvent
from pydantic import TypeAdapter

from voicechat.conversation import Item, ItemStatus, Role, SessionSettings, TurnDetection
from voicechat.events import (
    Event,
    Failed,
    InputCleared,
    InputCommitted,
    InputDropped,
    ItemAdded,
    ItemDeleted,
    ItemRetrieved,
    ItemTruncated,
    ReplyAudible,
    ReplyFinished,
    ReplyPaused,
    ReplyResumed,
    ReplyStarted,
    ReplyStatus,
    ReplyText,
    SessionStarted,
    SettingsChanged,
    SpeechStarted,
    SpeechStopped,
    State,
    StateChanged,
    TranscriptFailed,
    TranscriptFinal,
    TranscriptPartial,
    TurnMeasured,
)
from voicechat.transport.wire import RealtimeWire

THEIRS: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)

SPOKEN = Item("item_1", Role.USER, "", spoken=True)
DRAFT = Item("item_2", Role.ASSISTANT, "", spoken=True, status=ItemStatus.IN_PROGRESS)
WRITTEN = Item("item_4", Role.ASSISTANT, "", status=ItemStatus.IN_PROGRESS)

LISTENED: list[Event] = [
    SessionStarted("sess_a", SessionSettings()),
    StateChanged(State.LISTENING),
    SpeechStarted("item_1", 0.48),
    TranscriptPartial("item_1", "what", " time is"),
    TranscriptPartial("item_1", "what time is", " it now"),
    SpeechStopped("item_1", 2.5),
    InputCommitted("item_1", None),
    ItemAdded(SPOKEN, None),
    TranscriptFinal("item_1", "what time is it now?", 0.9, 2.02, 0.3),
    ReplyStarted("resp_1", 1, DRAFT, "item_1", speaks=True),
    ReplyText("resp_1", "It is noon. "),
    ReplyAudible("resp_1"),
]


def finished(status: ReplyStatus, text: str = "It is noon.", reason: str | None = None) -> ReplyFinished:
    done = ItemStatus.COMPLETED if status is ReplyStatus.COMPLETED else ItemStatus.INCOMPLETE
    item = Item("item_2", Role.ASSISTANT, text, spoken=True, status=done)
    return ReplyFinished("resp_1", item, status, "It is noon.", 1.2, reason, "why" if reason else None)


SPOKEN_TURN = [*LISTENED, finished(ReplyStatus.COMPLETED)]
INTERRUPTED_TURN = [*LISTENED, SpeechStarted("item_3", 4.0), finished(ReplyStatus.CANCELLED, "It is", "turn_detected")]
TYPED_TURN: list[Event] = [
    SessionStarted("sess_a", SessionSettings(speaks=False)),
    ItemAdded(Item("item_3", Role.USER, "hello"), "item_2"),
    ReplyStarted("resp_2", 2, WRITTEN, "item_3", speaks=False),
    ReplyText("resp_2", "Hi "),
    ReplyText("resp_2", "there."),
    ReplyFinished("resp_2", Item("item_4", Role.ASSISTANT, "Hi there."), ReplyStatus.COMPLETED, "Hi there.", 0.0),
]
ASKS_FOR_ALL = SessionSettings(extras=(("include", ["voicechat.state", "voicechat.latency", "voicechat.partials"]),))


def say(events: Sequence[Event], wire: RealtimeWire | None = None) -> list[dict[str, Any]]:
    wire = wire or RealtimeWire("sess_a", channel="websocket")
    return [message for event in events for message in wire.encode(event)]


def kinds(messages: Sequence[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in messages]


HEARD_KINDS = [
    "session.created",
    "input_audio_buffer.speech_started",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.delta",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.completed",
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
]
END_KINDS = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "conversation.item.done",
    "response.done",
]


def test_spoken_turn_comes_in_the_order_stock_clients_expect() -> None:
    assert kinds(say(SPOKEN_TURN)) == HEARD_KINDS + END_KINDS


def test_interrupted_turn_stops_the_speaker_before_it_closes_the_answer() -> None:
    messages = say(INTERRUPTED_TURN)
    assert kinds(messages) == [*HEARD_KINDS, "input_audio_buffer.speech_started", *END_KINDS]
    response = messages[-1]["response"]
    assert response["status"] == "cancelled"
    assert response["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert response["output"][0]["status"] == "incomplete"
    assert response["output"][0]["content"] == [{"type": "output_audio", "transcript": "It is"}]
    assert messages[-5]["transcript"] == "It is noon."


def test_typed_turn_is_all_text() -> None:
    messages = say(TYPED_TURN)
    assert kinds(messages) == [
        "session.created",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    assert messages[6]["part"] == {"type": "text", "text": ""}
    assert messages[-1]["response"]["output"][0]["content"] == [{"type": "output_text", "text": "Hi there."}]


@pytest.mark.parametrize(
    ("status", "end"), [(ReplyStatus.COMPLETED, "stopped"), (ReplyStatus.CANCELLED, "cleared")]
)
def test_webrtc_caller_is_told_what_the_servers_speaker_does(status: ReplyStatus, end: str) -> None:
    wire = RealtimeWire("sess_a", channel="webrtc")
    messages = say([*LISTENED, finished(status, reason="turn_detected")], wire)
    assert kinds(messages)[15:] == [
        "output_audio_buffer.started", *END_KINDS, f"output_audio_buffer.{end}"
    ]  # fmt: skip
    assert messages[-1]["response_id"] == "resp_1"


def test_answer_cut_before_its_first_sound_clears_no_speaker() -> None:
    messages = say([*LISTENED[:-1], finished(ReplyStatus.CANCELLED)], RealtimeWire("sess_a", channel="webrtc"))
    assert kinds(messages)[-1] == "response.done"


def test_session_created_has_every_default_resolved() -> None:
    wire = RealtimeWire("sess_a", channel="websocket", model="gpt-realtime", transcriber="small.en", expires_at=99)
    settings = SessionSettings(instructions="Be kind.", voice="amy", language="en", turns=TurnDetection(silence=0.5))
    assert say([SessionStarted("sess_a", settings)], wire) == [
        {
            "event_id": "event_1",
            "type": "session.created",
            "session": {
                "type": "realtime",
                "object": "realtime.session",
                "id": "sess_a",
                "model": "gpt-realtime",
                "output_modalities": ["audio"],
                "instructions": "Be kind.",
                "audio": {
                    "input": {
                        "format": {"type": "audio/pcm", "rate": 24000},
                        "transcription": {"model": "small.en", "language": "en"},
                        "noise_reduction": None,
                        "turn_detection": {
                            "type": "server_vad",
                            "threshold": 0.5,
                            "prefix_padding_ms": 300,
                            "silence_duration_ms": 500,
                            "idle_timeout_ms": None,
                            "create_response": True,
                            "interrupt_response": True,
                        },
                    },
                    "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "amy", "speed": 1.0},
                },
                "tools": [],
                "tool_choice": "auto",
                "max_output_tokens": "inf",
                "truncation": "auto",
                "tracing": None,
                "prompt": None,
                "include": None,
                "expires_at": 99,
            },
        }
    ]


def test_answer_begins_with_these_very_events() -> None:
    messages = say(LISTENED)[10:]
    where = {"response_id": "resp_1", "item_id": "item_2", "output_index": 0, "content_index": 0}
    item = {
        "id": "item_2",
        "object": "realtime.item",
        "type": "message",
        "role": "assistant",
        "status": "in_progress",
        "content": [],
    }
    response = {
        "object": "realtime.response",
        "id": "resp_1",
        "status": "in_progress",
        "status_details": None,
        "output": [],
        "conversation_id": "conv_a",
        "output_modalities": ["audio"],
        "max_output_tokens": "inf",
        "audio": {"output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": ""}},
        "usage": None,
        "metadata": None,
    }
    assert messages == [
        {"event_id": "event_11", "type": "response.created", "response": response},
        {
            "event_id": "event_12",
            "type": "response.output_item.added",
            "response_id": "resp_1",
            "output_index": 0,
            "item": item,
        },
        {"event_id": "event_13", "type": "conversation.item.added", "previous_item_id": "item_1", "item": item},
        {
            "event_id": "event_14",
            "type": "response.content_part.added",
            **where,
            "part": {"type": "audio", "transcript": ""},
        },
        {
            "event_id": "event_15",
            "type": "response.output_audio_transcript.delta",
            **where,
            "delta": "It is noon. ",
        },
    ]


@pytest.mark.parametrize(
    ("event", "golden"),
    [
        (
            SpeechStarted("item_1", 0.4804),
            {"type": "input_audio_buffer.speech_started", "audio_start_ms": 480, "item_id": "item_1"},
        ),
        (
            SpeechStopped("item_1", 2.5),
            {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 2500, "item_id": "item_1"},
        ),
        (
            InputCommitted("item_2", "item_1"),
            {"type": "input_audio_buffer.committed", "previous_item_id": "item_1", "item_id": "item_2"},
        ),
        (InputCleared(), {"type": "input_audio_buffer.cleared"}),
        (ItemDeleted("item_1"), {"type": "conversation.item.deleted", "item_id": "item_1"}),
        (
            ItemTruncated(DRAFT, 1.25),
            {"type": "conversation.item.truncated", "item_id": "item_2", "content_index": 0, "audio_end_ms": 1250},
        ),
        (
            ItemRetrieved(Item("item_1", Role.USER, "good morning", spoken=True)),
            {
                "type": "conversation.item.retrieved",
                "item": {
                    "id": "item_1",
                    "object": "realtime.item",
                    "type": "message",
                    "role": "user",
                    "status": "completed",
                    "content": [{"type": "input_audio", "transcript": "good morning"}],
                },
            },
        ),
        (
            TranscriptFailed("item_1", "engine_failed", "It broke."),
            {
                "type": "conversation.item.input_audio_transcription.failed",
                "item_id": "item_1",
                "content_index": 0,
                "error": {
                    "type": "transcription_error",
                    "code": "engine_failed",
                    "message": "It broke.",
                    "param": None,
                },
            },
        ),
        (
            Failed("invalid_value", "Not so.", "session.audio", "mine_7"),
            {
                "type": "error",
                "error": {
                    "type": "invalid_request_error",
                    "code": "invalid_value",
                    "message": "Not so.",
                    "param": "session.audio",
                    "event_id": "mine_7",
                },
            },
        ),
    ],
)
def test_single_events_are_golden(event: Event, golden: dict[str, Any]) -> None:
    assert say([event]) == [{"event_id": "event_1", **golden}]


def test_failed_answer_says_why() -> None:
    failed = finished(ReplyStatus.FAILED, reason="agent_timeout")
    assert say([*LISTENED, failed])[-1]["response"]["status_details"] == {
        "type": "failed",
        "error": {"type": "server_error", "code": "agent_timeout", "message": "why"},
    }


@pytest.mark.parametrize(
    ("code", "kind"), [("response_cancel_not_active", "invalid_request_error"), ("agent_timeout", "server_error")]
)
def test_errors_say_whose_fault_they_are(code: str, kind: str) -> None:
    assert say([Failed(code, "")])[0]["error"]["type"] == kind


def understand(final: str, *stable: str) -> list[dict[str, Any]]:
    return say([*(TranscriptPartial("item_1", text) for text in stable), TranscriptFinal("item_1", final, 1, 1, 1)])


def test_transcript_deltas_are_never_taken_back() -> None:
    messages = understand("the cat spat", "the", "the cat", "the cat", "the cat sat")
    assert [message["delta"] for message in messages[:-1]] == ["the", " cat", " sat"]
    assert (messages[-1]["transcript"], messages[-1]["revised"]) == ("the cat spat", True)


def test_transcript_deltas_join_to_the_final_transcript_when_nothing_was_revised() -> None:
    messages = understand("one two, three!", "one", "one two")
    assert "".join(message["delta"] for message in messages[:-1]) == messages[-1]["transcript"] == "one two, three!"
    assert "revised" not in messages[-1]
    assert [message.get("delta") for message in understand("one two.")] == ["one two.", None]


def test_caller_who_wants_no_transcripts_gets_none() -> None:
    events = [SessionStarted("sess_a", SessionSettings(transcribes=False)), *SPOKEN_TURN[1:]]
    assert not [kind for kind in kinds(say(events)) if "transcription" in kind]
    assert say(events)[0]["session"]["audio"]["input"]["transcription"] is None


def test_own_events_come_only_to_those_who_ask() -> None:
    own: list[Event] = [
        StateChanged(State.THINKING),
        TranscriptPartial("item_5", "", "well"),
        TurnMeasured(1, 0.3, 0.5, 0.55, 0.6504),
        ReplyStarted("resp_1", 1, DRAFT, "item_1", speaks=True),
        ReplyPaused("resp_1"),
        ReplyResumed("resp_1"),
    ]
    assert kinds(say(own)) == [
        "response.created", "response.output_item.added", "conversation.item.added", "response.content_part.added"
    ]  # fmt: skip
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


def test_sound_is_pcm_of_the_answer_in_progress_alone() -> None:
    wire = RealtimeWire("sess_a", channel="websocket")
    samples = np.array([0, 1, -2], np.int16)
    assert wire.audio(1, samples) is None
    say(LISTENED, wire)
    message = wire.audio(1, samples)
    assert message is not None
    assert base64.b64decode(str(message["delta"])) == b"\x00\x00\x01\x00\xfe\xff"
    assert (message["response_id"], message["item_id"]) == ("resp_1", "item_2")
    assert wire.audio(2, samples) is None
    say([finished(ReplyStatus.COMPLETED)], wire)
    assert wire.audio(1, samples) is None


def test_news_of_an_unknown_answer_is_not_told() -> None:
    assert say([ReplyText("resp_9", "x"), ReplyAudible("resp_9"), finished(ReplyStatus.CANCELLED)]) == []
    assert say([InputDropped(1.0)]) == []


def test_metadata_of_a_request_comes_back_with_its_answer_once() -> None:
    wire = RealtimeWire("sess_a", channel="websocket")
    wire.decode('{"type":"response.create","response":{"metadata":{"client_event_id":"7"}}}')
    assert say(LISTENED, wire)[10]["response"]["metadata"] == {"client_event_id": "7"}
    assert say([finished(ReplyStatus.COMPLETED)], wire)[-1]["response"]["metadata"] == {"client_event_id": "7"}
    assert say(LISTENED, wire)[10]["response"]["metadata"] is None


@pytest.mark.parametrize("turn", [SPOKEN_TURN, INTERRUPTED_TURN, TYPED_TURN])
@pytest.mark.parametrize("channel", ["websocket", "webrtc"])
def test_every_event_has_the_fields_that_openais_package_knows(turn: list[Event], channel: Any) -> None:
    wire = RealtimeWire("sess_a", channel=channel)
    others: list[Event] = [
        SettingsChanged(SessionSettings(turns=TurnDetection(kind="semantic_vad", eagerness="low"))),
        SettingsChanged(SessionSettings(turns=None, transcribes=False)),
        TranscriptFailed("item_1", "engine_failed", "It broke."),
        ItemAdded(Item("item_0", Role.SYSTEM, "Be brief."), None),
        ItemRetrieved(SPOKEN),
        ItemDeleted("item_1"),
        ItemTruncated(DRAFT, 0.5),
        InputCleared(),
        Failed("invalid_json", "Not JSON."),
    ]
    said = say(turn, wire)
    sound = wire.audio(1, np.zeros(480, np.int16))
    for message in [*said, *say(others, wire), *([sound] if sound else [])]:
        known = THEIRS.validate_python(message, strict=True)
        assert known.type == message["type"]
        assert not known.model_extra, f"{message['type']}: {known.model_extra}"
