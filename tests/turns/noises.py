"""Noises made of numbers, each from its own seed: coughs, slams, clicks, claps, breath, hum, music. 16 kHz float32.

Each maker returns a sound of shape (n,) whose loudest 20 ms have a power of 1; `mixing.placed` sets its level.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat.audio import LISTEN_RATE

Sound = NDArray[np.float32]
Dice = np.random.Generator


def cough(dice: Dice) -> Sound:
    """A burst of breath through an open throat, 150 to 400 ms; some end in a voice, some come twice."""
    first = _one_cough(dice)
    if dice.random() < 0.4:
        pause = np.zeros(_samples(dice.uniform(0.08, 0.35)), np.float32)
        return _levelled(np.concatenate((first, pause, _one_cough(dice) * np.float32(dice.uniform(0.4, 1.0)))))
    return _levelled(first)


def _one_cough(dice: Dice) -> Sound:
    length = _samples(dice.uniform(0.15, 0.4))
    formants = [(dice.uniform(400, 900), 300.0), (dice.uniform(1200, 2000), 500.0), (dice.uniform(2500, 3800), 900.0)]
    breath = _shaped(dice, length, formants)
    burst = _decay(length, attack=dice.uniform(0.002, 0.012), tail=dice.uniform(0.04, 0.12))
    sound = breath * burst
    if dice.random() < 0.5:
        voice = _buzz(dice, length, dice.uniform(110, 260), falling=0.7) * _bump(length, dice.uniform(0.4, 0.7))
        sound = sound + voice * np.float32(dice.uniform(0.1, 0.5) * np.abs(sound).max())
    return np.asarray(sound, np.float32)


def throat(dice: Dice) -> Sound:
    """A throat being cleared: breath in a rattle of 20 to 35 beats a second."""
    length = _samples(dice.uniform(0.25, 0.5))
    time = _time(length)
    rattle = 0.5 + 0.5 * np.sin(2 * np.pi * dice.uniform(20, 35) * time)
    breath = _shaped(dice, length, [(dice.uniform(300, 600), 200.0), (dice.uniform(1000, 1600), 500.0)])
    return _levelled(breath * rattle.astype(np.float32) * _bump(length, 0.4))


def slam(dice: Dice) -> Sound:
    """A door: a low blow, and a room that rings after it."""
    length = _samples(dice.uniform(0.3, 0.6))
    low = _shaped(dice, length, [(dice.uniform(60, 140), 80.0)]) * _decay(length, 0.001, dice.uniform(0.06, 0.15))
    room = _shaped(dice, length, [(dice.uniform(400, 900), 800.0)]) * _decay(length, 0.001, 0.05)
    return _levelled(low + room * np.float32(dice.uniform(0.1, 0.5)))


def keys(dice: Dice) -> Sound:
    """Typing: 5 to 14 clicks."""
    return _knocks(dice, int(dice.integers(5, 15)), gap=(0.07, 0.22), decay=(0.003, 0.01), pitch=(2000, 5000))


def claps(dice: Dice) -> Sound:
    return _knocks(dice, int(dice.integers(1, 5)), gap=(0.2, 0.5), decay=(0.01, 0.03), pitch=(900, 2200))


def breath(dice: Dice) -> Sound:
    """A sigh onto the microphone, 0.3 to 0.9 s."""
    length = _samples(dice.uniform(0.3, 0.9))
    return _levelled(_shaped(dice, length, [(dice.uniform(500, 1500), 1500.0)]) * _bump(length, dice.uniform(0.3, 0.7)))


def hum(dice: Dice) -> Sound:
    """A machine: the mains and its overtones, 1 to 2 s."""
    length = _samples(dice.uniform(1.0, 2.0))
    time, mains = _time(length), dice.choice([50.0, 60.0])
    tones = sum(np.sin(2 * np.pi * mains * n * time) / n for n in (1, 2, 3, 4, 6))
    return _levelled(np.asarray(tones, np.float32) * _edges(length))


def music(dice: Dice) -> Sound:
    """A tune of plucked notes, 1.5 to 2.5 s."""
    length = _samples(dice.uniform(1.5, 2.5))
    sound = np.zeros(length, np.float32)
    at = 0
    while at < length:
        pitch = 220.0 * 2 ** (int(dice.choice([0, 2, 4, 5, 7, 9, 12])) / 12)
        time = _time(length - at)
        note = sum(np.sin(2 * np.pi * pitch * n * time) / n**1.5 for n in range(1, 6))
        sound[at:] += np.asarray(note * np.exp(-time / 0.3), np.float32)
        at += _samples(float(dice.choice([0.15, 0.25, 0.35])))
    return _levelled(sound * _edges(length))


COUGHS: Final[Sequence[Callable[[Dice], Sound]]] = (cough, cough, cough, throat)
OTHERS: Final[Mapping[str, Callable[[Dice], Sound]]] = MappingProxyType(
    {"slam": slam, "keys": keys, "claps": claps, "breath": breath, "hum": hum, "music": music}
)


def _knocks(
    dice: Dice, count: int, *, gap: tuple[float, float], decay: tuple[float, float], pitch: tuple[float, float]
) -> Sound:
    gaps = [_samples(dice.uniform(*gap)) for _ in range(count)]
    sound = np.zeros(sum(gaps) + _samples(0.1), np.float32)
    at = 0
    for step in gaps:
        length = min(_samples(0.12), len(sound) - at)
        knock = _shaped(dice, length, [(dice.uniform(*pitch), 1500.0)]) * _decay(length, 0.001, dice.uniform(*decay))
        sound[at : at + length] += knock * np.float32(dice.uniform(0.5, 1.0))
        at += step
    return _levelled(sound)


def _shaped(dice: Dice, length: int, formants: Sequence[tuple[float, float]]) -> Sound:
    """Noise with peaks at (pitch, width) in Hz."""
    spectrum = np.fft.rfft(dice.standard_normal(length))
    pitches = np.fft.rfftfreq(length, 1 / LISTEN_RATE)
    peaks = [np.exp(-(((pitches - pitch) / width) ** 2)) for pitch, width in formants]
    curve = 0.02 + sum(peak / number for number, peak in enumerate(peaks, 1))
    return np.asarray(np.fft.irfft(spectrum * curve, length), np.float32)


def _buzz(dice: Dice, length: int, pitch: float, falling: float) -> Sound:
    """A voice without a mouth, whose pitch falls to a share of itself."""
    pitches = pitch * np.linspace(1, falling, length)
    phase = 2 * np.pi * np.cumsum(pitches) / LISTEN_RATE + dice.uniform(0, 6)
    tones = sum(np.sin(n * phase) / n for n in range(1, 12))
    return np.asarray(tones, np.float32)


def _decay(length: int, attack: float, tail: float) -> Sound:
    time = _time(length)
    return np.asarray(np.minimum(time / attack, 1) * np.exp(-np.maximum(time - attack, 0) / tail), np.float32)


def _bump(length: int, middle: float) -> Sound:
    """Rises until `middle` (a share of the length) and falls again."""
    place = np.linspace(0, 1, length)
    half = np.where(place < middle, place / middle, 1 + (place - middle) / (1 - middle))
    return np.asarray(np.sin(np.pi / 2 * half), np.float32)


def _edges(length: int) -> Sound:
    time = _time(length)
    return np.asarray(np.clip(np.minimum(time, time[::-1]) / 0.02, 0, 1), np.float32)


def _time(length: int) -> NDArray[np.float64]:
    return np.arange(length) / LISTEN_RATE


def _samples(seconds: float) -> int:
    return round(seconds * LISTEN_RATE)


def _levelled(sound: NDArray[np.floating]) -> Sound:
    size = LISTEN_RATE // 50
    whole = sound[: max(1, len(sound) // size) * size]
    powers = [float(np.mean(whole[at : at + size] ** 2)) for at in range(0, len(whole), size)]
    return np.asarray(sound / np.sqrt(max(powers) + 1e-12), np.float32)
