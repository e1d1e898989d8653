"""How well the kiosk understands: python bench/kiosk.py [--half tuning|held] [--every N]

Speaks the questions of a kiosk's file, and sentences that are none of them, with every synthetic voice on this machine,
sends them through a room, a microphone and Opus, and counts which answer the recogniser and the agent give. Voices and
other sentences come in two halves: the recogniser was tuned on one; the other is the one to believe.
Voices: flite, espeak-ng and festival where installed. Human clips from ../shared/speech, where it is there, are other
utterances too.
"""

import argparse
import asyncio
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Final

import av
import numpy as np
import yaml
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("OMP_NUM_THREADS", "1")

from voicechat import config  # noqa: E402 - found through the line above
from voicechat.adapters.agent import faq  # noqa: E402
from voicechat.adapters.asr import pocketsphinx  # noqa: E402
from voicechat.audio import AudioFrame, Samples, read_wav, resample  # noqa: E402
from voicechat.conversation import Item, Role, SessionSettings  # noqa: E402

RATE: Final = 16_000
BLOCK: Final = 1_600
SPEECH: Final = Path(__file__).parents[2] / "shared" / "speech"
NOISES: Final = ("sbnoise_1.wav", "sbnoise_2.wav", "sbnoise_4.wav", "koala_noise.wav")
KINDS: Final = ("question", "near", "other", "human")
FESTIVAL: Final = {"kal": "voice_kal_diphone", "ked": "voice_ked_diphone", "slthts": "voice_cmu_us_slt_arctic_hts"}


@dataclass(frozen=True)
class Speaker:
    """A voice of a program; `warp` other than 1 shifts pitch and formants: another throat."""

    program: str
    voice: str
    warp: float = 1.0

    @property
    def name(self) -> str:
        return f"{self.program} {self.voice}" + (f" x{self.warp:g}" if self.warp != 1 else "")

    def say(self, text: str, pace: float) -> Samples:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "speech.wav"
            script, command = self._command(text, pace, str(path))
            subprocess.run(command, input=script.encode(), check=True, capture_output=True)
            sound = read_wav(path)
        return resample(sound.samples, round(sound.rate * self.warp), RATE)

    def _command(self, text: str, pace: float, path: str) -> tuple[str, list[str]]:
        if self.program == "flite":
            return "", ["flite", "-voice", self.voice, "--setf", f"duration_stretch={1 / pace}", "-t", text, "-o", path]
        if self.program == "espeak-ng":
            return "", ["espeak-ng", "-v", self.voice, "-s", str(round(165 * pace)), "-w", path, text]
        script = f"({FESTIVAL[self.voice]}) (Parameter.set 'Duration_Stretch {1 / pace})"
        return f'{script} (utt.save.wave (utt.synth (Utterance Text "{text}")) "{path}" \'riff)', ["festival", "--pipe"]


def _speakers(program: str, *voices: str) -> list[Speaker]:
    return [Speaker(program, voice) for voice in voices] if shutil.which(program) else []


def _warped(speakers: list[Speaker], voice: str, *warps: float) -> list[Speaker]:
    return [replace(speaker, warp=warp) for speaker in speakers if speaker.voice == voice for warp in warps]


def speakers(half: str) -> list[Speaker]:
    if half == "tuning":
        found = _speakers("flite", "rms", "kal16") + _speakers("festival", "kal")
        found += _speakers("espeak-ng", "en-us", "en-gb", "en-us+f3", "en-gb-x-rp+m3", "en-us+klatt2")
        return found + _warped(found, "rms", 1.13) + _warped(found, "kal", 0.9)
    found = _speakers("flite", "slt", "awb") + _speakers("festival", "ked", "slthts")
    found += _speakers("espeak-ng", "en-gb-scotland", "en-us+f2", "en-gb+klatt", "en-029", "en-us-nyc+m5")
    found += _speakers("espeak-ng", "en-gb-x-gbclan+f4")
    return found + _warped(found, "slt", 1.08) + _warped(found, "awb", 0.92) + _warped(found, "slthts", 0.85)


@dataclass(frozen=True)
class Clip:
    """One utterance to try: `seed` fixes its pace, room, level and codec; `question` is None for others."""

    kind: str
    speaker: Speaker | None
    text: str
    question: int | None
    seed: int
    file: str = ""
    part: tuple[int, int] = (0, 0)


