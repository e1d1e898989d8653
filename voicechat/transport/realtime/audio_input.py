"""How a session hears, as the realtime protocol has it in `audio.input`: written, and read as changes. No I/O."""

from typing import Final

from voicechat.conversation import SessionSettings, TurnDetection
from voicechat.transport.fields import Fields
from voicechat.transport.realtime import formats

SHORTEST_IDLE_MS, LONGEST_IDLE_MS = 1_000, 3_600_000

_NOISE, _TRANSCRIPTION = "noise_reduction", "transcription."
"""Names of what is only echoed, among a session's extras; fields of the latter are merged."""

_OF_ANSWERS: Final = ("idle_timeout_ms", "create_response", "interrupt_response")


def write(settings: SessionSettings, transcriber: str) -> dict[str, object]:
    """`transcriber` is what clients are told of who transcribes, where they name nobody."""
    extras = dict(settings.extras)
    transcription = None
    if settings.transcribes:
        given = {key.removeprefix(_TRANSCRIPTION): extras[key] for key in extras if key.startswith(_TRANSCRIPTION)}
        transcription = {"model": transcriber, "language": settings.language, **given}
    return {
        "format": formats.write(settings.hears),
        "transcription": transcription,
        "noise_reduction": extras.get(_NOISE),
        "turn_detection": _write_turns(settings.turns, answers=settings.answers),
    }


def _write_turns(turns: TurnDetection | None, *, answers: bool) -> dict[str, object] | None:
    """Where nothing is answered, nothing is said of answers."""
    if turns is None:
        return None
    written = _write_detection(turns)
    return written if answers else {key: value for key, value in written.items() if key not in _OF_ANSWERS}


def _write_detection(turns: TurnDetection) -> dict[str, object]:
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


def read(audio: Fields, extras: dict[str, object]) -> dict[str, object]:
    """What the object changes, by the names of `SessionSettings`; what is only echoed is put in `extras`.

    Raises BadMessage.
    """
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
