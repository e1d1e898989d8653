"""Understands the same words in whatever it hears: for benchmarks, where recognition shall cost nothing.

It takes no time either. A sleep on the lane would make one caller wait for another, so `agent/scripted.py` waits in
its place, on the loop.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from voicechat.audio import AudioFrame
from voicechat.config import Settings
from voicechat.conversation import Transcript

AUDIBLE: Final = 100
"""A sample's size, of 32768, from which there is something to understand."""


class ScriptedStream:
    def __init__(self, text: str) -> None:
        self._text = text
        self._heard = False

    def accept(self, frame: AudioFrame) -> None:
        """No partial texts."""
        self._heard = self._heard or bool(np.any(np.abs(frame.samples, dtype=np.int32) >= AUDIBLE))

    def peek(self) -> Transcript:
        return self.finish()

    def finish(self) -> Transcript:
        return Transcript(self._text if self._heard else "")

    def close(self) -> None:
        """Nothing to give back."""


class ScriptedRecogniser:
    name = "scripted"

    def __init__(self, text: str) -> None:
        self._text = text

    def open(self, language: str | None) -> ScriptedStream:
        return ScriptedStream(self._text)

    def close(self) -> None:
        """Nothing to give back."""


def load(settings: Settings, phrases: Sequence[str]) -> ScriptedRecogniser:
    """Needs nothing."""
    return ScriptedRecogniser(settings.asr.scripted.text)
