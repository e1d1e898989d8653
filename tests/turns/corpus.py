"""Scenes with known answers, always the same: speech, noises, coughs and back-channels, alone and over a talking bot.

They come in two halves without a clip, noise or voice in common: "tune" is for choosing settings, "report" for
believing them. The human clips and recorded noises are not part of the project: without their folder the scenes made
of them are missing.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from tests.turns import mixing, noises, voices
from tests.turns.mixing import Sound, Span
from tests.turns.voices import Words
from voicechat.adapters.vad import silero
from voicechat.audio import LISTEN_RATE, Samples, read_wav, resample
from voicechat.config import Settings
from voicechat.rehearsal.loudspeaker import Echo
from voicechat.rehearsal.score import Label, Meaning
from voicechat.rehearsal.tape import Scene

SPEECH: Final = Path(__file__).parents[3] / "shared" / "speech"
HALVES: Final = ("tune", "report")

BARK: Final = "esc_dog.wav"
NOISES: Final = {
    "tune": ("sbnoise_1.wav", BARK),
    "report": ("sbnoise_2.wav", "sbnoise_4.wav", "koala_noise.wav"),
}
TUNE: Final = ("LJ", "sb_spk1", "cards", "goforward", "something", "silero_60s", "vosk_digits")
"""How the names of the clips of that half begin; those of the other half are all others."""
COPIES: Final = ("koala_noisy.wav",)
"""The same recording as another one, with noise."""
SPLITS: Final = {"silero_60s.wav": 0.7, "rtstt_ref.wav": 0.55, "diarization.wav": 1.0, "sb_vad_train.wav": 0.5}
"""Clips of several utterances, and the seconds of silence between these; every other clip is one utterance."""

BEFORE: Final = 1.5
"""Seconds from a scene's start to what it is about."""
LONGEST: Final = 4.0
"""Seconds of an utterance that is used as an interruption."""


@dataclass(frozen=True)
class Take:
    """A scene, what it is an example of, and what is right."""

    name: str
    category: str
    half: str
    scene: Scene
    labels: tuple[Label, ...]


@dataclass(frozen=True)
class Utterance:
    """A stretch of a human clip."""

    name: str
    sound: Samples
    pauses: tuple[float, ...]


def takes(half: str) -> Iterator[Take]:
    """All scenes of a half. Deterministic on one machine: voices that are not installed are missing."""
    for category in CATEGORIES:
        yield from CATEGORIES[category](half)


def of(category: str, half: str) -> list[Take]:
    return list(CATEGORIES[category](half))


@cache
def utterances(half: str) -> tuple[Utterance, ...]:
    found = []
    for path in sorted(SPEECH.glob("*.wav")):
        if path.name in COPIES or any(path.name in names for names in NOISES.values()):
            continue
        if path.name.startswith(TUNE) is (half == "tune"):
            clip = _load(path.name)
            split = mixing.spans(clip, _probabilities(clip), SPLITS.get(path.name, 99.0))
            found += [_cut(path.stem, number, clip, span) for number, span in enumerate(split)]
    return tuple(found)


def _cut(name: str, number: int, clip: Samples, span: Span) -> Utterance:
    return Utterance(f"{name}-{number}", clip[span.start : span.end], span.pauses)


def _probabilities(clip: Samples) -> list[float]:
    """How likely each 20 ms of a clean clip is speech."""
    stream = silero.load(Settings()).open()
    return [stream.probability(clip[at : at + mixing.FRAME]) for at in range(0, len(clip) - mixing.FRAME, mixing.FRAME)]


@cache
def _load(name: str) -> Samples:
    clip = read_wav(SPEECH / name)
    return resample(clip.samples, clip.rate, LISTEN_RATE)


def _dice(*name: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(" ".join(map(str, name)).encode()))