def clips(half: str, file: Path, each: int) -> Iterator[Clip]:
    voices = speakers(half)
    others = yaml.safe_load((Path(__file__).parent / "kiosk_others.yaml").read_text())[half]
    asked = [(text, number) for number, question in enumerate(_questions(file)) for text in question.ask]
    rows: list[tuple[str, str, int | None]] = [("question", text, number) for text, number in asked]
    rows += [(kind, text, None) for kind in ("near", "other") for text in others[kind]]
    for row, (kind, text, number) in enumerate(rows):
        for turn in range(each if voices else 0):
            speaker = voices[(row * each + turn + row // 3) % len(voices)]
            yield Clip(kind, speaker, text, number, row * each + turn)
    yield from _human_clips(half)


def _questions(file: Path) -> tuple[faq.Question, ...]:
    return faq.parse(file.read_text(), str(file)).questions


def _human_clips(half: str) -> Iterator[Clip]:
    """Pieces of 1.2 to 4 s; even ones for tuning, odd ones held."""
    dice = random.Random("human")
    number = 0
    for path in sorted(SPEECH.glob("*.wav")):
        if path.name in NOISES or path.name.startswith("esc"):
            continue
        sound = read_wav(path)
        start, length = 0, round(len(sound.samples) / sound.rate * RATE)
        while length - start > RATE and start < 20 * RATE:
            end = length if length < 4.5 * RATE else min(length, start + round(dice.uniform(1.2, 4) * RATE))
            if number % 2 == (half == "held"):
                yield Clip("human", None, f"{path.stem}@{start / RATE:.1f}", None, number, str(path), (start, end))
            start, number = end, number + 1


@cache
def _clip_file(path: str) -> Samples:
    sound = read_wav(path)
    return resample(sound.samples, sound.rate, RATE)


def sound_of(clip: Clip, half: str) -> Samples:
    dice = random.Random(f"{half} {clip.kind} {clip.seed}")
    if clip.speaker is None:
        return channel(_clip_file(clip.file)[clip.part[0] : clip.part[1]], dice)
    return channel(clip.speaker.say(clip.text, dice.uniform(0.85, 1.2)), dice)


def channel(speech: Samples, dice: random.Random) -> Samples:
    """Speech as the recogniser gets it: with a lead and a tail of room, noise, any level, often through Opus.

    One in seven lost its first sounds to a late detector.
    """
    loud = np.flatnonzero(np.abs(speech) > 60)
    speech = speech[max(0, loud[0] - 160) : loud[-1] + 160] if len(loud) else speech
    sound = speech.astype(np.float64)
    sound *= 16_000 / max(1.0, np.abs(sound).max())
    lead = dice.uniform(0.2, 0.35)
    if dice.random() < 0.15:
        lead, sound = dice.uniform(0, 0.08), sound[round(dice.uniform(0, 0.04) * RATE) :]
    power = float(np.sqrt(np.mean(sound**2)))
    sound = np.pad(sound, (round(lead * RATE), round(dice.uniform(0.3, 0.5) * RATE)))
    sound = (sound + _background(len(sound), power, dice)) * 10 ** dice.uniform(-1, 0.2)
    heard = np.clip(sound, -32768, 32767).astype(np.int16)
    return through_opus(heard) if dice.random() < 0.5 else heard


def _background(length: int, power: float, dice: random.Random) -> NDArray[np.float64]:
    choice = dice.random()
    random_state = np.random.default_rng(dice.randrange(1 << 30))
    hiss = random_state.standard_normal(length)
    if choice < 0.4 and SPEECH.is_dir():
        noise = _clip_file(str(SPEECH / dice.choice(NOISES))).astype(np.float64)
        noise = np.resize(np.roll(noise, -dice.randrange(len(noise))), length)
        return noise * power / max(1.0, float(np.sqrt(np.mean(noise**2)))) * 10 ** (-dice.uniform(15, 30) / 20)
    return hiss * dice.uniform(2, 40) if choice < 0.7 else hiss * 0.3


def through_opus(sound: Samples) -> Samples:
    """Coded at 24 kbit/s and decoded."""
    encoder, decoder = av.AudioCodecContext.create("libopus", "w"), av.AudioCodecContext.create("libopus", "r")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = 48_000, "mono", "s16", 24_000
    decoder.sample_rate, decoder.layout = 48_000, "mono"
    wide = np.pad(resample(sound, RATE, 48_000), (0, 2_880))
    pieces = []
    for start in range(0, len(wide) - 959, 960):
        frame = av.AudioFrame.from_ndarray(wide[None, start : start + 960], format="s16", layout="mono")
        frame.sample_rate, frame.pts = 48_000, start
        for packet in encoder.encode(frame):
            pieces += [decoded.to_ndarray().reshape(-1) for decoded in decoder.decode(packet)]
    return resample(np.concatenate(pieces).astype(np.int16), 48_000, RATE)


@dataclass(frozen=True)
class Outcome:
    clip: Clip
    text: str
    confidence: float
    answered: int | None
    seconds: float
    work: float
    last: float

    @property
    def fine(self) -> bool:
        return self.answered == self.clip.question


class Kiosk:
    """The recogniser and the agent of a kiosk's settings, without the server around them."""

    def __init__(self, file: Path) -> None:
        settings = config.load(None, environ={}, dotenv="").model_copy()
        answers = settings.agent.faq.model_copy(update={"file": file})
        settings = settings.model_copy(update={"agent": settings.agent.model_copy(update={"faq": answers})})
        self.agent = faq.load(settings)
        self.engine = pocketsphinx.load(settings, self.agent.phrases)
        self.questions = _questions(file)

    def hear(self, clip: Clip, sound: Samples) -> Outcome:
        began = time.process_time()
        stream = self.engine.open(None)
        for start in range(0, len(sound), BLOCK):
            stream.accept(AudioFrame(sound[start : start + BLOCK], RATE))
        before = time.process_time()
        transcript = stream.finish()
        after = time.process_time()
        stream.close()
        answered = self._answered(transcript.text)
        seconds = len(sound) / RATE
        return Outcome(
            clip, transcript.text, transcript.confidence, answered, seconds, after - began, after - before
        )

    def _answered(self, text: str) -> int | None:
        return asyncio.run(self._number(text)) if text else None

    async def _number(self, text: str) -> int | None:
        history = [Item("1", Role.USER, text, spoken=True)]
        answer = "".join([part async for part in self.agent.reply(history, SessionSettings())])
        for number, question in enumerate(self.questions):
            if answer in [faq.filled(text, self.agent.now()) for text in question.answers]:
                return number
        return None


@cache
def _kiosk(file: Path) -> Kiosk:
    return Kiosk(file)


def _try(job: tuple[Clip, str, Path]) -> Outcome:
    clip, half, file = job
    return _kiosk(file).hear(clip, sound_of(clip, half))


@dataclass
class Count:
    fine: int = 0
    all: int = 0
    wrong: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        self.all += 1
        self.fine += outcome.fine
        if not outcome.fine:
            self.wrong.append(outcome)

    def share(self, of: Callable[["Count"], int]) -> str:
        return f"{of(self)}/{self.all} {100 * of(self) / self.all:.0f} %" if self.all else ""


def report(outcomes: list[Outcome], half: str, console: Console) -> None:
    rows: dict[str, dict[str, Count]] = defaultdict(lambda: defaultdict(Count))
    for outcome in outcomes:
        who = outcome.clip.speaker.name if outcome.clip.speaker else "people"
        for row in (who, "all"):
            rows[row][outcome.clip.kind].add(outcome)
    table = Table("voice", "questions right", "near misses answered", "others answered", "human clips answered")
    table.title = f"{half} voices"
    for name, counts in sorted(rows.items(), key=lambda row: (row[0] == "all", row[0])):
        right = counts["question"].share(lambda count: count.fine)
        table.add_row(name, right, *(counts[kind].share(lambda count: count.all - count.fine) for kind in KINDS[1:]))
    console.print(table)
    work = sum(outcome.work for outcome in outcomes) / sum(outcome.seconds for outcome in outcomes)
    last = sorted(outcome.last for outcome in outcomes)[len(outcomes) // 2] * 1000
    console.print(f"processor time per second of sound {work:.2f}; median of the last step {last:.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--half", choices=("tuning", "held"), default="held")
    parser.add_argument("--file", type=Path, default=Path(__file__).parents[1] / "config" / "kiosk-faq.yaml")
    parser.add_argument("--each", type=int, default=4, help="voices that say each sentence")
    parser.add_argument("--every", type=int, default=1, help="try only every N-th clip")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--wrong", action="store_true", help="list what went wrong")
    wanted = parser.parse_args()
    console = Console()
    jobs = [(clip, wanted.half, wanted.file) for clip in clips(wanted.half, wanted.file, wanted.each)][:: wanted.every]
    with ProcessPoolExecutor(wanted.workers) as workers:
        outcomes = list(workers.map(_try, jobs, chunksize=8))
    report(outcomes, wanted.half, console)
    for outcome in outcomes if wanted.wrong else ():
        if not outcome.fine:
            who = outcome.clip.speaker.name if outcome.clip.speaker else "people"
            heard = f"{outcome.text} ({outcome.confidence:.2f})"
            console.print(f"{outcome.clip.kind} | {who} | {outcome.clip.text} | {heard}")


if __name__ == "__main__":
    main()
