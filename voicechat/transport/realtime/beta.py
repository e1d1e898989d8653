"""The beta of the realtime protocol, for clients that still ask for it: its names and shapes, both ways. No I/O.

What a client says is rewritten before it is read, what it is told when it is ready; the rest of the wire knows nothing
of it. Errors name fields as the protocol has them now.
"""

from collections.abc import Mapping
from typing import Final

from voicechat.conversation import Codec

Json = dict[str, object]

HEADER: Final = ("OpenAI-Beta", "realtime=v1")
PROTOCOL: Final = "openai-beta.realtime-v1"
"""How a client asks for it; a browser can only name a sub-protocol."""

_FORMATS: Final = {"pcm16": Codec.PCM, "g711_ulaw": Codec.MULAW, "g711_alaw": Codec.ALAW}
_CODECS: Final = {str(codec): name for name, codec in _FORMATS.items()}

_EVENTS: Final = {
    "conversation.item.added": "conversation.item.created",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
}
_UNKNOWN: Final = ("conversation.item.done",)
_PARTS: Final = {"output_text": "text", "output_audio": "audio"}

_TEMPERATURE: Final = 0.8
"""Was said of every session; the operator of this house has set another."""


def understood(message: Json) -> Json:
    """A client's message as the protocol has it now. What is of no known shape stays, to be refused by name."""
    if message.get("type") == "session.update" and isinstance(message.get("session"), dict):
        return {**message, "session": _nested(_mapping(message["session"]))}
    if message.get("type") == "transcription_session.update":
        return {**message, "type": "session.update", "session": _transcription(message.get("session"))}
    if message.get("type") == "response.create" and isinstance(message.get("response"), dict):
        return {**message, "response": _nested(_mapping(message["response"]))}
    return message


def told(message: Json) -> Json | None:
    """A message of ours as the client knows it; None: it knows no such thing."""
    kind = str(message["type"])
    if kind in _UNKNOWN:
        return None
    message = {**message, "type": _EVENTS.get(kind, kind)}
    if "session" in message:
        session = _mapping(message["session"])
        if session["type"] == "transcription":
            return {**message, "type": f"transcription_{kind}", "session": _flat_transcription(session)}
        message["session"] = _flat_session(session)
    if "response" in message:
        message["response"] = _flat_response(_mapping(message["response"]))
    if "item" in message:
        message["item"] = _item(message["item"])
    return message


def _nested(flat: Json) -> Json:
    """A session or an answer: what is said of sound goes into `audio`."""
    rest = {key: value for key, value in flat.items() if key != "temperature"}
    sound: dict[str, Json] = {"input": {}, "output": {}}
    for key, (side, name) in {
        "input_audio_format": ("input", "format"),
        "input_audio_transcription": ("input", "transcription"),
        "input_audio_noise_reduction": ("input", "noise_reduction"),
        "turn_detection": ("input", "turn_detection"),
        "output_audio_format": ("output", "format"),
        "voice": ("output", "voice"),
        "speed": ("output", "speed"),
    }.items():
        if key in rest:
            value = rest.pop(key)
            sound[side][name] = _format(value) if name == "format" else value
    if "modalities" in rest:
        modalities = rest.pop("modalities")
        both = isinstance(modalities, list) and "audio" in modalities
        rest["output_modalities"] = ["audio"] if both else modalities
    if "max_response_output_tokens" in rest:
        rest["max_output_tokens"] = rest.pop("max_response_output_tokens")
    audio = {side: fields for side, fields in sound.items() if fields}
    return {**rest, "audio": audio} if audio else rest


def _transcription(flat: object) -> object:
    """A session that only transcribes; its key's time is asked for elsewhere, and there is no choice of modalities."""
    if not isinstance(flat, dict):
        return flat
    rest = {key: value for key, value in flat.items() if key not in ("client_secret", "modalities")}
    return {**_nested(rest), "type": "transcription"}


def _format(name: object) -> object:
    return {"type": str(_FORMATS[name])} if isinstance(name, str) and name in _FORMATS else name


def _flat_session(session: Json) -> Json:
    spoken = _mapping(_mapping(session["audio"])["output"])
    same = ("id", "model", "instructions", "tools", "tool_choice", "tracing", "include", "expires_at")
    return {
        "object": "realtime.session",
        **{key: session[key] for key in same if key in session},
        "modalities": _modalities(session),
        "voice": spoken["voice"],
        "speed": spoken["speed"],
        "output_audio_format": _name(spoken),
        **_flat_hearing(session),
        "temperature": _TEMPERATURE,
        "max_response_output_tokens": session["max_output_tokens"],
    }


def _flat_transcription(session: Json) -> Json:
    same = ("id", "object", "include", "expires_at")
    return {**{key: session[key] for key in same if key in session}, "modalities": ["text"], **_flat_hearing(session)}


def _flat_hearing(session: Json) -> Json:
    heard = _mapping(_mapping(session["audio"])["input"])
    return {
        "input_audio_format": _name(heard),
        "input_audio_transcription": heard["transcription"],
        "input_audio_noise_reduction": heard["noise_reduction"],
        "turn_detection": heard["turn_detection"],
    }


def _flat_response(response: Json) -> Json:
    spoken = _mapping(_mapping(response["audio"])["output"])
    output = response["output"]
    rest = {key: value for key, value in response.items() if key not in ("audio", "output_modalities")}
    return {
        **rest,
        "output": [_item(item) for item in output] if isinstance(output, list) else output,
        "modalities": _modalities(response),
        "voice": spoken["voice"],
        "output_audio_format": _name(spoken),
        "temperature": _TEMPERATURE,
    }


def _modalities(now: Mapping[str, object]) -> list[str]:
    return ["text", "audio"] if now["output_modalities"] == ["audio"] else ["text"]


def _name(side: Json) -> str:
    return _CODECS[str(_mapping(side["format"])["type"])]


def _item(item: object) -> object:
    content = _mapping(item).get("content")
    if not isinstance(content, list):
        return item
    return {**_mapping(item), "content": [{**part, "type": _PARTS.get(part["type"], part["type"])} for part in content]}


def _mapping(value: object) -> Json:
    return value if isinstance(value, dict) else {}
