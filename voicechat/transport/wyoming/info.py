"""What this house tells of itself to who asks it to describe itself: ears, voices, and who answers. No I/O."""

from typing import Final

from voicechat import __version__
from voicechat.protocols import NamedVoice, Studio
from voicechat.transport.wyoming.events import Event

NAME: Final = "voicechat"


def info(studio: Studio) -> Event:
    """What has to be loaded first may be asked for, and is no choice that a program should offer: it counts as not
    installed. A voice of no known language is offered for those that are understood, or nobody would find it."""
    languages = list(studio.languages)
    speakers = {voice.model for voice in studio.voices}
    ears = [name for name in studio.models if name not in speakers]
    models = [{**_named(name, name, name == ears[0]), "languages": languages} for name in ears]
    voices = [
        {**_named(each.name, each.name, _is_loaded(each)), "languages": [each.language] if each.language else languages}
        for each in studio.voices
    ]
    agent = {**_named(NAME, "The agent of this server"), "languages": languages}
    return Event(
        "info",
        {
            "asr": [{**_named(NAME, "Speech to text"), "models": models, "supports_transcript_streaming": True}],
            "tts": [{**_named(NAME, "Text to speech"), "voices": voices, "supports_synthesize_streaming": True}],
            "handle": [{**_named(NAME, "Conversation"), "models": [agent], "supports_handled_streaming": True}],
        },
    )


def _is_loaded(voice: NamedVoice) -> bool:
    """Until a model is, its one voice is called as itself."""
    return voice.name != voice.model or bool(voice.language)


def _named(name: str, description: str, installed: bool = True) -> dict[str, object]:
    attribution = {"name": NAME, "url": ""}
    return {
        "name": name,
        "description": description,
        "attribution": attribution,
        "installed": installed,
        "version": __version__,
    }
