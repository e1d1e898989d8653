"""Words by synthetic voices. espeak comes with the product; flite and festival speak too where they are installed."""

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from voicechat.adapters.tts import espeak
from voicechat.audio import LISTEN_RATE, Samples, read_wav, resample
from voicechat.config import Settings

BACK_CHANNELS: Final = (
    "mm-hmm", "uh-huh", "okay", "right", "yeah", "hmm", "sure", "I see", "yes", "ah", "oh", "got it",
)  # fmt: skip
"""Said while one goes on listening."""

STOPS: Final = ("stop", "wait", "hold on", "no, stop")
"""Said to make the other one stop."""

_FESTIVAL: Final = {"kal": "voice_kal_diphone", "ked": "voice_ked_diphone", "slt-hts": "voice_cmu_us_slt_arctic_hts"}


@dataclass(frozen=True)
class Speaker:
    """A voice of a program; `warp` other than 1 shifts pitch and formants: another throat."""

    program: str
    voice: str
    warp: float = 1.0

    def say(self, text: str, pace: float = 1.0) -> Samples:
        """At 16 kHz."""
        return _say(self, text, pace)


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
def _say(speaker: Speaker, text: str, pace: float) -> Samples:
    if speaker.program == "espeak":
        engine = espeak.load(Settings())
        sound = np.concatenate([piece.samples for piece in engine.synthesize(text, speaker.voice, pace)])
        return resample(sound, round(engine.rate * speaker.warp), LISTEN_RATE)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        script, command = _command(speaker, text, pace, path)
        subprocess.run(command, input=script.encode(), check=True, capture_output=True)
        spoken = read_wav(path)
    return resample(spoken.samples, round(spoken.rate * speaker.warp), LISTEN_RATE)


def _command(speaker: Speaker, text: str, pace: float, path: Path) -> tuple[str, list[str]]:
    if speaker.program == "flite":
        stretch = f"duration_stretch={1 / pace}"
        return "", ["flite", "-voice", speaker.voice, "--setf", stretch, "-t", text, "-o", str(path)]
    script = f"({_FESTIVAL[speaker.voice]}) (Parameter.set 'Duration_Stretch {1 / pace})"
    return f'{script} (utt.save.wave (utt.synth (Utterance Text "{text}")) "{path}" \'riff)', ["festival", "--pipe"]
