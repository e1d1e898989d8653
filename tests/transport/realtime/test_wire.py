"""The server's side of the protocol: golden events, their order, and the field lists of OpenAI's own package."""

import base64
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.realtime.realtime_server_event import RealtimeServerEvent
from pydantic import TypeAdapter

from voicechat.commands import TruncateItem, UpdateSettings
from voicechat.config import NameSettings, Settings, TtsSettings
from voicechat.conversation import (
    Codec,
    Item,
    ItemStatus,
    Kind,
    Role,
    SessionSettings,
    Tokens,
    Tool,
    TurnDetection,
)
from voicechat.errors import BadMessage
from voicechat.events import (
    Event,
    Failed,
    InputCleared,
    InputCommitted,
    InputDropped,
    InputTimedOut,
    ItemAdded,
    ItemDeleted,
    ItemRetrieved,
    ItemTruncated,
    Noted,
    ReplyAudible,
    ReplyCalled,
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
    ToolEnded,
    TranscriptFailed,
    TranscriptFinal,
    TranscriptPartial,
    TurnMeasured,
)
from voicechat.g711 import ALAW, MULAW, Law
from voicechat.transport.realtime.wire import RealtimeWire

THEIRS: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)

SPOKEN = Item("item_1", Role.USER, "", spoken=True)
DRAFT = Item("item_2", Role.ASSISTANT, "", spoken=True, status=ItemStatus.IN_PROGRESS)
WRITTEN = Item("item_4", Role.ASSISTANT, "", status=ItemStatus.IN_PROGRESS)

STARTED = ReplyStarted("resp_1", 1, DRAFT, "item_1", speaks=True)

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
    STARTED,
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
EVERYTHING = SessionSettings(
    voice="amy",
    language="de",
    tools=(Tool("weather", "of a city", '{"type":"object","properties":{"city":{"type":"string"}}}'),),
    tool_choice="weather",
    parallel_tools=False,
    max_tokens=300,
    hears=Codec.MULAW,
    plays=Codec.ALAW,
    labels=("maps",),
    turns=TurnDetection(idle=6.0),
    extras=(("truncation", "disabled"), ("tracing", "auto"), ("noise_reduction", {"type": "near_field"})),
)
ASKS_FOR_ALL = SessionSettings(extras=(("include", ["voicechat.state", "voicechat.latency", "voicechat.partials"]),))


def say(events: Sequence[Event], wire: RealtimeWire | None = None) -> list[dict[str, Any]]:
    wire = wire or RealtimeWire("sess_a", channel="websocket")
    return [message for event in events for message in wire.encode(event)]


def kinds(messages: Sequence[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in messages]


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
    ("status", "end"),
    [
        (ReplyStatus.COMPLETED, "output_audio_buffer.stopped"),
        (ReplyStatus.CANCELLED, "output_audio_buffer.cleared"),
    ],
)
def test_webrtc_caller_is_told_what_the_servers_speaker_does(status: ReplyStatus, end: str) -> None:
    wire = RealtimeWire("sess_a", channel="webrtc")
    messages = say([*LISTENED, finished(status, reason="turn_detected")], wire)
    assert kinds(messages)[17:] == [
        "output_audio_buffer.started", *END_KINDS, end
    ]  # fmt: skip
    assert messages[-1]["response_id"] == "resp_1"


def test_answer_cut_before_its_first_sound_clears_no_speaker() -> None:
    messages = say([*LISTENED[:-1], finished(ReplyStatus.CANCELLED)], RealtimeWire("sess_a", channel="webrtc"))
    assert kinds(messages)[-1] == "response.done"


def test_session_created_has_every_default_resolved() -> None:
    wire = RealtimeWire("sess_a", channel="websocket", model="gpt-realtime", transcriber="small.en", expires_at=99)
    settings = SessionSettings(instructions="Be kind.", voice="amy", language="en", turns=TurnDetection(silence=0.5))
    created, conversation = say([SessionStarted("sess_a", settings)], wire)
    assert conversation == {
        "event_id": "event_2",
        "type": "conversation.created",
        "conversation": {"id": "conv_a", "object": "realtime.conversation"},
    }
    assert created == {
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
            "parallel_tool_calls": True,
            "max_output_tokens": "inf",
            "truncation": "auto",
            "tracing": None,
            "prompt": None,
            "include": None,
            "expires_at": 99,
        },
    }


