"""How synthetic sounds fade."""

import numpy as np
import pytest

from voicechat.audio import LISTEN_RATE, Samples, silence
from voicechat.turntaking.fading import MOST, ending, voiced


def voice(begin: float, end: float, seconds: float, *, loudness: float = 8000.0, fades: float = 1.0) -> Samples:
    """Five partials, from one pitch in Hz to another; the loudness ends at the part `fades` of it."""
    count = round(seconds * LISTEN_RATE)
    phase = 2 * np.pi * np.cumsum(np.linspace(begin, end, count)) / LISTEN_RATE
    partials = sum((np.sin(k * phase) / k for k in range(1, 6)), np.zeros(count))
    return np.asarray(loudness / 2 * np.linspace(1.0, fades, count) * partials).astype(np.int16)


def hiss(seconds: float, loudness: float) -> Samples:
    sound = np.random.default_rng(5).standard_normal(round(seconds * LISTEN_RATE))
    return np.asarray(loudness * sound).astype(np.int16)


@pytest.mark.parametrize("pitch", [80.0, 120.0, 220.0, 350.0])
def test_a_voice_that_stops_at_once_is_voiced_to_the_end(pitch: float) -> None:
    assert voiced(np.concatenate((voice(pitch, pitch, 1.0), hiss(0.1, 10)))) == pytest.approx(1.0, abs=0.11)


def test_a_hissing_end_has_no_voice() -> None:
    sound = np.concatenate((voice(150, 150, 1.0), hiss(0.4, 2000), silence(0.1, LISTEN_RATE)))
    assert voiced(sound) == pytest.approx(0.0, abs=0.11)


def test_half_a_hissing_end_has_half_a_voice() -> None:
    sound = np.concatenate((voice(150, 150, 1.0), hiss(0.2, 2000), silence(0.1, LISTEN_RATE)))
    assert voiced(sound) == pytest.approx(0.5, abs=0.11)


def test_noise_after_the_speech_is_none_of_it() -> None:
    loud = np.concatenate((voice(150, 150, 1.0), np.zeros(1600, np.int16)))
    assert voiced(loud + hiss(len(loud) / LISTEN_RATE, 250)) == voiced(loud + hiss(len(loud) / LISTEN_RATE, 2))


def test_the_less_voice_the_more_it_is_an_end() -> None:
    sharp = np.concatenate((voice(150, 150, 1.0), silence(0.1, LISTEN_RATE)))
    hissing = np.concatenate((voice(150, 150, 1.0), hiss(0.4, 2000), silence(0.1, LISTEN_RATE)))
    assert -MOST <= ending(sharp) < -0.5 < 0.5 < ending(hissing) <= MOST


@pytest.mark.parametrize("sound", [silence(0.0, LISTEN_RATE), silence(1.0, LISTEN_RATE), hiss(0.01, 3000), hiss(1, 2)])
def test_silence_and_crumbs_tell_nothing(sound: Samples) -> None:
    assert voiced(sound) is None
    assert ending(sound) == 0.0


@pytest.mark.parametrize("seconds", [0.02, 0.04, 0.06, 0.1, 0.3])
def test_too_short_a_sound_tells_nothing(seconds: float) -> None:
    assert ending(voice(150, 150, seconds)) == 0.0