def _ground(seconds: float, dice: np.random.Generator, noise: str = "", level: float = 0.0) -> Sound:
    """A quiet room, or one with a noise at that level in dB below full scale."""
    ground = mixing.room(seconds, dice)
    if noise:
        sound = _load(noise)
        ground += mixing.gained(mixing.looped(sound, seconds, dice), level - mixing.loudness(sound))
    return ground


def _event(
    name: str, category: str, half: str, sound: Sound, meaning: Meaning, dice: np.random.Generator, *, bot: bool = True
) -> Take:
    """The sound once, in a quiet room, while the bot speaks or is silent."""
    at = BEFORE + float(dice.uniform(0, 0.5))
    end = at + len(sound) / LISTEN_RATE
    ground = _ground(end + 1.5, dice)
    mixing.lay(ground, sound, at)
    scene = Scene(mixing.samples(ground), ((0.3, end + 1.5),) if bot else ())
    return Take(name, category, half, scene, (Label(at, end, meaning),))


def _voice(
    name: str, category: str, half: str, speech: Samples, meaning: Meaning, gain: float, snr: float | None
) -> Take:
    """Speech at a gain, in a noise that is `snr` dB softer; over the bot if it is an interruption."""
    dice = _dice(name, category)
    at = BEFORE + float(dice.uniform(0, 0.5))
    end = at + len(speech) / LISTEN_RATE
    noise = str(dice.choice([name for name in NOISES[half] if name != BARK])) if snr is not None else ""
    ground = _ground(end + 2.0, dice, noise, mixing.loudness(speech) + gain - (snr or 0.0))
    mixing.lay(ground, mixing.gained(speech, gain), at)
    bot = ((0.3, end),) if meaning is Meaning.INTERRUPTION else ()
    return Take(name, category, half, Scene(mixing.samples(ground), bot), (Label(at, end, meaning),))


CONDITIONS: Final[tuple[tuple[float, float | None], ...]] = (
    (0.0, None), (-5.0, None), (-10.0, None), (0.0, 20.0), (-5.0, 10.0), (0.0, 5.0),
)  # fmt: skip
"""Gain and signal-to-noise ratio in dB; None: a quiet room."""


def _named(name: str, gain: float, snr: float | None) -> str:
    return f"{name} {gain:+.0f} dB{'' if snr is None else f', SNR {snr:.0f}'}"


def _interruptions(half: str) -> Iterator[Take]:
    for utterance in utterances(half):
        speech = utterance.sound[: round(LONGEST * LISTEN_RATE)]
        for gain, snr in CONDITIONS:
            name = _named(utterance.name, gain, snr)
            yield _voice(name, "interruption", half, speech, Meaning.INTERRUPTION, gain, snr)


def _whole(half: str, category: str, conditions: Sequence[tuple[float, float | None]]) -> Iterator[Take]:
    """Utterances to their end, while the bot listens."""
    for utterance in utterances(half):
        if bool(utterance.pauses) is (category == "inner pauses"):
            for gain, snr in conditions:
                name = _named(utterance.name, gain, snr)
                yield _voice(name, category, half, utterance.sound, Meaning.SPEECH, gain, snr)


