"""What every detector must do. A new file in voicechat/adapters/vad is found, and needs an entry in SETTINGS."""

import importlib
from typing import Final, cast

import numpy as np
import pytest

from voicechat.adapters import names
from voicechat.adapters.tts import espeak
from voicechat.audio import LISTEN_RATE, Framer, Samples, resample, silence
from voicechat.config import Settings
from voicechat.protocols import VadEngine, VadStream

ADAPTERS: Final = names("vad")

SETTINGS: Final = {"silero": Settings(), "webrtc": Settings()}
"""How to give each adapter its model."""


@pytest.fixture(params=ADAPTERS)
def engine(request: pytest.FixtureRequest) -> VadEngine:
    name = request.param
    assert name in SETTINGS, f"say in SETTINGS how the adapter {name} gets its model"
    return cast(VadEngine, importlib.import_module(f"voicechat.adapters.vad.{name}").load(SETTINGS[name]))


@pytest.fixture(scope="module")
def speech() -> Samples:
    """About three seconds of a synthetic voice, with half a second of silence before and after."""
    voice = espeak.load(Settings())
    text = "Would you tell me about the opening hours please"
    sound = np.concatenate([piece.samples for piece in voice.synthesize(text, "")])
    pause = silence(0.5, LISTEN_RATE)
    return np.concatenate((pause, resample(sound, voice.rate, LISTEN_RATE), pause))


def _hear(stream: VadStream, sound: Samples) -> list[float]:
    return [stream.probability(frame) for frame in Framer(320).push(sound)]


def test_every_adapter_is_found() -> None:
    assert set(SETTINGS) == set(ADAPTERS)


def test_probabilities_lie_between_zero_and_one(engine: VadEngine, speech: Samples) -> None:
    assert all(isinstance(value, float) and 0.0 <= value <= 1.0 for value in _hear(engine.open(), speech))


def test_silence_is_no_speech(engine: VadEngine) -> None:
    assert max(_hear(engine.open(), silence(2.0, LISTEN_RATE))) < 0.5


def test_a_voice_is_speech_and_the_silence_around_it_is_not(engine: VadEngine, speech: Samples) -> None:
    voiced = [value >= 0.5 for value in _hear(engine.open(), speech)]
    assert not any(voiced[:24])
    assert np.mean(voiced[25:-25]) > 0.7
    assert not any(voiced[-10:]), "0.3 s after the last word it is quiet"


@pytest.mark.parametrize("wave", ["hum", "hiss"])
def test_steady_noise_is_no_speech_after_two_seconds(engine: VadEngine, wave: str) -> None:
    voiced = [value >= 0.5 for value in _hear(engine.open(), _noise(wave))]
    assert np.mean(voiced[110:]) < 0.02


def _noise(wave: str) -> Samples:
    """Six seconds at about -30 dB."""
    clock = np.arange(6 * LISTEN_RATE)
    hiss = np.random.default_rng(7).standard_normal(len(clock))
    sound = 1400 * np.sin(2 * np.pi * 120 * clock / LISTEN_RATE) + 100 * hiss if wave == "hum" else 1000 * hiss
    return sound.clip(-32767, 32767).astype(np.int16)


def test_two_callers_do_not_hear_each_other(engine: VadEngine, speech: Samples) -> None:
    noise = _noise("hum")[: len(speech)]
    alone = _hear(engine.open(), speech)
    first, second = engine.open(), engine.open()
    together = []
    for frame, other in zip(Framer(320).push(speech), Framer(320).push(noise), strict=True):
        together.append(first.probability(frame))
        second.probability(other)
    assert together == alone


def test_after_a_reset_it_hears_as_if_new(engine: VadEngine, speech: Samples) -> None:
    stream = engine.open()
    fresh = _hear(stream, speech)
    _hear(stream, _noise("hum")[: 320 * 77])
    stream.reset()
    assert _hear(stream, speech) == fresh


def test_loudest_and_quietest_samples_are_taken(engine: VadEngine) -> None:
    stream = engine.open()
    for value in (-32768, 32767, -1, 0):
        assert 0.0 <= stream.probability(np.full(320, value, np.int16)) <= 1.0
