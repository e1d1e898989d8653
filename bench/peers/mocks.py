"""The engines that every peer is given, as `config/bench.yaml` gives them to voicechat."""

import math
from array import array
from functools import cache

HEARD = "Where can I see the dinosaurs?"
RECOGNITION = 0.05
TOKEN = 0.005
VOICE = 0.05
SENTENCE = ("One", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten.")
SENTENCES = 5
WORD_SECONDS = 0.06
PITCH = 440.0
AMPLITUDE = 8000


def tokens() -> list[str]:
    return [f"{word} " for word in SENTENCE * SENTENCES]


@cache  # made once: an engine that costs processor time would be taken for the peer
def tone(text: str, rate: int) -> bytes:
    """60 ms a word, int16 mono."""
    count = round(len(text.split()) * WORD_SECONDS * rate)
    step = 2 * math.pi * PITCH / rate
    return array("h", (int(AMPLITUDE * math.sin(step * at)) for at in range(count))).tobytes()