def _recorded(half: str, *, bot: bool = True) -> Iterator[Take]:
    category = "noise" if bot else "noise, bot silent"
    for name in NOISES[half] if SPEECH.is_dir() else ():
        for number in range(60 // len(NOISES[half])):
            dice = _dice(name, number, category)
            sound = mixing.gained(_stretch(name, dice), float(dice.uniform(-10, 0)))
            yield _event(f"{name} {number}", category, half, sound, Meaning.NOISE, dice, bot=bot)


def _stretch(name: str, dice: np.random.Generator) -> Sound:
    """Of a recorded noise: the one bark of the dog, 15 dB louder than it is, or 0.3 to 3 s from anywhere."""
    if name == BARK:
        start, end = round(2.1 * LISTEN_RATE), round(2.8 * LISTEN_RATE)
        return mixing.gained(_load(name)[start:end], 15.0)
    return mixing.looped(_load(name), float(dice.uniform(0.3, 3.0)), dice)


def _made(half: str) -> Iterator[Take]:
    for kind, make in noises.OTHERS.items():
        for number in range(10):
            dice = _dice(kind, number, half)
            sound = mixing.at_level(make(dice), float(dice.uniform(-38, -15)))
            yield _event(f"{kind} {number}", "noise", half, sound, Meaning.NOISE, dice)


def _noises(half: str) -> Iterator[Take]:
    yield from _recorded(half)
    yield from _made(half)


def _coughs(half: str) -> Iterator[Take]:
    for number in range(100):
        dice = _dice("cough", number, half)
        sound = mixing.at_level(noises.COUGHS[number % 4](dice), float(dice.uniform(-35, -12)))
        yield _event(f"cough {number}", "cough", half, sound, Meaning.NOISE, dice)


def _words(half: str, category: str, texts: tuple[str, ...], meaning: Meaning) -> Iterator[Take]:
    asked = tuple(
        Words(speaker, text, round(float(_dice(text, speaker).uniform(0.85, 1.25)), 2))
        for speaker in voices.speakers(half)
        for text in texts
    )
    for words, sound in zip(asked, voices.said(asked), strict=True):
        name = f"{words.text}, {words.speaker.program} {words.speaker.voice} x{words.speaker.warp:g}"
        dice = _dice(name)
        word = mixing.trimmed(sound)
        level = float(dice.uniform(-32, -18)) - mixing.loudness(word)
        yield _event(name, category, half, mixing.gained(word, level), meaning, dice)


def _echoes(half: str) -> Iterator[Take]:
    """A loudspeaker that the microphone hears, quiet or not, beside players that buffer or not; nobody speaks."""
    for number in range(60):
        dice = _dice("echo", number, half)
        starts = (float(dice.uniform(0.0, 0.3)),) if number % 2 else ()
        echo = Echo(float(dice.uniform(3, 30)), float(dice.uniform(0.04, 0.3)), starts)
        noise = float(dice.uniform(-85, -60))
        hiss = mixing.at_level(dice.standard_normal(8 * LISTEN_RATE).astype(np.float32), noise)
        scene = Scene(mixing.samples(hiss), ((0.3, 8.0),), echo)
        line = "buffered" if starts else "at once"
        name = f"{echo.decibels:.0f} dB after {echo.delay:.3f} s, {line}, noise {noise:.0f} dB {number}"
        yield Take(name, "echo", half, scene, (Label(1.0, 7.0, Meaning.NOISE),))


def _over_echoes(half: str) -> Iterator[Take]:
    """The same loudspeaker, 12 dB softer than the caller who interrupts."""
    for number, utterance in enumerate(utterances(half)):
        name = utterance.name
        speech = utterance.sound[: round(LONGEST * LISTEN_RATE)]
        take = _voice(name, "over echo", half, speech, Meaning.INTERRUPTION, -18.0 - mixing.loudness(speech), None)
        scene = Scene(take.scene.sound, take.scene.bot, Echo(12.0, 0.06 + 0.02 * (number % 8)))
        yield Take(name, "over echo", half, scene, take.labels)


CATEGORIES: Final[dict[str, Callable[[str], Iterator[Take]]]] = {
    "interruption": _interruptions,
    "noise": _noises,
    "cough": _coughs,
    "back-channel": lambda half: _words(half, "back-channel", voices.BACK_CHANNELS, Meaning.BACKCHANNEL),
    "stop word": lambda half: _words(half, "stop word", voices.STOPS, Meaning.INTERRUPTION),
    "inner pauses": lambda half: _whole(half, "inner pauses", CONDITIONS[:5]),
    "no pauses": lambda half: _whole(half, "no pauses", (CONDITIONS[0], CONDITIONS[4])),
    "noise, bot silent": lambda half: _recorded(half, bot=False),
    "echo": _echoes,
    "over echo": _over_echoes,
}
