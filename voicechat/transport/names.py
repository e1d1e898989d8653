"""What other programs call models and voices, and what we make of it. No I/O."""

import re
from collections.abc import Mapping
from typing import Final

VOICES: Final = frozenset({
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse",
})  # fmt: skip
"""OpenAI's: stock clients ask for one of them by default, and nobody here has them."""

_MODEL: Final = re.compile(r"voicechat|(gpt|whisper|tts|o\d)-[a-z0-9.-]+")
"""Ours, and OpenAI's for speech; each of theirs is as good as ours."""


def voice(asked: str, default: str, voices: Mapping[str, str]) -> str:
    """Our name for a voice: that of the configured `voices`, the default for one of OpenAI's, or else just what was
    asked for, which somebody here may have."""
    if asked in voices:
        return voices[asked]
    return default if asked in VOICES else asked


def is_model(asked: str, models: Mapping[str, str]) -> bool:
    """Whether the name of a model is no surprise: configured, OpenAI's or our own."""
    return asked in models or _MODEL.fullmatch(asked) is not None
