"""What a client wants to be told beside the usual: the names in `include`. No I/O."""

from typing import Final

from voicechat.conversation import SessionSettings
from voicechat.transport.fields import Fields

LOGPROBS: Final = "item.input_audio_transcription.logprobs"


def names(settings: SessionSettings) -> frozenset[str]:
    """All that the client has asked for."""
    included = dict(settings.extras).get("include")
    return frozenset(map(str, included)) if isinstance(included, list | tuple) else frozenset()


def read(session: Fields, echoed: dict[str, object]) -> dict[str, object]:
    """What the session's `include` changes, by the names of `SessionSettings`. Raises BadMessage."""
    if "include" not in session.values:
        return {}
    echoed["include"] = session.values["include"]
    return {"weighs": LOGPROBS in (session.names("include") if session.has("include") else ())}
