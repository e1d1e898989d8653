"""Which model speaks with the voice that somebody asked for, and what it calls that voice. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from voicechat.protocols import Voice


@dataclass(frozen=True, slots=True)
class Part:
    """A model, and one of its voices; empty: its first."""

    model: str
    voice: str = ""


def find(wanted: str, default: str, models: Mapping[str, Sequence[str]]) -> Part | None:
    """Who speaks with the wanted voice; None: nobody has it.

    `models` are all there are, with their voices' names; none where they are not known before it is loaded. What is
    wanted is a voice's name, a model's, a voice's behind its model's (espeak-en-gb), or with a star at its end a prefix
    of any of them (piper-*). Where several fit, the default model goes first, then those whose voices are known.
    """
    if not wanted:
        return Part(default)
    order = sorted(models, key=lambda name: (name != default, not models[name]))
    if wanted.endswith("*"):
        return _prefixed(wanted[:-1], order, models)
    for name in order:
        if wanted in models[name]:
            return Part(name, wanted)
    for name in order:
        if wanted.startswith(f"{name}-") and wanted[len(name) + 1 :] in models[name]:
            return Part(name, wanted[len(name) + 1 :])
    if wanted in models:
        return Part(wanted)
    longest = max((name for name in models if wanted.startswith(f"{name}-") and not models[name]), key=len, default="")
    return Part(longest, wanted[len(longest) + 1 :]) if longest else None


def _prefixed(prefix: str, order: Sequence[str], models: Mapping[str, Sequence[str]]) -> Part | None:
    for name in order:
        if name.startswith(prefix):
            return Part(name)
        for voice in models[name]:
            if voice.startswith(prefix) or f"{name}-{voice}".startswith(prefix):
                return Part(name, voice)
    return None


def spoken(voices: Sequence[Voice], language: str) -> str | None:
    """The voice for a language, BCP 47: the first one whose own it is, or the first of the language in another region
    (en-GB for en, en-US for en-GB). None: there is none.
    """
    wanted = language.lower().replace("_", "-").split("-")
    known = [(voice.name, voice.language.lower().replace("_", "-").split("-")) for voice in voices]
    for length in range(len(wanted), 0, -1):
        for name, tag in known:
            if tag[:length] == wanted[:length]:
                return name
    return None
