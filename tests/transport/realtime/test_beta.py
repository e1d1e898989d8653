"""The protocol's beta: its flat shapes are understood, and what is told has its names, by OpenAI's own types for it."""

from typing import Any

import pytest
from openai.types.beta.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from voicechat.conversation import Codec, Item, ItemStatus, Role, SessionSettings, TurnDetection
from voicechat.events import (
    Event,
    Failed,
    ItemAdded,
    ItemRetrieved,
    ReplyFinished,
    ReplyStarted,
    ReplyStatus,
    ReplyText,
    SessionStarted,
    SettingsChanged,
)
from voicechat.transport.realtime import beta
from voicechat.transport.realtime.wire import RealtimeWire

THEIRS: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)

DRAFT = Item("item_2", Role.ASSISTANT, "", spoken=True, status=ItemStatus.IN_PROGRESS)
SAID = Item("item_2", Role.ASSISTANT, "Good day.", spoken=True)
TURN: list[Event] = [
    SessionStarted("sess_a", SessionSettings(voice="amy")),
    SettingsChanged(SessionSettings(hears=Codec.MULAW, plays=Codec.ALAW, turns=TurnDetection(kind="semantic_vad"))),
    SettingsChanged(SessionSettings(speaks=False, turns=None, transcribes=False)),
    ItemAdded(Item("item_1", Role.USER, "hello"), None),
    ReplyStarted("resp_1", 1, DRAFT, "item_1", speaks=True, voice="amy"),
    ReplyText("resp_1", "Good day."),
    ReplyFinished("resp_1", SAID, ReplyStatus.COMPLETED, "Good day.", 0.8),
    ItemRetrieved(SAID),
    Failed("invalid_json", "Not JSON."),
]


@pytest.mark.parametrize(
    ("flat", "now"),
    [
        (
            {"type": "session.update", "session": {"modalities": ["text", "audio"], "temperature": 0.7}},
            {"type": "session.update", "session": {"output_modalities": ["audio"]}},
        ),
        (
            {
                "type": "session.update",
                "session": {
                    "instructions": "Be kind.",
                    "modalities": ["text"],
                    "voice": "ash",
                    "speed": 1.2,
                    "input_audio_format": "g711_ulaw",
                    "output_audio_format": "pcm16",
                    "input_audio_transcription": {"model": "whisper-1"},
                    "turn_detection": None,
                    "max_response_output_tokens": 50,
                },
            },
            {
                "type": "session.update",
                "session": {
                    "instructions": "Be kind.",
                    "output_modalities": ["text"],
                    "max_output_tokens": 50,
                    "audio": {
                        "input": {
                            "format": {"type": "audio/pcmu"},
                            "transcription": {"model": "whisper-1"},
                            "turn_detection": None,
                        },
                        "output": {"format": {"type": "audio/pcm"}, "voice": "ash", "speed": 1.2},
                    },
                },
            },
        ),
        (
            {"type": "response.create", "response": {"modalities": ["audio", "text"], "voice": "ash"}},
            {
                "type": "response.create",
                "response": {"output_modalities": ["audio"], "audio": {"output": {"voice": "ash"}}},
            },
        ),
        ({"type": "session.update", "session": 7}, {"type": "session.update", "session": 7}),
        ({"type": "response.cancel"}, {"type": "response.cancel"}),
    ],
)
def test_flat_messages_are_understood(flat: dict[str, Any], now: dict[str, Any]) -> None:
    assert beta.understood(flat) == now


def say() -> list[dict[str, Any]]:
    wire = RealtimeWire("sess_a", channel="websocket", model="gpt-4o-realtime-preview", old=True)
    return [message for event in TURN for message in wire.encode(event)]


def test_what_is_told_has_the_names_of_the_beta() -> None:
    assert [message["type"] for message in say()] == [
        "session.created",
        "conversation.created",
        "session.updated",
        "session.updated",
        "conversation.item.created",
        "response.created",
        "rate_limits.updated",
        "response.output_item.added",
        "conversation.item.created",
        "response.content_part.added",
        "response.audio_transcript.delta",
        "response.audio.done",
        "response.audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
        "conversation.item.retrieved",
        "error",
    ]


def test_what_is_told_has_the_fields_of_the_beta() -> None:
    for message in say():
        known = THEIRS.validate_python(message, strict=True)
        assert known.type == message["type"]
        extra = {*(known.model_extra or {})} | {*(getattr(known, "session", known).model_extra or {})}
        assert extra <= {"object", "include", "expires_at"}, f"{message['type']}: {extra}"
    created, done = say()[0]["session"], say()[15]["response"]
    assert (created["voice"], created["modalities"], created["turn_detection"]["type"]) == (
        "amy", ["text", "audio"], "server_vad"
    )  # fmt: skip
    assert (say()[2]["session"]["input_audio_format"], say()[2]["session"]["output_audio_format"]) == (
        "g711_ulaw", "g711_alaw"
    )  # fmt: skip
    assert done["output"][0]["content"] == [{"type": "audio", "transcript": "Good day."}]
    assert not {"audio", "output_modalities"} & done.keys()
