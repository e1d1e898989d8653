"""The server's side of the protocol: whole turns in their order, and golden events."""

from typing import Any

import pytest

from tests.realtime_turns import DRAFT, INTERRUPTED_TURN, SPOKEN_TURN, TYPED_TURN, kinds, say
from voicechat.conversation import Item, Role
from voicechat.events import (
    Event,
    Failed,
    InputCleared,
    InputCommitted,
    InputTimedOut,
    ItemDeleted,
    ItemRetrieved,
    ItemTruncated,
    Noted,
    SpeechStarted,
    SpeechStopped,
    TranscriptFailed,
)

HEARD_KINDS = [
    "session.created",
    "conversation.created",
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
    "rate_limits.updated",
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
        "conversation.created",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "rate_limits.updated",
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
    assert messages[8]["part"] == {"type": "text", "text": ""}
    assert messages[-1]["response"]["output"][0]["content"] == [{"type": "output_text", "text": "Hi there."}]


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
        (
            InputTimedOut("item_9", 4.5, 10.5),
            {
                "type": "input_audio_buffer.timeout_triggered",
                "audio_start_ms": 4500,
                "audio_end_ms": 10500,
                "item_id": "item_9",
            },
        ),
        (
            Noted("voice_unknown", "There is no voice 'bob'.", "session.audio.output.voice"),
            {
                "type": "voicechat.warning",
                "code": "voice_unknown",
                "message": "There is no voice 'bob'.",
                "param": "session.audio.output.voice",
            },
        ),
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
                "error": {"type": "transcription_error", "code": "engine_failed", "message": "It broke."},
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


@pytest.mark.parametrize(
    ("code", "kind"), [("response_cancel_not_active", "invalid_request_error"), ("agent_timeout", "server_error")]
)
def test_errors_say_whose_fault_they_are(code: str, kind: str) -> None:
    assert say([Failed(code, "")])[0]["error"]["type"] == kind
