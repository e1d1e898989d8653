"""The object of a session that only transcribes: the caller is heard and never answered. No I/O."""

from typing import Final

from voicechat.conversation import SessionSettings
from voicechat.transport.fields import Fields
from voicechat.transport.realtime import audio_input, includes

OBJECT: Final = "realtime.transcription_session"

INTENT: Final = "transcription"
"""As a client says it in the address that it connects to, where it does."""

_TAKEN: Final = ("type", "object", "id", "expires_at", "audio", "include")


def meant(session: Fields, *, already: bool) -> bool:
    """Whether a session's object is of this kind; a session that is, stays `already` so. Raises BadMessage."""
    kind = session.one_of("type", "realtime", INTENT) if session.has("type") else ""
    if already and kind == "realtime":
        session.refuse("type", "a session that only transcribes stays one")
    return already or kind == INTENT


def write(settings: SessionSettings, *, session: str, transcriber: str) -> dict[str, object]:
    """The complete object, every default resolved."""
    return {
        "type": INTENT,
        "object": OBJECT,
        "id": session,
        "audio": {"input": audio_input.write(settings, transcriber)},
        "include": dict(settings.extras).get("include"),
    }


def read(session: Fields) -> dict[str, object]:
    """What the object changes, by the names of `SessionSettings`. Raises BadMessage."""
    for key in session.values:
        if key not in _TAKEN:
            session.refuse(key, "a session that only transcribes has no such field", "unknown_parameter")
    changes: dict[str, object] = {"answers": False}
    echoed: dict[str, object] = {}
    if session.has("audio"):
        audio = session.inner("audio")
        for key in audio.values:
            if key != "input":
                audio.refuse(key, "a session that only transcribes has no such field", "unknown_parameter")
        if audio.has("input"):
            changes |= audio_input.read(audio.inner("input"), echoed)
    changes |= includes.read(session, echoed)
    if echoed:
        changes["extras"] = tuple(echoed.items())
    return changes
