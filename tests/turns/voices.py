"""Words by synthetic voices. espeak comes with the product; flite and festival speak too where they are installed."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from voicechat.adapters.tts import espeak
from voicechat.audio import LISTEN_RATE, AudioFrame, Samples, read_wav, resample, write_wav
from voicechat.config import Settings

ROOT: Final = Path(__file__).parents[2]

BACK_CHANNELS: Final = (
    "mm-hmm", "uh-huh", "okay", "right", "yeah", "hmm", "sure", "I see", "yes", "ah", "oh", "got it",
)  # fmt: skip
"""Said while one goes on listening."""

STOPS: Final = ("stop", "wait", "hold on", "no, stop")
"""Said to make the other one stop."""

_FESTIVAL: Final = {"kal": "voice_kal_diphone", "ked": "voice_ked_diphone", "slt-hts": "voice_cmu_us_slt_arctic_hts"}

_SPELT: Final = {
    ("espeak", "mm-hmm"): "um-hum",
    ("festival", "mm-hmm"): "um hum",
    ("festival", "hmm"): "hum",
    ("flite", "mm-hmm"): "pau m hh m pau",
    ("flite", "hmm"): "pau hh m m pau",
}
"""Left to themselves they spell such words out, letter by letter. flite's are phones."""


@dataclass(frozen=True)
class Speaker:
    """A voice of a program; `warp` other than 1 shifts pitch and formants: another throat."""

    program: str
    voice: str
    warp: float = 1.0


@dataclass(frozen=True)
class Words:
    """A text in a voice, at a pace: 1 is the voice's own."""

    speaker: Speaker
    text: str
    pace: float = 1.0

    @property
    def spelt(self) -> str:
        return _SPELT.get((self.speaker.program, self.text), self.text)


def speakers(half: str) -> list[Speaker]:
    """Those of the half "tune" or "report" that are here."""
    if half == "tune":
        found = [Speaker("espeak", voice, warp) for voice in ("en-us", "en-gb") for warp in (1.0, 1.18, 0.88)]
        return found + _installed("flite", "rms", "kal16") + _installed("festival", "kal")
    names = ("en-gb-scotland", "en-us+f3", "en-gb-x-rp")
    found = [Speaker("espeak", voice, warp) for voice in names for warp in (1.0, 0.9)]
    return found + _installed("flite", "slt", "awb") + _installed("festival", "ked", "slt-hts")


def _installed(program: str, *voices: str) -> list[Speaker]:
    return [Speaker(program, voice) for voice in voices] if shutil.which(program) else []


@cache
def said(words: tuple[Words, ...]) -> tuple[Samples, ...]:
    """Their sounds at 16 kHz, the same in every process.

    espeak never says a word twice alike: what it says hangs on what it said before. So a fresh process says all of it.
    """
    ours = [each for each in words if each.speaker.program == "espeak"]
    spoken = dict(zip(ours, _by_espeak(ours), strict=True))
    return tuple(_warped(spoken[each] if each in spoken else _by_program(each), each.speaker.warp) for each in words)


def say(text: str) -> Samples:
    """In espeak's American voice, at 16 kHz."""
    return said((Words(Speaker("espeak", "en-us"), text),))[0]


def _warped(sound: AudioFrame, warp: float) -> Samples:
    return resample(sound.samples, round(sound.rate * warp), LISTEN_RATE)


def _by_espeak(words: Sequence[Words]) -> list[AudioFrame]:
    asked = json.dumps([(each.spelt, each.speaker.voice, each.pace) for each in words])
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.turns.voices", folder]
        subprocess.run(command, input=asked.encode(), cwd=ROOT, check=True, capture_output=True)
        return [read_wav(Path(folder) / f"{number}.wav") for number in range(len(words))]


def _speak(folder: Path) -> None:
    """The fresh process."""
    engine = espeak.load(Settings())
    for number, (text, voice, pace) in enumerate(json.loads(sys.stdin.read())):
        pieces = [piece.samples for piece in engine.synthesize(text, voice, pace)]
        write_wav(folder / f"{number}.wav", engine.rate, np.concatenate(pieces))


def _by_program(words: Words) -> AudioFrame:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        script, command = _command(words, path)
        subprocess.run(command, input=script.encode(), check=True, capture_output=True)
        return read_wav(path)


def _command(words: Words, path: Path) -> tuple[str, list[str]]:
    speaker, text, pace = words.speaker, words.spelt, words.pace
    if speaker.program == "flite":
        stretch = f"duration_stretch={1 / pace}"
        kind = "-t" if text == words.text else "-p"
        return "", ["flite", "-voice", speaker.voice, "--setf", stretch, kind, text, "-o", str(path)]
    script = f"({_FESTIVAL[speaker.voice]}) (Parameter.set 'Duration_Stretch {1 / pace})"
    return f'{script} (utt.save.wave (utt.synth (Utterance Text "{text}")) "{path}" \'riff)', ["festival", "--pipe"]


if __name__ == "__main__":
    _speak(Path(sys.argv[1]))
