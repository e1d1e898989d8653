"""A session's settings on the wire, with the names that a client gave things."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.realtime_turns import ASKS_FOR_ALL, LISTENED, STARTED, kinds, say
from voicechat.commands import UpdateSettings
from voicechat.config import NameSettings, Settings, TtsSettings
from voicechat.conversation import SessionSettings, TurnDetection
from voicechat.errors import BadMessage
from voicechat.events import SessionStarted, SettingsChanged
from voicechat.transport.realtime.wire import RealtimeWire


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
