"""Voices laid over noise, as a microphone would hear them, and what the spotter's network sees of them."""

import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.spotter import rooms
from bench.spotter.voices import JUDGED
from voicechat import clip
from voicechat.adapters.spotter.pocketsphinx import Ear
from voicechat.audio import LISTEN_RATE, resample
from voicechat.sphinx.acoustics import Acoustics
from voicechat.sphinx.decoder import model

Floats = NDArray[np.float32]

STEP: Final = 0.02
LEAD: Final = 0.8
"""Seconds of noise before the voice."""
SEEN: Final = 60
"""Steps of a scene that the network sees."""
PROMPT: Final = (0.2, 0.42)
"""Seconds before the voice at which the spotter begins to hear."""
LOUDNESS: Final = -26.0
"""dB below full scale, of speech, on average."""
RATIOS: Final = 5.0, 8.0, 10.0, 12.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0
"""The signal-to-noise ratios of training, in dB."""
TIMES: Final = 2
"""How often each synthetic voice is heard, each time somewhere else."""
PEOPLE_TIMES: Final = 4
LONGEST: Final = 21_000
"""Samples of a sentence."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One voice; `onset` seconds into the sound, `seconds` long."""

    name: str
    voice: str
    back_channel: bool
    judged: bool
    sound: NDArray[np.int16]
    onset: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the network sees of a scene, (steps, inputs), and from which step to which it is asked."""

    voice: str
    back_channel: bool
    seen: Floats
    first: int
    last: int


def bursts(sound: Floats, pause: float = 0.3) -> list[tuple[int, int]]:
    """From which sample to which there is voice, between pauses."""
    size = LISTEN_RATE // 100
    frames = sound[: len(sound) // size * size].reshape(-1, size)
    levels = 10 * np.log10((frames**2).mean(axis=1) + 1)
    loud = levels > max(levels.max() - 32, np.percentile(levels, 10) + 8 if levels.min() > 20 else 0.0)
    found: list[tuple[int, int]] = []
    for at in range(len(loud)):
        if loud[at : at + 4].sum() < 3:
            continue
        if found and at - found[-1][1] < pause * 100:
            found[-1] = (found[-1][0], at + 3)
        else:
            found.append((at, at + 3))
    return [(first * size, last * size) for first, last in found if last - first >= 12]


def over_noise(sound: Floats, noise: Floats, ratio: float, loudness: float, tail: float = 1.0) -> NDArray[np.int16]:
    """The sound at a loudness in dB below full scale, after LEAD and before `tail` seconds of noise, in such noise."""
    power = np.convolve(sound**2, np.full(1600, 1 / 1600), "same")
    speech = np.sqrt(power[power > power.max() / 300].mean())
    level = 32768 * 10 ** (loudness / 20)
    before, after = round(LEAD * LISTEN_RATE), round(tail * LISTEN_RATE)
    whole = np.zeros(before + len(sound) + after, np.float32)
    whole[before : before + len(sound)] = sound * (level / max(speech, 1e-3))
    bed = np.resize(noise, len(whole))
    bed = bed * (level * 10 ** (-ratio / 20) / max(float(np.sqrt((bed**2).mean())), 1e-3))
    mixed: NDArray[np.int16] = np.clip(np.rint(whole + bed), -32768, 32767).astype(np.int16)
    return mixed


def read(path: Path) -> Floats:
    frame = clip.load(path)
    sound: Floats = resample(frame.samples, frame.rate, LISTEN_RATE).astype(np.float32)
    return sound


def spoken(path: Path, dice: np.random.Generator, noise: Floats) -> Scene | None:
    """The scene of a synthetic voice, whose file says what it is; None where it is broken."""
    kind, name, voice, _ = path.stem.split("_")
    sound = read(path)
    found = bursts(sound) if len(sound) > 1600 and np.abs(sound).max() > 0 else []
    if not found:
        return None
    back = kind == "back"
    sound = sound[max(0, found[0][0] - 800) : _end(found, back) + 800]
    return _placed(sound, name, voice, dice, noise, back=back)


def told(path: Path, dice: np.random.Generator, noise: Floats) -> Iterator[Scene]:
    """The scenes of a person's recording: what is said after each pause, none of it a back-channel."""
    sound = read(path)
    for first, last in bursts(sound):
        if last - first >= LISTEN_RATE // 4:
            part = sound[max(0, first - 800) : min(last, first + LONGEST) + 800]
            scene = _placed(part, path.stem, path.stem, dice, noise, back=False)
            if scene is not None:
                yield scene


