"""The same voice from another throat, in another room, by another microphone: what a spotter must not listen to."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat.audio import LISTEN_RATE, resample

Floats = NDArray[np.float32]

THROAT: Final = 0.13
"""Pitch, formants and pace are moved by up to this, on a logarithmic scale."""
ROOMS: Final = 0.4
"""The share of voices in a room that is heard."""
FADES: Final = (0.02, 0.1)
"""Seconds in which a room's echoes fall to a third."""
SOFTER: Final = (0.0, 12.0)
"""dB by which all echoes together are softer than the voice."""
PITCHES: Final = np.array([0.0, 150.0, 400.0, 1000.0, 2000.0, 3500.0, 5500.0, 8000.0])
"""Hz, between which a microphone's response runs straight."""
UNEVEN: Final = 3.0
"""dB: how far a microphone is off at each of them."""
TILT: Final = 6.0
"""dB from the lowest to the highest, at most."""
TELEPHONES: Final = 0.15
"""The share of microphones that are telephones."""
TELEPHONE: Final = np.array([-25.0, 0.0, 0.0, 0.0, 0.0, 0.0, -30.0, -40.0])


def moved(sound: Floats, dice: np.random.Generator) -> Floats:
    """The sound, of shape (n,), somewhere else; it may be longer by an echo."""
    return _microphone(_room(_throat(sound, dice), dice), dice)


def _throat(sound: Floats, dice: np.random.Generator) -> Floats:
    speed = float(np.exp(dice.uniform(-THROAT, THROAT)))
    samples = np.clip(sound, -32768, 32767).astype(np.int16)
    return resample(samples, round(LISTEN_RATE * speed), LISTEN_RATE).astype(np.float32)


def _room(sound: Floats, dice: np.random.Generator) -> Floats:
    if dice.random() >= ROOMS:
        return sound
    fade = float(dice.uniform(*FADES)) * LISTEN_RATE
    length = round(4 * fade)
    echoes = dice.standard_normal(length) * np.exp(-np.arange(length) / fade)
    echoes *= 10 ** (-dice.uniform(*SOFTER) / 20) / np.sqrt((echoes**2).sum())
    echoes[0] += 1.0
    return np.convolve(sound, echoes)[: len(sound) + length // 2].astype(np.float32)


def _microphone(sound: Floats, dice: np.random.Generator) -> Floats:
    response = dice.normal(0.0, UNEVEN, len(PITCHES)) + np.linspace(0, 1, len(PITCHES)) * dice.uniform(-TILT, TILT)
    if dice.random() < TELEPHONES:
        response += TELEPHONE
    length = 1 << len(sound).bit_length()  # quick to transform
    pitches = np.fft.rfftfreq(length, 1 / LISTEN_RATE)
    spectrum = np.fft.rfft(sound, length) * 10 ** (np.interp(pitches, PITCHES, response) / 20)
    return np.fft.irfft(spectrum, length)[: len(sound)].astype(np.float32)