def test_answer_begins_with_these_very_events() -> None:
    messages = say(LISTENED)[11:]
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
    assert [{key: value for key, value in message.items() if key != "event_id"} for message in messages] == [
        {"type": "response.created", "response": response},
        {"type": "rate_limits.updated", "rate_limits": []},
        {"type": "response.output_item.added", "response_id": "resp_1", "output_index": 0, "item": item},
        {"type": "conversation.item.added", "previous_item_id": "item_1", "item": item},
        {"type": "response.content_part.added", **where, "part": {"type": "audio", "transcript": ""}},
        {"type": "response.output_audio_transcript.delta", **where, "delta": "It is noon. "},
    ]
    numbers = [message["event_id"] for message in messages]
    assert numbers == [f"event_{number}" for number in range(12, 18)]


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


def test_failed_answer_is_told_by_its_end_alone() -> None:
    failure = Failed("agent_timeout", "why", reply="resp_1")
    messages = say([*LISTENED, failure, finished(ReplyStatus.FAILED, reason="agent_timeout")])
    assert "error" not in kinds(messages)


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


def test_sound_is_pcm_of_the_answer_in_progress_alone() -> None:
    wire = RealtimeWire("sess_a", channel="websocket")
    samples = np.array([0, 1, -2], np.int16)
    assert wire.audio(1, samples) == []
    say(LISTENED, wire)
    [message] = wire.audio(1, samples)
    assert base64.b64decode(str(message["delta"])) == b"\x00\x00\x01\x00\xfe\xff"
    assert (message["response_id"], message["item_id"]) == ("resp_1", "item_2")
    assert wire.audio(2, samples) == []
    say([finished(ReplyStatus.COMPLETED)], wire)
    assert wire.audio(1, samples) == []


@pytest.mark.parametrize(("codec", "law"), [(Codec.MULAW, MULAW), (Codec.ALAW, ALAW)])
def test_sound_of_a_telephone_has_a_byte_for_every_third_sample(codec: Codec, law: Law) -> None:
    wire = RealtimeWire("sess_a", channel="websocket")
    tone = (8000 * np.sin(np.arange(24_000) * (2 * np.pi * 440 / 24_000))).astype(np.int16)
    [created, *_] = say([replace(STARTED, plays=codec), ReplyText("resp_1", "La.")], wire)
    assert created["response"]["audio"]["output"]["format"] == {"type": str(codec)}
    messages: list[dict[str, Any]] = []
    for start in range(0, 24_000, 480):
        messages += wire.audio(1, tone[start : start + 480])
    messages += say([finished(ReplyStatus.COMPLETED)], wire)
    deltas = [base64.b64decode(each["delta"]) for each in messages if each["type"].endswith("output_audio.delta")]
    samples = law.decode(b"".join(deltas))
    assert len(samples) == 8000
    expected = 8000 * np.sin(np.arange(8000) * (2 * np.pi * 440 / 8000))
    assert np.abs(samples[200:-200] - expected[200:-200]).max() < 400
    assert kinds(messages).index("response.output_audio.done") == len(deltas)


def test_cut_answer_of_a_telephone_sends_no_rest() -> None:
    wire = RealtimeWire("sess_a", channel="websocket")
    say([replace(STARTED, plays=Codec.MULAW), ReplyText("resp_1", "La.")], wire)
    wire.audio(1, np.ones(480, np.int16))
    messages = say([finished(ReplyStatus.CANCELLED, "", "turn_detected")], wire)
    assert kinds(messages) == END_KINDS


def test_news_of_an_unknown_answer_is_not_told() -> None:
    assert say([ReplyText("resp_9", "x"), ReplyAudible("resp_9"), finished(ReplyStatus.CANCELLED)]) == []
    assert say([InputDropped(1.0)]) == []


def test_metadata_of_an_answer_is_told_with_it() -> None:
    metadata = {"client_event_id": "7"}
    messages = say([replace(STARTED, metadata=metadata), ReplyText("resp_1", "x"), finished(ReplyStatus.COMPLETED)])
    assert messages[0]["response"]["metadata"] == messages[-1]["response"]["metadata"] == metadata


CALL = Item("item_5", Role.ASSISTANT, '{"city":"Bern"}', kind=Kind.CALL, call="call_1", name="weather")
CALLED = ReplyCalled("resp_1", CALL, 0, "item_1")
CALL_KINDS = [
    "response.output_item.added",
    "conversation.item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_item.done",
    "conversation.item.done",
]
CALLING_TURN: list[Event] = [
    *LISTENED[:10], CALLED, replace(finished(ReplyStatus.COMPLETED, ""), text="", calls=(CALL,))
]  # fmt: skip


