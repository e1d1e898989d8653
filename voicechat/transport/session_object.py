"""The session object of the realtime protocol: our settings written as its JSON, and its JSON read as changes.

Fields that change nothing here are accepted and echoed, since stock clients send them and read them back.
"""

import copy
from collections.abc import Mapping
from typing import Final

from voicechat.conversation import SessionSettings, TurnDetection
from voicechat.transport.fields import Fields

RATE: Final = 24_000
"""Hz; what the protocol calls audio/pcm."""

STATE, LATENCY, PARTIALS = "voicechat.state", "voicechat.latency", "voicechat.partials"
"""Asked for by name in `include`: events that the protocol does not have."""

_ECHOED: Final = (
    "include", "tools", "tool_choice", "parallel_tool_calls", "max_output_tokens",
    "truncation", "tracing", "prompt", "reasoning",
)  # fmt: skip
_TAKEN: Final = ("type", "object", "id", "expires_at", "model", "instructions", "output_modalities", "audio")
_NOISE, _TRANSCRIPTION, _TURNS = "noise_reduction", "transcription", "turn_detection"  # of audio.input


def pcm() -> dict[str, object]:
    return {"type": "audio/pcm", "rate": RATE}


def write(settings: SessionSettings, *, session: str, model: str, transcriber: str) -> dict[str, object]:
    """The complete object, every default resolved: clients decide by what is echoed."""
    extras = dict(settings.extras)
    transcription = None
    if settings.transcribes:
        transcription = {"model": transcriber, "language": settings.language, **_mapping(extras.get(_TRANSCRIPTION))}
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session,
        "model": model,
        "output_modalities": modalities(settings.speaks),
        "instructions": settings.instructions,
        "audio": {
            "input": {
                "format": pcm(),
                "transcription": transcription,
                "noise_reduction": extras.get(_NOISE),
                "turn_detection": _write_turns(settings.turns, extras),
            },
            "output": {"format": pcm(), "voice": settings.voice, "speed": settings.speed},
        },
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "truncation": "auto",
        "tracing": None,
        "prompt": None,
        "include": None,
        **{key: extras[key] for key in _ECHOED if key in extras},
    }


def modalities(speaks: bool) -> list[str]:
    return ["audio"] if speaks else ["text"]


def _write_turns(turns: TurnDetection | None, extras: Mapping[str, object]) -> dict[str, object] | None:
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
        "idle_timeout_ms": _mapping(extras.get(_TURNS)).get("idle_timeout_ms"),
        **answers,
    }


def read(session: Fields, extras: dict[str, object]) -> dict[str, object]:
    """What the object changes, by the names of `SessionSettings`; fields that are absent change nothing.

    `extras` is what has been accepted so far; the result's "extras" has all of it. Raises BadMessage.
    """
    for key in session.values:
        if key not in _ECHOED and key not in _TAKEN:
            session.refuse(key, "there is no such field", "unknown_parameter")
    if session.has("type"):
        session.one_of("type", "realtime")
    if session.has("model"):
        session.text("model")  # the model is fixed; any name is as good as ours
    changes: dict[str, object] = {}
    echoed = copy.copy(extras)
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
    if session.has("include"):
        _read_names(session, "include")
    echoed |= {key: session.values[key] for key in _ECHOED if key in session.values}
    if echoed != extras:
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


def read_format(audio: Fields) -> None:
    """Refuses all but PCM at 24 kHz."""
    if audio.has("format"):
        form = audio.inner("format")
        form.one_of("type", "audio/pcm")
        if form.has("rate"):
            form.integer("rate", RATE, RATE)


def _read_input(audio: Fields, extras: dict[str, object]) -> dict[str, object]:
    read_format(audio)
    changes: dict[str, object] = {}
    if "noise_reduction" in audio.values:
        extras[_NOISE] = dict(audio.inner("noise_reduction").values) if audio.has("noise_reduction") else None
    if audio.has("transcription"):
        transcription = audio.inner("transcription")
        changes["transcribes"] = True
        if "language" in transcription.values:
            changes["language"] = transcription.text("language", longest=35) if transcription.has("language") else None
        rest = {key: value for key, value in transcription.values.items() if key != "language"}
        extras[_TRANSCRIPTION] = _mapping(extras.get(_TRANSCRIPTION)) | rest
    elif "transcription" in audio.values:
        changes["transcribes"] = False
    if audio.has("turn_detection"):
        changes["turns"] = _read_turns(audio.inner("turn_detection"), extras)
    elif "turn_detection" in audio.values:
        changes["turns"] = None
    return changes


def _read_turns(turns: Fields, extras: dict[str, object]) -> dict[str, object]:
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
        extras[_TURNS] = {"idle_timeout_ms": turns.values["idle_timeout_ms"]}
    return changes


def _read_output(audio: Fields) -> dict[str, object]:
    read_format(audio)
    changes: dict[str, object] = {}
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


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}
