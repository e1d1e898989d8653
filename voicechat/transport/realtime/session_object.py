"""The session object of the realtime protocol: our settings written as its JSON, and its JSON read as changes.

Fields that change nothing here are accepted and echoed, since stock clients send them and read them back.
"""

from collections.abc import Collection
from typing import Final

from voicechat.conversation import SessionSettings, TurnDetection
from voicechat.transport.fields import Fields
from voicechat.transport.realtime import formats, tool_list

SHORTEST_IDLE_MS, LONGEST_IDLE_MS = 1_000, 3_600_000

MOST_TOKENS: Final = 1_000_000
"""That an answer may have; the language model has a limit of its own."""

_ECHOED: Final = ("include", "truncation", "tracing", "prompt", "reasoning")
_TAKEN: Final = (
    "type", "object", "id", "expires_at", "model", "instructions", "output_modalities", "audio", "tools",
    "tool_choice", "parallel_tool_calls", "max_output_tokens",
)  # fmt: skip
_NOISE, _TRANSCRIPTION = "noise_reduction", "transcription."  # of audio.input; the latter's fields are merged


def write(
    settings: SessionSettings, *, session: str, model: str, transcriber: str, voice: str
) -> dict[str, object]:
    """The complete object, every default resolved: clients decide by what is echoed.

    `voice` is what the client calls the one that the settings have.
    """
    extras = dict(settings.extras)
    transcription = None
    if settings.transcribes:
        given = {key.removeprefix(_TRANSCRIPTION): extras[key] for key in extras if key.startswith(_TRANSCRIPTION)}
        transcription = {"model": transcriber, "language": settings.language, **given}
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session,
        "model": model,
        "output_modalities": modalities(settings.speaks),
        "instructions": settings.instructions,
        "audio": {
            "input": {
                "format": formats.write(settings.hears),
                "transcription": transcription,
                "noise_reduction": extras.get(_NOISE),
                "turn_detection": _write_turns(settings.turns),
            },
            "output": {"format": formats.write(settings.plays), "voice": voice, "speed": settings.speed},
        },
        "tools": tool_list.write(settings.tools, settings.labels),
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


def _write_turns(turns: TurnDetection | None) -> dict[str, object] | None:
    if turns is None:
        return None
    answers = {"create_response": turns.create_reply, "interrupt_response": turns.interrupt_reply}
    if turns.kind == "semantic_vad":
        return {"type": turns.kind, "eagerness": turns.eagerness, **answers}
    return {
        "type": turns.kind,
        "threshold": turns.threshold,
        "prefix_padding_ms": round(1000 * turns.prefix),
        "silence_duration_ms": round(1000 * turns.silence),
        "idle_timeout_ms": None if turns.idle is None else round(1000 * turns.idle),
        **answers,
    }


def read(session: Fields, known: Collection[str] = ()) -> dict[str, object]:
    """What the object changes, by the names of `SessionSettings`; fields that are absent change nothing.

    `known` are the labels of servers of tools. The voice is as the client calls it. Raises BadMessage.
    """
    for key in session.values:
        if key not in _ECHOED and key not in _TAKEN:
            session.refuse(key, "there is no such field", "unknown_parameter")
    if session.has("type"):
        session.one_of("type", "realtime")
    changes: dict[str, object] = {}
    echoed: dict[str, object] = {}
    if session.has("instructions"):
        changes["instructions"] = session.text("instructions")
    if session.has("output_modalities"):
        changes["speaks"] = read_modalities(session)
    if session.has("audio"):
        audio = session.inner("audio")
        if audio.has("input"):
            changes |= _read_input(audio.inner("input"), echoed)
        if audio.has("output"):
            changes |= _read_output(audio.inner("output"))
    if "tools" in session.values:
        changes["tools"], changes["labels"] = tool_list.read(session, known)
    if session.has("tool_choice"):
        changes["tool_choice"] = tool_list.read_choice(session)
    if session.has("parallel_tool_calls"):
        changes["parallel_tools"] = session.flag("parallel_tool_calls")
    if session.has("max_output_tokens"):
        changes["max_tokens"] = read_max_tokens(session)
    if session.has("include"):
        _read_names(session, "include")
    echoed |= {key: session.values[key] for key in _ECHOED if key in session.values}
    if echoed:
        changes["extras"] = tuple(echoed.items())
    return changes


def read_modalities(fields: Fields) -> bool:
    """Whether the answer is to be spoken."""
    match _read_names(fields, "output_modalities"):
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


def _read_input(audio: Fields, extras: dict[str, object]) -> dict[str, object]:
    changes: dict[str, object] = {}
    if (codec := formats.read(audio)) is not None:
        changes["hears"] = codec
    if "noise_reduction" in audio.values:
        extras[_NOISE] = dict(audio.inner("noise_reduction").values) if audio.has("noise_reduction") else None
    if audio.has("transcription"):
        transcription = audio.inner("transcription")
        changes["transcribes"] = True
        if "language" in transcription.values:
            changes["language"] = transcription.text("language", longest=35) if transcription.has("language") else None
        extras |= {f"{_TRANSCRIPTION}{key}": value for key, value in transcription.values.items() if key != "language"}
    elif "transcription" in audio.values:
        changes["transcribes"] = False
    if audio.has("turn_detection"):
        changes["turns"] = _read_turns(audio.inner("turn_detection"))
    elif "turn_detection" in audio.values:
        changes["turns"] = None
    return changes


def _read_turns(turns: Fields) -> dict[str, object]:
    changes: dict[str, object] = {}
    if turns.has("type"):
        kind = changes["kind"] = turns.one_of("type", "server_vad", "semantic_vad")
        if kind == "semantic_vad":
            changes["adapts"] = True
    if turns.has("threshold"):
        changes["threshold"] = turns.number("threshold", 0, 1)
    if turns.has("prefix_padding_ms"):
        changes["prefix"] = turns.number("prefix_padding_ms", 0, 5_000) / 1000
    if turns.has("silence_duration_ms"):
        changes["silence"] = turns.number("silence_duration_ms", 0, 10_000) / 1000
        changes["adapts"] = False  # who names a silence gets exactly that
    if turns.has("create_response"):
        changes["create_reply"] = turns.flag("create_response")
    if turns.has("interrupt_response"):
        changes["interrupt_reply"] = turns.flag("interrupt_response")
    if turns.has("eagerness"):
        changes["eagerness"] = turns.one_of("eagerness", "auto", "low", "medium", "high")
    if "idle_timeout_ms" in turns.values:
        given = turns.has("idle_timeout_ms")
        changes["idle"] = turns.number("idle_timeout_ms", SHORTEST_IDLE_MS, LONGEST_IDLE_MS) / 1000 if given else None
    return changes


def _read_output(audio: Fields) -> dict[str, object]:
    changes: dict[str, object] = {}
    if (codec := formats.read(audio)) is not None:
        changes["plays"] = codec
    if audio.has("voice"):
        changes["voice"] = read_voice(audio)
    if audio.has("speed"):
        changes["speed"] = audio.number("speed", 0.25, 1.5)
    return changes


def _read_names(fields: Fields, key: str) -> list[str]:
    names = fields.entries(key)
    if not all(isinstance(name, str) for name in names):
        fields.refuse(key, "a list of strings is expected")
    return [str(name) for name in names]