def test_answer_that_only_calls_a_tool_has_no_message() -> None:
    messages = say(CALLING_TURN)[13:]
    assert kinds(messages) == [*CALL_KINDS, "response.done"]
    item = {
        "id": "item_5",
        "object": "realtime.item",
        "type": "function_call",
        "status": "completed",
        "call_id": "call_1",
        "name": "weather",
        "arguments": '{"city":"Bern"}',
    }
    assert messages[0]["item"] == {**item, "status": "in_progress", "arguments": ""}
    assert messages[1]["item"]["call_id"] == "call_1", "pipecat takes the call from here"
    assert {key: value for key, value in messages[3].items() if key != "event_id"} == {
        "type": "response.function_call_arguments.done",
        "response_id": "resp_1",
        "output_index": 0,
        "item_id": "item_5",
        "call_id": "call_1",
        "name": "weather",
        "arguments": '{"city":"Bern"}',
    }
    assert messages[4]["item"] == item
    assert messages[-1]["response"]["output"] == [item]


def test_call_after_words_comes_second_in_the_answer() -> None:
    messages = say([*LISTENED, replace(CALLED, index=1, previous="item_2"), finished(ReplyStatus.COMPLETED)])
    called = messages[17:23]
    assert kinds(called) == CALL_KINDS
    assert called[1]["previous_item_id"] == "item_2"
    assert {message["output_index"] for message in called if "output_index" in message} == {1}
    assert {message["output_index"] for message in messages[23:] if "output_index" in message} == {0}
    assert [item["type"] for item in messages[-1]["response"]["output"]] == ["message", "function_call"]


def test_message_whose_words_are_not_spoken_yet_is_told_of_before_the_call() -> None:
    messages = say([STARTED, replace(CALLED, index=1)])
    added = [message for message in messages if message["type"] == "response.output_item.added"]
    assert [(message["output_index"], message["item"]["type"]) for message in added] == [
        (0, "message"), (1, "function_call")
    ]  # fmt: skip


MCP_CALL = replace(CALLED, ours="maps")
WORKED = ToolEnded("resp_1", "call_1", "weather", "It snows.", failed=False, seconds=0.2)
MCP_TURN: list[Event] = [
    SessionStarted("sess_a", SessionSettings(labels=("maps",))),
    STARTED,
    MCP_CALL,
    WORKED,
    finished(ReplyStatus.COMPLETED),
]


def test_tools_of_this_house_are_told_to_who_asked_for_their_server() -> None:
    messages = say(MCP_TURN)
    assert kinds(messages)[4:10] == [
        "response.output_item.added",
        "response.mcp_call.in_progress",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.completed",
        "response.output_item.done",
    ]
    item = {
        "id": "item_5",
        "type": "mcp_call",
        "server_label": "maps",
        "name": "weather",
        "arguments": '{"city":"Bern"}',
        "output": "It snows.",
    }
    assert messages[9]["item"] == item
    assert messages[-1]["response"]["output"][0] == item
    assert messages[-1]["response"]["output"][1]["type"] == "message"


def test_failed_tool_of_this_house_says_why() -> None:
    messages = say([*MCP_TURN[:3], replace(WORKED, failed=True, output="no map")])
    assert kinds(messages)[-2:] == ["response.mcp_call.failed", "response.output_item.done"]
    assert messages[-1]["item"]["error"] == {"type": "tool_execution_error", "message": "no map"}


def test_tools_of_this_house_are_nobody_elses_business() -> None:
    events: list[Event] = [STARTED, MCP_CALL, WORKED, ReplyText("resp_1", "It snows.")]
    assert kinds(say(events)) == [
        "response.created",
        "rate_limits.updated",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
    ]


def test_answer_outside_the_conversation_enters_none() -> None:
    item = replace(WRITTEN, id="item_7")
    aside = replace(STARTED, reply="resp_7", item=item, previous=None, speaks=False, stored=False)
    done = ReplyFinished("resp_7", Item("item_7", Role.ASSISTANT, "Fine."), ReplyStatus.COMPLETED, "Fine.", 0.0)
    wire = RealtimeWire("sess_a", channel="websocket")
    say(LISTENED, wire)
    messages = say([aside, ReplyText("resp_7", "Fine."), ReplyText("resp_1", "And so on."), done], wire)
    assert [(message["type"], message.get("response_id", "")) for message in messages] == [
        ("response.created", ""),
        ("rate_limits.updated", ""),
        ("response.output_item.added", "resp_7"),
        ("response.content_part.added", "resp_7"),
        ("response.output_text.delta", "resp_7"),
        ("response.output_audio_transcript.delta", "resp_1"),
        ("response.output_text.done", "resp_7"),
        ("response.content_part.done", "resp_7"),
        ("response.output_item.done", "resp_7"),
        ("response.done", ""),
    ]
    assert messages[0]["response"]["conversation_id"] is None
    [sound] = wire.audio(1, np.zeros(480, np.int16))
    assert sound["response_id"] == "resp_1"


