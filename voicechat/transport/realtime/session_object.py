"""The session object of the realtime protocol: our settings written as its JSON, and its JSON read as changes.

Fields that change nothing here are accepted and echoed, since stock clients send them and read them back.
"""

from collections.abc import Collection
from typing import Final

from voicechat.conversation import SessionSettings
from voicechat.transport.fields import Fields
from voicechat.transport.realtime import audio_input, formats, includes, tool_list
from voicechat.transport.realtime.tool_list import ToolList

OBJECT: Final = "realtime.session"

MOST_TOKENS: Final = 1_000_000
"""That an answer may have; the language model has a limit of its own."""

_ECHOED: Final = ("include", "truncation", "tracing", "prompt", "reasoning")
_TAKEN: Final = (
    "type", "object", "id", "expires_at", "model", "instructions", "output_modalities", "audio", "tools",
    "tool_choice", "parallel_tool_calls", "max_output_tokens",
)  # fmt: skip


def write(
    settings: SessionSettings, *, session: str, model: str, transcriber: str, voice: str
) -> dict[str, object]:
    """The complete object, every default resolved: clients decide by what is echoed.

    `voice` is what the client calls the one that the settings have.
    """
    extras = dict(settings.extras)
    return {
        "type": "realtime",
        "object": OBJECT,
        "id": session,
        "model": model,
        "output_modalities": modalities(settings.speaks),
        "instructions": settings.instructions,
        "audio": {
            "input": audio_input.write(settings, transcriber),
            "output": {"format": formats.write(settings.plays), "voice": voice, "speed": settings.speed},
        },
        "tools": tool_list.write(ToolList(settings.tools, settings.labels, settings.allowed)),
        "tool_choice": tool_list.write_choice(settings.tool_choice),
        "parallel_tool_calls": settings.parallel_tools,
        "max_output_tokens": write_max_tokens(settings.max_tokens),
        "truncation": "auto",
        "tracing": None,
        "prompt": None,
        "include": None,
        **{key: extras[key] for key in _ECHOED if key in extras},
    }


def modalities(speaks: bool) -> list[str]:
    return ["audio"] if speaks else ["text"]


def write_max_tokens(most: int | None) -> object:
    return "inf" if most is None else most


def read(session: Fields, known: Collection[str] = ()) -> dict[str, object]:
    """What the object changes, by the names of `SessionSettings`; fields that are absent change nothing.

    `known` are the labels of servers of tools. The voice is as the client calls it. Raises BadMessage.
    """
    for key in session.values:
        if key not in _ECHOED and key not in _TAKEN:
            session.refuse(key, "there is no such field", "unknown_parameter")
    changes: dict[str, object] = {}
    echoed: dict[str, object] = {}
    if session.has("instructions"):
        changes["instructions"] = session.text("instructions")
    if session.has("output_modalities"):
        changes["speaks"] = read_modalities(session)
    if session.has("audio"):
        audio = session.inner("audio")
        if audio.has("input"):
            changes |= audio_input.read(audio.inner("input"), echoed)
        if audio.has("output"):
            changes |= _read_output(audio.inner("output"))
    if "tools" in session.values:
        changes |= tool_list.read(session, known)._asdict()
    if session.has("tool_choice"):
        changes["tool_choice"] = tool_list.read_choice(session)
    if session.has("parallel_tool_calls"):
        changes["parallel_tools"] = session.flag("parallel_tool_calls")
    if session.has("max_output_tokens"):
        changes["max_tokens"] = read_max_tokens(session)
    changes |= includes.read(session, echoed)
    echoed |= {key: session.values[key] for key in _ECHOED if key in session.values}
    if echoed:
        changes["extras"] = tuple(echoed.items())
    return changes


def read_modalities(fields: Fields) -> bool:
    """Whether the answer is to be spoken."""
    match fields.names("output_modalities"):
        case ["audio"]:
            return True
        case ["text"]:
            return False
    fields.refuse("output_modalities", 'allowed: ["audio"] or ["text"]')


def read_voice(output: Fields) -> str:
    """A name, or an object with the name as its id."""
    if isinstance(output.values.get("voice"), dict):
        return output.inner("voice").text("id", longest=256)
    return output.text("voice", longest=256)


def read_max_tokens(fields: Fields) -> int | None:
    """None: as many as there are."""
    if fields.values.get("max_output_tokens") == "inf":
        return None
    return fields.integer("max_output_tokens", 1, MOST_TOKENS)


def _read_output(audio: Fields) -> dict[str, object]:
    changes: dict[str, object] = {}
    if (codec := formats.read(audio)) is not None:
        changes["plays"] = codec
    if audio.has("voice"):
        changes["voice"] = read_voice(audio)
    if audio.has("speed"):
        changes["speed"] = audio.number("speed", 0.25, 1.5)
    return changes
