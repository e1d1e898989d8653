"""What a client may change about its session, and that what it may not is refused by name."""

import json
from typing import Any

import pytest

from voicechat.commands import UpdateSettings
from voicechat.config import AgentSettings, McpSettings, Settings, ToolSettings
from voicechat.conversation import Codec, Tool
from voicechat.errors import BadMessage
from voicechat.transport.realtime.messages import Messages

MAPS = {"type": "mcp", "server_label": "maps"}
HOUSE = Settings(agent=AgentSettings(tools=ToolSettings(mcp={"maps": McpSettings(command=("maps",))})))


def update(**session: Any) -> dict[str, object]:
    command = Messages(HOUSE).read(json.dumps({"type": "session.update", "session": session}))
    assert isinstance(command, UpdateSettings)
    return dict(command.changes)


@pytest.mark.parametrize(
    ("session", "changes"),
    [
        ({"type": "realtime"}, {}),
        ({"instructions": "", "model": "gpt-realtime-9"}, {"instructions": ""}),
        ({"output_modalities": ["text"]}, {"speaks": False}),
        ({"audio": {"output": {"voice": "amy", "speed": 1}}}, {"voice": "amy", "speed": 1.0}),
        (
            {"audio": {"output": {"voice": {"id": "amy"}, "format": {"type": "audio/pcm"}}}},
            {"voice": "amy", "plays": Codec.PCM},
        ),
        ({"audio": {"input": {"turn_detection": None}}}, {"turns": None}),
        ({"audio": {"input": {"transcription": None}}}, {"transcribes": False}),
        (
            {"audio": {"input": {"transcription": {"language": "de", "model": "whisper-1"}}}},
            {"transcribes": True, "language": "de", "extras": (("transcription.model", "whisper-1"),)},
        ),
        (
            {
                "audio": {
                    "input": {
                        "format": {"type": "audio/pcm", "rate": 24000},
                        "turn_detection": {
                            "type": "server_vad",
                            "threshold": 0.6,
                            "prefix_padding_ms": 200,
                            "silence_duration_ms": 700,
                            "create_response": False,
                            "interrupt_response": False,
                        },
                    }
                }
            },
            {
                "hears": Codec.PCM,
                "turns": {
                    "kind": "server_vad",
                    "threshold": 0.6,
                    "prefix": 0.2,
                    "silence": 0.7,
                    "adapts": False,
                    "create_reply": False,
                    "interrupt_reply": False,
                },
            },
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "high"}}}},
            {"turns": {"kind": "semantic_vad", "adapts": True, "eagerness": "high"}},
        ),
        ({"tracing": "auto", "include": []}, {"extras": (("include", []), ("tracing", "auto")), "weighs": False}),
        (
            {"include": ["item.input_audio_transcription.logprobs"]},
            {"extras": (("include", ["item.input_audio_transcription.logprobs"]),), "weighs": True},
        ),
        ({"include": None}, {"extras": (("include", None),), "weighs": False}),
        ({"tools": []}, {"tools": (), "labels": (), "allowed": ()}),
        ({"tool_choice": "required"}, {"tool_choice": "required"}),
        (
            {
                "tools": [
                    {"type": "function", "name": "weather", "description": "of a city", "parameters": {"a": 1}},
                    {"type": "mcp", "server_label": "maps"},
                ],
                "tool_choice": {"type": "function", "name": "weather"},
                "parallel_tool_calls": False,
            },
            {
                "tools": (Tool("weather", "of a city", '{"a": 1}'),),
                "labels": ("maps",),
                "allowed": (),
                "tool_choice": "weather",
                "parallel_tools": False,
            },
        ),
        (
            {"tools": [{**MAPS, "require_approval": "never", "allowed_tools": ["find"]}]},
            {"tools": (), "labels": ("maps",), "allowed": (("maps", ("find",)),)},
        ),
        (
            {"tools": [{**MAPS, "server_description": "of the city", "allowed_tools": {"tool_names": ["find"]}}]},
            {"tools": (), "labels": ("maps",), "allowed": (("maps", ("find",)),)},
        ),
        ({"max_output_tokens": 300}, {"max_tokens": 300}),
        ({"max_output_tokens": "inf"}, {"max_tokens": None}),
        (
            {"audio": {"input": {"format": {"type": "audio/pcma"}}, "output": {"format": {"type": "audio/pcmu"}}}},
            {"hears": Codec.ALAW, "plays": Codec.MULAW},
        ),
        ({"audio": {"input": {"turn_detection": {"idle_timeout_ms": 6000}}}}, {"turns": {"idle": 6.0}}),
        ({"audio": {"input": {"turn_detection": {"idle_timeout_ms": None}}}}, {"turns": {"idle": None}}),
        (
            {"audio": {"input": {"noise_reduction": {"type": "near_field"}}}},
            {"extras": (("noise_reduction", {"type": "near_field"}),)},
        ),
    ],
)
def test_session_updates_change_only_what_they_name(session: dict[str, Any], changes: dict[str, object]) -> None:
    assert update(**session) == changes


