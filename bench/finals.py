"""What a final transcript costs after what was read before it: `python -m bench.finals [--rounds N] [--whisper DIR]`

An utterance goes to our Whisper as if it were spoken: sound and processor time make the time. Then its end costs so
much processor time, and the same sound read afresh so much, in turn; the ratio is the median of the pairs'. Encodings
and decodings are counted, too.

Without a real model one of the size of tiny is made. It reads nothing in a sound, so it is told when to stop, after as
many words as are spoken in such a time, and what it has read is made up for it. The work is a real one's.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from voicechat.adapters.asr.whisper import FALLBACK, ONCE, WhisperEngine
from voicechat.adapters.tts import espeak
from voicechat.adapters.whisper import runtime
from voicechat.adapters.whisper.window import Hearing, Piece, Window
from voicechat.audio import LISTEN_RATE, AudioFrame, Samples, resample, silence
from voicechat.config import Settings
from voicechat.config.hearing import AsrSettings, WhisperSettings

FRAME: Final = LISTEN_RATE // 50
WORDS: Final = "We have seen the hall of birds and the old trains and the room with all the clocks of the town and then"
TOKENS_A_SECOND: Final = 4
"""About three words."""
PIECE: Final = 4
"""Seconds of each piece."""

ENDS: Final = {
    "0.3 s of quiet": silence(0.3, LISTEN_RATE),
    "0.1 s of quiet": silence(0.1, LISTEN_RATE),
    "in a word": silence(0.0, LISTEN_RATE),
}
SECONDS: Final = (1.0, 3.0, 6.0, 12.0, 24.0)


@dataclass
class Counted:
    """A model of CTranslate2, and what was asked of it."""

    model: Any
    encodings: int = 0
    decodings: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def encode(self, *arguments: Any, **options: Any) -> Any:
        self.encodings += 1
        return self.model.encode(*arguments, **options)

    def generate(self, *arguments: Any, **options: Any) -> Any:
        self.decodings += 1
        return self.model.generate(*arguments, **options)


class Told(Window):
    """Reads for as long as a real one does, and is told what it has read: a word for each half second of `heard`."""

    heard = 0

    def hear(
        self,
        samples: Samples,
        language: str | None,
        *,
        before: str = "",
        times: bool = False,
        temperatures: Sequence[float] = ONCE,
        weighs: bool = False,
    ) -> Hearing:
        self._seconds = len(samples) / LISTEN_RATE
        reading = super().hear(
            samples, language, before=before, times=times, temperatures=temperatures, weighs=weighs
        )
        begun = (self.heard - len(samples)) / LISTEN_RATE
        words = [number for number in range(120) if begun <= number / 2 <= begun + self._seconds - 0.5]
        ends = sorted({number // (2 * PIECE) for number in words}) if times else [0]
        pieces = []
        for end in ends:
            text = "".join(f" w{number}" for number in words if not times or number // (2 * PIECE) == end)
            pieces.append(Piece(text, round((end + 1) * PIECE - begun, 2) if times else None))
        return replace(reading, pieces=tuple(pieces), sure=True)

    def _read(self, encoded: Any, tokenizer: Any, prompt: list[int], longest: int, temperature: float) -> Any:
        longest = min(longest, len(prompt) + 1 + round(TOKENS_A_SECOND * self._seconds))
        return super()._read(encoded, tokenizer, prompt, longest, temperature)


@dataclass
class Found:
    """Of the end of an utterance: encodings, decodings, and its processor seconds beside those of a fresh reading."""

    encodings: int = 0
    decodings: int = 0
    before: int = 0
    """Encodings before the end."""
    ends: list[float] = field(default_factory=list)
    fresh: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return median(end / whole for end, whole in zip(self.ends, self.fresh, strict=True))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--whisper", type=Path, help="a real model's directory")
    chosen = arguments.parse_args()
    screen = Console(highlight=False, width=120)
    screen.print(f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        directory, kind = (chosen.whisper, Window) if chosen.whisper else (made(Path(folder)), Told)
        for fitted in (False, True):
            screen.print(table(directory, kind, fitted, chosen.rounds))


def made(folder: Path) -> Path:
    from tests.tiny import whisper

    words = "".join(f" {chr(97 + number % 26)}{chr(97 + number // 26)}x" for number in range(150))
    return whisper.build(folder, words, multilingual=False, width=384, layers=4)


def table(directory: Path, kind: type[Window], fitted: bool, rounds: int) -> Table:
    wanted = WhisperSettings(model=str(directory), threads=1, fitted_window=fitted)
    model = runtime.open_model(directory, Settings(asr=AsrSettings(device="cpu", whisper=wanted)))
    model.model = Counted(model.model)
    caller = Caller(model.model, kind(model, fitted=fitted))
    heads = ("utterance", "its end", "read before", "encodings, decodings at the end", "CPU, ms", "afresh", "ratio")
    rows = Table(*heads, title="fitted window" if fitted else "window of 30 s")
    sound = speech(max(SECONDS))
    for seconds in SECONDS:
        for end, quiet in ENDS.items():
            heard = np.concatenate((sound[: round(seconds * LISTEN_RATE)], quiet))
            found = caller.measured(heard, rounds)
            times = [f"{1000 * median(values):.1f}" for values in (found.ends, found.fresh)]
            work = f"{found.encodings}, {found.decodings}"
            rows.add_row(f"{seconds:g} s", end, str(found.before), work, *times, f"{found.ratio:.2f}")
    caller.engine.close()
    return rows


def speech(seconds: float) -> Samples:
    """(n,) at 16 kHz, without a pause."""
    voice = espeak.load(Settings())
    once = np.concatenate([piece.samples for piece in voice.synthesize(WORDS, "en-gb")])
    once = resample(once, voice.rate, LISTEN_RATE)[LISTEN_RATE // 5 : -LISTEN_RATE // 2]
    return np.tile(once, 1 + round(seconds * LISTEN_RATE) // len(once))[: round(seconds * LISTEN_RATE)]


class Caller:
    """Speaks to an engine of their own."""

    def __init__(self, model: Counted, window: Window) -> None:
        self._model, self._window = model, window
        self._spoken = 0.0
        self.engine = WhisperEngine(window, "en", lambda: self._spoken + time.process_time())
        self.engine.warm_up()

    def measured(self, heard: Samples, rounds: int) -> Found:
        found, model = Found(), self._model
        for _ in range(rounds):
            self._spoken += 10.0
            stream, begun = self.engine.open("en"), model.encodings
            for start in range(0, len(heard), FRAME):
                frame = AudioFrame(heard[start : start + FRAME], LISTEN_RATE)
                self._spoken += frame.seconds
                self._hears(start + FRAME)
                stream.accept(frame)
            found.before = model.encodings - begun
            encodings, decodings, used = model.encodings, model.decodings, time.process_time()
            stream.finish()
            found.ends.append(time.process_time() - used)
            found.encodings, found.decodings = model.encodings - encodings, model.decodings - decodings
            stream.close()
            used = time.process_time()
            self.engine.hear(heard, "en", temperatures=FALLBACK)
            found.fresh.append(time.process_time() - used)
        return found

    def _hears(self, samples: int) -> None:
        if isinstance(self._window, Told):
            self._window.heard = samples


if __name__ == "__main__":
    main()
