"""What this house tells of itself to who asks it to describe itself: ears, voices, and who answers. No I/O."""

from typing import Final

from voicechat import __version__
from voicechat.protocols import Studio
from voicechat.transport.wyoming.events import Event

NAME: Final = "voicechat"

_ABOUT: Final = {
    "attribution": {"name": NAME, "url": ""},
    "installed": True,
    "version": __version__,
}


def info(studio: Studio) -> Event:
    """A voice whose language is not known is offered for those that are understood: without any, none would find it."""
    languages = list(studio.languages)
    speakers = {voice.model for voice in studio.voices}
    ears = [name for name in studio.models if name not in speakers]
    voices = [
        {**_named(voice.name, voice.name), "languages": [voice.language] if voice.language else languages}
        for voice in studio.voices
    ]
    models = [{**_named(name, name), "languages": languages} for name in ears]
    agent = {**_named(NAME, "The agent of this server"), "languages": languages}
    return Event(
        "info",
        {
            "asr": [{**_named(NAME, "Speech to text"), "models": models, "supports_transcript_streaming": True}],
            "tts": [{**_named(NAME, "Text to speech"), "voices": voices, "supports_synthesize_streaming": True}],
            "handle": [{**_named(NAME, "Conversation"), "models": [agent], "supports_handled_streaming": True}],
        },
    )


def _named(name: str, description: str) -> dict[str, object]:
    return {"name": name, "description": description, **_ABOUT}