def _placed(
    sound: Floats, name: str, voice: str, dice: np.random.Generator, noise: Floats, *, back: bool
) -> Scene | None:
    """The sound somewhere else, in noise, at another level; None where nothing is left of it, or it is too long."""
    sound = rooms.moved(sound, dice)
    found = bursts(sound)
    if not found:
        return None
    first, last = found[0][0], _end(found, back)
    if back and last - first > 1.15 * LISTEN_RATE:
        return None
    mixed = over_noise(sound, noise, float(dice.choice(RATIOS)), LOUDNESS + float(dice.uniform(-8, 8)))
    onset, seconds = LEAD + first / LISTEN_RATE, (last - first) / LISTEN_RATE
    return Scene(name, voice, back, name in JUDGED, mixed, onset, seconds)


def _end(found: Sequence[tuple[int, int]], back: bool) -> int:
    """Of a back-channel, or of a sentence's first words."""
    return min((found[-1] if back else found[0])[1], found[0][0] + LONGEST)


def beds(folder: Path) -> list[Floats]:
    """Noises: even, deep, a hum, and many voices at once."""
    dice = np.random.default_rng(7)
    size = 6 * LISTEN_RATE
    white = dice.standard_normal(size).astype(np.float32)
    spectrum = np.fft.rfft(white)
    pitch = np.maximum(np.arange(len(spectrum)) * (LISTEN_RATE / size), 20.0)
    noises = [np.fft.irfft(spectrum / pitch**power, size).astype(np.float32) for power in (0.0, 0.5, 1.0)]
    hum = sum(np.sin(2 * np.pi * 50 * n * np.arange(size) / LISTEN_RATE) / n for n in (1, 2, 3, 5, 7))
    noises.append((hum + 0.1 * white).astype(np.float32))
    starts = sorted(folder.glob("start_*.wav"))
    for _ in range(1):
        chosen = [read(starts[at]) for at in dice.integers(0, len(starts), 24)]
        noises.append(np.sum([np.roll(np.resize(one, size), int(dice.integers(size))) for one in chosen], axis=0))
    return noises


@cache
def _acoustics() -> Acoustics:
    return Acoustics(model("en-us"))


def lesson(scene: Scene, mean: Floats, dice: np.random.Generator) -> Lesson:
    """What the network sees from a little before the voice."""
    prompt = float(dice.uniform(*PROMPT))
    first = round((scene.onset - prompt) * LISTEN_RATE)
    ear = Ear(_acoustics(), mean)
    seen = ear.hear(scene.sound[first : first + round((SEEN + 4) * STEP * LISTEN_RATE)])[:SEEN]
    ear.close()
    seen = np.pad(seen, ((0, SEEN - len(seen)), (0, 0)), "edge")
    onset = round(prompt / STEP)
    length = round(scene.seconds / STEP) + (8 if scene.back_channel else 3)
    return Lesson(scene.voice, scene.back_channel, seen, onset + 5, min(SEEN, onset + min(length, 40)))


def _teach(path: Path, noises: Sequence[Floats], mean: Floats, people: bool) -> list[Lesson]:
    learnt = []
    for time in range(PEOPLE_TIMES if people else TIMES):
        dice = np.random.default_rng(zlib.crc32(f"{path.name} {time}".encode()))
        noise = noises[int(dice.integers(len(noises)))]
        noise = np.roll(noise, int(dice.integers(len(noise))))
        scenes = told(path, dice, noise) if people else [spoken(path, dice, noise)]
        learnt += [lesson(scene, mean, dice) for scene in scenes if scene is not None]
    return learnt


def lessons(folder: Path, people: Sequence[Path], mean: Floats) -> list[Lesson]:
    """Those of all voices in the folder, and of people's recordings."""
    noises = beds(folder)
    with ProcessPoolExecutor(2) as workers:
        found: list[Lesson] = []
        for paths, human in ((sorted(folder.glob("*.wav")), False), (sorted(people), True)):
            teach = partial(_teach, noises=noises, mean=mean, people=human)
            for learnt in workers.map(teach, paths, chunksize=32):
                found += learnt
        return found