@pytest.mark.parametrize(
    ("session", "param", "code"),
    [
        ({"type": "translation"}, "session.type", "invalid_value"),
        ({"modalities": ["text"]}, "session.modalities", "unknown_parameter"),
        ({"instructions": 7}, "session.instructions", "invalid_value"),
        ({"output_modalities": ["text", "audio"]}, "session.output_modalities", "invalid_value"),
        ({"output_modalities": "text"}, "session.output_modalities", "invalid_value"),
        ({"include": [7]}, "session.include", "invalid_value"),
        ({"audio": {"input": {"format": {"type": "opus"}}}}, "session.audio.input.format.type", "invalid_value"),
        (
            {"audio": {"output": {"format": {"type": "audio/pcmu", "rate": 24000}}}},
            "session.audio.output.format.rate",
            "invalid_value",
        ),
        ({"tools": [{"type": "song"}]}, "session.tools[0].type", "invalid_value"),
        ({"tools": [{"type": "function", "name": "a b"}]}, "session.tools[0].name", "invalid_value"),
        ({"tools": [{"type": "function", "name": "a"}] * 2}, "session.tools[1].name", "invalid_value"),
        ({"tools": [{"type": "function", "name": f"a{n}"} for n in range(129)]}, "session.tools", "invalid_value"),
        ({"tools": [{"type": "mcp", "server_label": "other"}]}, "session.tools[0].server_label", "invalid_value"),
        *(
            ({"tools": [{**MAPS, key: value}]}, f"session.tools[0].{key}", "unsupported_parameter")
            for key, value in {
                "server_url": "http://10.0.0.1/",
                "connector_id": "connector_gmail",
                "tunnel_id": "t",
                "authorization": "secret",
                "headers": {"a": "b"},
                "require_approval": "always",
            }.items()
        ),
        (
            {"tools": [{**MAPS, "require_approval": {"never": {"tool_names": ["find"]}}}]},
            "session.tools[0].require_approval",
            "unsupported_parameter",
        ),
        (
            {"tools": [{**MAPS, "allowed_tools": {"read_only": True}}]},
            "session.tools[0].allowed_tools.read_only",
            "unsupported_parameter",
        ),
        ({"tools": [{**MAPS, "allowed_tools": [7]}]}, "session.tools[0].allowed_tools", "invalid_value"),
        ({"tools": [MAPS, MAPS]}, "session.tools[1].server_label", "invalid_value"),
        ({"tool_choice": {"type": "mcp", "server_label": "maps"}}, "session.tool_choice.type", "invalid_value"),
        ({"parallel_tool_calls": "yes"}, "session.parallel_tool_calls", "invalid_value"),
        ({"max_output_tokens": 0}, "session.max_output_tokens", "invalid_value"),
        (
            {"audio": {"input": {"turn_detection": {"idle_timeout_ms": 10}}}},
            "session.audio.input.turn_detection.idle_timeout_ms",
            "invalid_value",
        ),
        (
            {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}},
            "session.audio.input.format.rate",
            "invalid_value",
        ),
        ({"audio": {"output": {"speed": 2}}}, "session.audio.output.speed", "invalid_value"),
        ({"audio": {"output": {"speed": True}}}, "session.audio.output.speed", "invalid_value"),
        (
            {"audio": {"input": {"turn_detection": {"type": "none"}}}},
            "session.audio.input.turn_detection.type",
            "invalid_value",
        ),
        (
            {"audio": {"input": {"turn_detection": {"threshold": 1.1}}}},
            "session.audio.input.turn_detection.threshold",
            "invalid_value",
        ),
    ],
)
def test_bad_session_updates_name_the_field(session: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(BadMessage) as caught:
        update(**session)
    assert (caught.value.param, caught.value.code) == (param, code)
