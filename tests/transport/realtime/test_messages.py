"""What clients may say, what becomes of it, and that nothing else gets through."""

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicechat.audio import AudioFrame
from voicechat.commands import (
    AddItem,
    CancelReply,
    ClearInput,
    ClearOutput,
    Command,
    CommitInput,
    CreateReply,
    DeleteItem,
    RetrieveItem,
    TruncateItem,
    UpdateSettings,
)
from voicechat.config import AgentSettings, McpSettings, Settings, ToolSettings
from voicechat.conversation import Codec, Item, ItemStatus, Kind, Role, Tool
from voicechat.errors import BadMessage
from voicechat.transport.realtime.messages import Messages

TRUNCATE = '{"type":"conversation.item.truncate","item_id":"a","audio_end_ms":%s}'

ITEM = '{"type":"conversation.item.create","item":{%s}}'
SOUND, END = '"type":"message","role":"user","content":[{"type":"input_audio",', "}]"
RESPONSE = '{"type":"response.create","response":{%s}}'
HOUSE = Settings(agent=AgentSettings(tools=ToolSettings(mcp={"maps": McpSettings(command=("maps",))})))


def read(**fields: Any) -> Command | AudioFrame | None:
    return Messages(HOUSE).read(json.dumps(fields))


def message(kind: str, **item: Any) -> dict[str, Any]:
    return {"type": kind, "item": item}


@pytest.mark.parametrize(
    ("fields", "command"),
    [
        ({"type": "input_audio_buffer.commit", "event_id": "e1"}, CommitInput(event_id="e1")),
        ({"type": "input_audio_buffer.clear"}, ClearInput()),
        ({"type": "output_audio_buffer.clear"}, ClearOutput()),
        ({"type": "conversation.item.retrieve", "item_id": "a"}, RetrieveItem("a")),
        ({"type": "conversation.item.delete", "item_id": "a"}, DeleteItem("a")),
        (
            {"type": "conversation.item.truncate", "item_id": "a", "content_index": 0, "audio_end_ms": 1500},
            TruncateItem("a", 1.5),
        ),
        ({"type": "response.create"}, CreateReply()),
        (
            {"type": "response.create", "response": {"instructions": "Sing.", "output_modalities": ["text"]}},
            CreateReply("Sing.", False),
        ),
        ({"type": "response.cancel"}, CancelReply()),
        ({"type": "response.cancel", "response_id": "r", "event_id": "e"}, CancelReply("r", event_id="e")),
        (
            message(
                "conversation.item.create", type="message", role="user", content=[{"type": "input_text", "text": "Hi"}]
            ),
            AddItem(Item("item_client_1", Role.USER, "Hi")),
        ),
        (
            {
                "type": "conversation.item.create",
                "previous_item_id": "root",
                "item": {
                    "id": "mine",
                    "type": "message",
                    "role": "assistant",
                    "status": "incomplete",
                    "content": [
                        {"type": "output_audio", "transcript": "Well,"},
                        {"type": "output_text", "text": "no."},
                    ],
                },
            },
            AddItem(Item("mine", Role.ASSISTANT, "Well,\nno.", True, ItemStatus.INCOMPLETE), "root"),
        ),
        (
            message("conversation.item.create", type="function_call", call_id="c", name="weather", arguments='{"a":1}'),
            AddItem(Item("item_client_1", Role.ASSISTANT, '{"a":1}', kind=Kind.CALL, call="c", name="weather")),
        ),
        (
            message("conversation.item.create", type="function_call", id="mine", name="weather", arguments=""),
            AddItem(Item("mine", Role.ASSISTANT, "{}", kind=Kind.CALL, call="call_mine", name="weather")),
        ),
        (
            message("conversation.item.create", type="function_call_output", call_id="c", output="It snows."),
            AddItem(Item("item_client_1", Role.USER, "It snows.", kind=Kind.OUTPUT, call="c")),
        ),
        (
            {
                "type": "response.create",
                "event_id": "e",
                "response": {
                    "conversation": "none",
                    "output_modalities": ["text"],
                    "metadata": {"topic": "weather", "empty": ""},
                    "max_output_tokens": 50,
                    "input": [
                        {"type": "item_reference", "id": "item_7"},
                        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Sum up."}]},
                    ],
                    "tools": [{"type": "function", "name": "note", "parameters": {"type": "object"}}],
                    "tool_choice": {"type": "function", "name": "note"},
                    "audio": {"output": {"voice": "amy", "format": {"type": "audio/pcmu"}}},
                },
            },
            CreateReply(
                speaks=False,
                stored=False,
                metadata={"topic": "weather", "empty": ""},
                max_tokens=50,
                items=("item_7", Item("item_client_1", Role.SYSTEM, "Sum up.")),
                tools=(Tool("note", "", '{"type": "object"}'),),
                tool_choice="note",
                voice="amy",
                plays=Codec.MULAW,
                event_id="e",
            ),
        ),
        (
            {"type": "response.create", "response": {"input": [], "max_output_tokens": "inf", "tool_choice": "none"}},
            CreateReply(items=(), tool_choice="none"),
        ),
        (
            {
                "type": "response.create",
                "response": {"tools": [{"type": "mcp", "server_label": "maps", "allowed_tools": ["find"]}]},
            },
            CreateReply(tools=(), labels=("maps",), allowed=(("maps", ("find",)),)),
        ),
    ],
)
def test_messages_become_commands(fields: dict[str, Any], command: Command) -> None:
    assert read(**fields) == command