def test_answer_without_a_word_still_has_its_message() -> None:
    assert kinds(say([STARTED, finished(ReplyStatus.CANCELLED, "", "client_cancelled")]))[2:5] == [
        "response.output_item.added", "conversation.item.added", "response.content_part.added"
    ]  # fmt: skip


def test_incomplete_answer_says_what_was_too_much_and_what_it_cost() -> None:
    end = replace(finished(ReplyStatus.INCOMPLETE, reason="max_output_tokens"), tokens=Tokens(100, 80, 20))
    response = say([replace(STARTED, max_tokens=20), ReplyText("resp_1", "It is"), end])[-1]["response"]
    assert (response["status"], response["max_output_tokens"]) == ("incomplete", 20)
    assert response["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
    assert response["usage"] == {
        "total_tokens": 120,
        "input_tokens": 100,
        "output_tokens": 20,
        "input_token_details": {
            "text_tokens": 100,
            "audio_tokens": 0,
            "image_tokens": 0,
            "cached_tokens": 80,
            "cached_tokens_details": {"text_tokens": 80, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": 20, "audio_tokens": 0},
    }


def update(wire: RealtimeWire, **session: Any) -> SessionSettings:
    command = wire.decode(json.dumps({"type": "session.update", "session": session}))
    assert isinstance(command, UpdateSettings)
    changes: dict[str, Any] = dict(command.changes)
    return replace(SessionSettings(), **changes)


def test_voice_of_openais_is_ours_and_keeps_its_name() -> None:
    house = Settings(names=NameSettings(voices={"marin": "amy"}), tts=TtsSettings(voice="house"))
    wire = RealtimeWire("sess_a", channel="websocket", house=house)
    say([SessionStarted("sess_a", SessionSettings(voice="house"))], wire)
    for asked, ours in {"marin": "amy", "ash": "house", "bob": "bob"}.items():
        settings = update(wire, audio={"output": {"voice": asked}})
        assert settings.voice == ours
        [updated] = say([SettingsChanged(settings)], wire)
        assert updated["session"]["audio"]["output"]["voice"] == asked
        [created, _] = say([replace(STARTED, voice=ours)], wire)
        assert created["response"]["audio"]["output"]["voice"] == asked


def test_voice_cannot_be_changed_after_its_first_sound() -> None:
    wire = RealtimeWire("sess_a", channel="websocket")
    say([SessionStarted("sess_a", SessionSettings(voice="amy")), *LISTENED[1:]], wire)
    assert update(wire, audio={"output": {"voice": "amy"}}).voice == "amy"
    with pytest.raises(BadMessage) as caught:
        update(wire, audio={"output": {"voice": "bob"}})
    assert caught.value.code == "cannot_update_voice"
    say([SettingsChanged(replace(ASKS_FOR_ALL, voice="amy"))], wire)
    assert update(wire, audio={"output": {"voice": "bob"}}).voice == "bob", "who knows us may"


def test_model_of_a_strange_name_is_told_once() -> None:
    house = Settings(names=NameSettings(models={"house": "x"}))
    wire = RealtimeWire("sess_a", channel="websocket", house=house, model="parrot-9")
    assert kinds(say([SessionStarted("sess_a", SessionSettings())], wire)) == [
        "session.created", "conversation.created", "voicechat.warning"
    ]  # fmt: skip
    for model in ("parrot-9", "gpt-realtime-2.1", "house"):
        [updated] = say([SettingsChanged(update(wire, model=model))], wire)
        assert updated["session"]["model"] == model


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


@pytest.mark.parametrize("turn", [SPOKEN_TURN, INTERRUPTED_TURN, TYPED_TURN, CALLING_TURN, MCP_TURN])
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
        InputTimedOut("item_9", 4.5, 10.5),
        ItemAdded(CALL, "item_1"),
        ItemAdded(Item("item_6", Role.USER, "It snows.", kind=Kind.OUTPUT, call="call_1"), "item_5"),
        SettingsChanged(EVERYTHING),
        Failed("invalid_json", "Not JSON."),
    ]
    told = say(turn[:-1], wire)
    told += wire.audio(1, np.zeros(480, np.int16))
    for message in [*told, *say([turn[-1], *others], wire)]:
        known = THEIRS.validate_python(message, strict=True)
        assert known.type == message["type"]
        assert not known.model_extra, f"{message['type']}: {known.model_extra}"


REASONS = {
    ReplyStatus.CANCELLED: "turn_detected",
    ReplyStatus.INCOMPLETE: "content_filter",
    ReplyStatus.FAILED: "agent_timeout",
}
STEPS = st.sampled_from(["text", "sound", "audible", "theirs", "ours"])


@settings(deadline=None, max_examples=60)
@given(st.lists(STEPS, max_size=8), st.sampled_from(ReplyStatus), st.sampled_from(Codec), st.booleans())
def test_whatever_happens_to_an_answer_all_that_was_opened_is_closed(
    steps: list[str], status: ReplyStatus, codec: Codec, stored: bool
) -> None:
    wire = RealtimeWire("sess_a", channel="webrtc")
    begun: list[Event] = [SettingsChanged(SessionSettings(labels=("maps",)))]
    messages = say([*begun, replace(STARTED, plays=codec, stored=stored)], wire)
    spoken = ""
    calls: list[Item] = []
    for number, step in enumerate(steps):
        item = replace(CALL, id=f"item_c{number}", call=f"call_{number}")
        match step:
            case "text":
                spoken += "word "
                messages += say([ReplyText("resp_1", "word ")], wire)
            case "sound":
                messages += wire.audio(1, np.ones(480, np.int16))
            case "audible":
                messages += say([ReplyAudible("resp_1")], wire)
            case "theirs":
                calls.append(item)
                messages += say([ReplyCalled("resp_1", item, 0, "item_1")], wire)
            case "ours":
                messages += say([ReplyCalled("resp_1", item, 0, None, "maps")], wire)
                messages += say([replace(WORKED, call=item.call)], wire)
    end = finished(status, spoken.strip(), REASONS.get(status))
    messages += say([replace(end, text=spoken.strip(), calls=tuple(calls))], wire)
    for message in messages:
        THEIRS.validate_python(message, strict=True)
    for opening in ("response.output_item", "response.content_part", "conversation.item"):
        opened = [each for each in messages if each["type"] == f"{opening}.added"]
        closed = [each for each in messages if each["type"] == f"{opening}.done"]
        assert sorted(map(_id, opened)) == sorted(map(_id, closed))
        assert stored or opening != "conversation.item" or not opened
    done = next(each for each in messages if each["type"] == "response.done")
    places = {_id(each): each["output_index"] for each in messages if each["type"] == "response.output_item.added"}
    assert [item["id"] for item in done["response"]["output"]] == sorted(places, key=lambda id: places[id])
    assert all(each["output_index"] == places[_id(each)] for each in messages if "output_index" in each)


def _id(message: dict[str, Any]) -> str:
    return str(message["item"]["id"] if "item" in message else message["item_id"])


CLIENTS = Path(__file__).parents[3] / ".venv-clients" / "bin" / "python"
SHAPES = Path(__file__).parents[2] / "clients" / "python" / "shapes.py"


def test_every_event_is_one_that_stock_clients_take() -> None:
    if not CLIENTS.exists():
        pytest.skip("other people's clients are not installed; `make clients` does it")
    wire = RealtimeWire("sess_a", channel="websocket")
    others: list[Event] = [
        SettingsChanged(replace(EVERYTHING, tool_choice="required", labels=())),
        TranscriptFailed("item_1", "engine_failed", "It broke."),
        ItemRetrieved(SPOKEN),
        ItemAdded(Item("item_6", Role.USER, "", kind=Kind.OUTPUT, call="call_1"), "item_5"),
        ItemDeleted("item_1"),
        ItemTruncated(DRAFT, 0.5),
        InputTimedOut("item_9", 4.5, 10.5),
        Failed("invalid_json", "Not JSON."),
    ]
    events = [event for turn in (SPOKEN_TURN, INTERRUPTED_TURN, TYPED_TURN, CALLING_TURN) for event in turn]
    lines = "".join(f"{json.dumps(message)}\n" for message in say([*events, *others], wire))
    quiet = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "OPENAI_AGENTS_DISABLE_TRACING": "1"}
    done = subprocess.run([CLIENTS, SHAPES], input=lines, capture_output=True, text=True, timeout=55, env=quiet)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
