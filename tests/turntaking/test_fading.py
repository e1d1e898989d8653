"""How synthetic sounds fade."""

import numpy as np
import pytest

from voicechat.audio import LISTEN_RATE, Samples, silence
from voicechat.turntaking.fading import Fade, fade


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
def test_a_steady_voice_is_drawn_out(pitch: float) -> None:
    assert fade(np.concatenate((voice(pitch, pitch, 1.0), hiss(0.1, 10)))).drawn > 0.5


@pytest.mark.parametrize(("begin", "end"), [(90.0, 200.0), (240.0, 100.0)])
def test_a_moving_voice_is_not(begin: float, end: float) -> None:
    assert fade(np.concatenate((voice(begin, end, 0.3), silence(0.1, LISTEN_RATE)))).drawn < 0.2


def test_a_steady_voice_counts_only_up_to_its_last_pitch() -> None:
    sound = np.concatenate((voice(150, 150, 0.5), hiss(0.1, 2000), voice(200, 200, 0.16)))
    assert 0.02 < fade(sound).drawn < 0.2


def test_noise_is_not_drawn_out() -> None:
    assert fade(hiss(1.0, 3000)).drawn == 0.0


def test_a_soft_end_drops() -> None:
    loud, soft = voice(150, 150, 0.6), voice(150, 150, 0.4, loudness=1000.0)
    assert fade(np.concatenate((loud, soft, hiss(0.1, 10)))).drop == pytest.approx(18.0, abs=1.5)
    assert fade(np.concatenate((soft, loud, hiss(0.1, 10)))).drop < 1.0


@pytest.mark.parametrize("sound", [silence(0.0, LISTEN_RATE), silence(1.0, LISTEN_RATE), hiss(0.01, 3000), hiss(1, 2)])
def test_silence_and_crumbs_have_no_fade(sound: Samples) -> None:
    assert fade(sound) == Fade()


@pytest.mark.parametrize("seconds", [0.02, 0.04, 0.06, 0.1])
def test_short_sounds_do_not_break_it(seconds: float) -> None:
    assert fade(voice(150, 150, seconds)).drop >= 0.0