def test_appended_sound_is_little_endian_pcm() -> None:
    frame = read(type="input_audio_buffer.append", audio=base64.b64encode(b"\x01\x00\xfe\xff").decode())
    assert isinstance(frame, AudioFrame)
    assert (frame.samples.tolist(), frame.rate) == ([1, -2], 24_000)
    assert frame.samples.dtype == np.dtype(np.int16)
    assert read(type="input_audio_buffer.append", audio="") is None


@pytest.mark.parametrize(("name", "byte", "sample"), [("audio/pcmu", 0x80, 32124), ("audio/pcma", 0xAA, 32256)])
def test_sound_appended_after_an_update_is_in_the_new_format(name: str, byte: int, sample: int) -> None:
    messages = Messages(HOUSE)
    update = {"type": "session.update", "session": {"audio": {"input": {"format": {"type": name}}}}}
    assert messages.read(json.dumps(update)) == UpdateSettings({"hears": Codec(name)})
    audio = base64.b64encode(bytes([byte] * 3)).decode()
    frame = messages.read(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
    assert isinstance(frame, AudioFrame)
    assert (frame.samples.tolist(), frame.rate) == ([sample] * 3, 8_000)


@pytest.mark.parametrize(
    ("text", "code", "param", "event_id"),
    [
        ("", "invalid_json", None, None),
        ("[]", "invalid_json", None, None),
        ("{", "invalid_json", None, None),
        ('{"type":"response.cancel","x":NaN}', "invalid_json", None, None),
        ('{"type":"response.cancel","x":1e999}', "invalid_json", None, None),
        ('{"type":"response.cancel","x":%s}' % ("9" * 5000), "invalid_json", None, None),
        ('{"type":"session.update","session":{"instructions":"\\ud800"}}', "invalid_json", None, None),
        ("[" * 4_000, "invalid_json", None, None),
        ("[" * 100_000, "invalid_json", None, None),
        ('{"type":"response.cancel","x":[%s1]}' % ("[]," * 80_000), "invalid_json", None, None),
        ('{"a":' * 40 + "1" + "}" * 40, "invalid_json", None, None),
        ('{"event_id":"e1"}', "missing_field", "type", "e1"),
        ('{"type":"sing","event_id":"e1"}', "unknown_event", "type", "e1"),
        ('{"type":7}', "invalid_value", "type", None),
        ('{"type":"response.cancel","event_id":7}', "invalid_value", "event_id", None),
        ('{"type":"input_audio_buffer.append"}', "missing_field", "audio", None),
        ('{"type":"input_audio_buffer.append","audio":"****"}', "audio_not_base64", "audio", None),
        ('{"type":"input_audio_buffer.append","audio":"ä"}', "audio_not_base64", "audio", None),
        ('{"type":"input_audio_buffer.append","audio":"AAAA"}', "audio_odd_length", "audio", None),
        ('{"type":"conversation.item.retrieve"}', "missing_field", "item_id", None),
        ('{"type":"conversation.item.retrieve","item_id":""}', "invalid_value", "item_id", None),
        (TRUNCATE % "-1", "invalid_value", "audio_end_ms", None),
        (TRUNCATE % "1.5", "invalid_value", "audio_end_ms", None),
        ('{"type":"conversation.item.create","item":7}', "invalid_value", "item", None),
        (TRUNCATE.replace("item_id", 'content_index":1,"item_id') % "1", "invalid_value", "content_index", None),
        (ITEM % '"type":"function_call","arguments":"{}"', "missing_field", "item.name", None),
        (ITEM % '"type":"function_call_output","output":""', "missing_field", "item.call_id", None),
        (ITEM % '"type":"mcp_approval_response","approve":true', "unsupported_content", "item.type", None),
        (ITEM % '"type":"mcp_call"', "unsupported_content", "item.type", None),
        (ITEM % '"type":"song"', "invalid_value", "item.type", None),
        (
            ITEM % '"type":"message","role":"system","content":[{"type":"output_text","text":"a"}]',
            "invalid_value",
            "item.content[0].type",
            None,
        ),
        (
            '{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[]}}',
            "missing_field",
            "item.content",
            None,
        ),
        (
            '{"type":"conversation.item.create","item":{"type":"message","role":"user",'
            '"content":[{"type":"input_text","text":"a"},{"type":"input_image"}]}}',
            "unsupported_content",
            "item.content[1].type",
            None,
        ),
        (
            '{"type":"conversation.item.create","item":{"type":"message","role":"user",'
            '"content":[{"type":"input_audio","audio":"AAAA"}]}}',
            "audio_odd_length",
            "item.content[0].audio",
            None,
        ),
        (ITEM % f'{SOUND}"audio":"*"{END}', "audio_not_base64", "item.content[0].audio", None),
        (ITEM % f'{SOUND}"audio":""{END}', "invalid_value", "item.content[0].audio", None),
        (ITEM % f'{SOUND}"x":1{END}', "unsupported_content", "item.content[0].type", None),
        (ITEM % f'{SOUND}"audio":"{"A" * 1_920_008}"{END}', "audio_too_long", "item.content", None),
        (RESPONSE % '"input":[{%s"audio":"AAAA"%s}]' % (SOUND, END), "unsupported_content",
         "response.input[0].content[0].type", None),
        (RESPONSE % '"conversation":"other"', "invalid_value", "response.conversation", None),
        (RESPONSE % '"input":[{}]', "missing_field", "response.input[0].type", None),
        (RESPONSE % '"modalities":["text"]', "unknown_parameter", "response.modalities", None),
        (RESPONSE % '"metadata":{"a":7}', "invalid_value", "response.metadata.a", None),
        (RESPONSE % ('"metadata":{"a":"%s"}' % ("x" * 513)), "invalid_value", "response.metadata.a", None),
        (RESPONSE % ('"metadata":{"%s":"a"}' % ("x" * 65)), "invalid_value", "response.metadata", None),
        (RESPONSE % f'"metadata":{json.dumps(dict.fromkeys(map(str, range(17)), "x"))}', "invalid_value",
         "response.metadata", None),
        (RESPONSE % '"max_output_tokens":0', "invalid_value", "response.max_output_tokens", None),
        (RESPONSE % '"tool_choice":"always"', "invalid_value", "response.tool_choice", None),
        ('{"type":"session.update"}', "missing_field", "session", None),
    ],
)
def test_bad_messages_are_refused_by_name(text: str, code: str, param: str | None, event_id: str | None) -> None:
    with pytest.raises(BadMessage) as caught:
        Messages(HOUSE).read(text)
    assert (caught.value.code, caught.value.param, caught.value.event_id) == (code, param, event_id)


KINDS = st.sampled_from([
    "session.update", "input_audio_buffer.append", "input_audio_buffer.commit", "conversation.item.create",
    "conversation.item.retrieve", "conversation.item.truncate", "response.create", "response.cancel", "nonsense",
])  # fmt: skip
NAMES = st.sampled_from([
    "session", "audio", "input", "output", "item", "item_id", "content", "type", "role", "text", "format", "rate",
    "turn_detection", "threshold", "transcription", "voice", "id", "response", "metadata", "include", "event_id",
    "audio_end_ms", "output_modalities", "speed", "tools", "language", "instructions", "call_id", "arguments", "name",
    "tool_choice", "parameters", "max_output_tokens", "conversation", "modalities", "input_audio_format",
])  # fmt: skip
WORDS = st.sampled_from([
    "message", "user", "server_vad", "input_text", "audio/pcm", "realtime", "text", "audio", "AAA="
])  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | WORDS
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5))


@settings(deadline=None)
@given(KINDS, st.dictionaries(NAMES, VALUES, max_size=6))
def test_nothing_but_bad_message_escapes_from_odd_fields(kind: str, fields: dict[str, Any]) -> None:
    text = json.dumps({**fields, "type": kind})
    for old in (False, True):
        try:
            result = Messages(HOUSE, old=old).read(text)
        except BadMessage as error:
            assert error.code and error.message
        else:
            assert result is None or isinstance(result, Command | AudioFrame)


@settings(deadline=None)
@given(st.text())
def test_nothing_but_bad_message_escapes_from_any_text(text: str) -> None:
    with pytest.raises(BadMessage):
        Messages(HOUSE).read(text)
