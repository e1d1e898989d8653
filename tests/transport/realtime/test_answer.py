"""One answer on the wire: how it begins, its sound, how it ends, and that all that was opened is closed."""

import base64
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.realtime.realtime_server_event import RealtimeServerEvent
from pydantic import TypeAdapter

from tests.realtime_turns import CALL, LISTENED, STARTED, WORKED, WRITTEN, finished, kinds, say
from voicechat.conversation import Codec, Item, Role, SessionSettings, Tokens
from voicechat.events import (
    Event,
    Failed,
    InputDropped,
    ReplyAudible,
    ReplyCalled,
    ReplyFinished,
    ReplyStatus,
    ReplyText,
    SettingsChanged,
)
from voicechat.g711 import ALAW, MULAW, Law
from voicechat.transport.realtime.wire import RealtimeWire

THEIRS: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
END_KINDS = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "conversation.item.done",
    "response.done",
]


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
