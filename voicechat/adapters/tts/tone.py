"""A plain 440 Hz tone of 60 ms a word: a voice for tests, exact to the sample."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from voicechat.config import Settings
from voicechat.errors import EngineFailed
from voicechat.protocols import Capabilities, Speech, Voice

RATE: Final = 48_000
PITCH: Final = 440.0
WORD_SECONDS: Final = 0.06
AMPLITUDE: Final = 8_000
PIECE: Final = RATE // 50


class Tone:
    """One wave without a break through the whole text, in pieces of 20 ms."""

    name = "tone"
    rate = RATE
    voices = (Voice("tone", "en"),)
    capabilities = Capabilities(streaming=True, languages=("en",), parallel=True)

    def synthesize(self, text: str, voice: str, speed: float = 1.0) -> Iterator[Speech]:
        if voice not in ("", "tone"):
            raise EngineFailed("unknown_voice", f"tone has no voice {voice!r}: tone")
        return self._hum(text.split(), WORD_SECONDS * RATE / speed)

    def _hum(self, words: list[str], samples_per_word: float) -> Iterator[Speech]:
        total = round(len(words) * samples_per_word)
        begun = 0
        for start in range(0, total, PIECE):
            at = np.arange(start, min(start + PIECE, total))
            wave = AMPLITUDE * np.sin(2 * np.pi * PITCH / RATE * at)
            until = begun
            while until < len(words) and round(until * samples_per_word) <= at[-1]:
                until += 1
            yield Speech(wave.astype(np.int16), " ".join(words[begun:until]))
            begun = until

    def close(self) -> None:
        """Nothing to give back."""


def load(settings: Settings) -> Tone:
    return Tone()
