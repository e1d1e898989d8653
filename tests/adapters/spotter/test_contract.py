"""What every spotter must do. A new file in voicechat/adapters/spotter is found by itself."""

import importlib
from collections.abc import Iterator
from typing import cast

import numpy as np
import pytest

from voicechat.adapters import names
from voicechat.adapters.tts import espeak
from voicechat.audio import LISTEN_RATE, AudioFrame, Framer, Samples, resample
from voicechat.config import Settings
from voicechat.protocols import Spotter, SpotterStream


@pytest.fixture(scope="module", params=names("spotter"))
def spotter(request: pytest.FixtureRequest) -> Iterator[Spotter]:
    engine = cast(Spotter, importlib.import_module(f"voicechat.adapters.spotter.{request.param}").load(Settings()))
    yield engine
    engine.close()


def said(text: str) -> Samples:
    """A synthetic voice over faint noise, which is there for 0.3 s before."""
    voice = espeak.load(Settings())
    sound = np.concatenate([piece.samples for piece in voice.synthesize(text, "")])
    heard = resample(sound, voice.rate, LISTEN_RATE).astype(np.float32)
    heard = heard[np.flatnonzero(np.abs(heard) > 500)[0] :]
    noise = np.random.default_rng(1).normal(0, 20, len(heard) + round(0.3 * LISTEN_RATE))
    noise[-len(heard) :] += heard
    return np.clip(noise, -32768, 32767).astype(np.int16)


def opinions(stream: SpotterStream, sound: Samples) -> list[float | None]:
    """After each frame of 20 ms."""
    found = []
    for samples in Framer(320).push(sound):
        stream.hear(AudioFrame(samples, LISTEN_RATE))
        found.append(stream.back_channel)
    return found


def test_it_has_no_opinion_before_it_has_heard(spotter: Spotter) -> None:
    stream = spotter.open()
    assert stream.back_channel is None
    stream.close()


def test_it_has_an_opinion_within_a_fifth_of_a_second_of_speech(spotter: Spotter) -> None:
    stream = spotter.open()
    heard = opinions(stream, said("What about the dinosaurs?")[: round(0.5 * LISTEN_RATE)])
    assert heard[-1] is not None
    assert all(opinion is None or 0.0 <= opinion <= 1.0 for opinion in heard)
    stream.close()


def test_the_same_sound_gives_the_same_opinion_after_other_voices(spotter: Spotter) -> None:
    sound = said("Which way is the exit?")
    first, between, second = spotter.open(), spotter.open(), spotter.open()
    before = opinions(first, sound)
    opinions(between, said("okay"))
    assert opinions(second, sound) == before
    for stream in (first, between, second):
        stream.close()


def test_a_sentence_is_no_back_channel_when_it_goes_on(spotter: Spotter) -> None:
    stream = spotter.open()
    last = opinions(stream, said("Please stop talking about the dinosaurs and listen to me"))[50]
    assert last is not None and last < 0.5
    stream.close()


def test_it_is_asked_once_for_many_frames_as_for_each(spotter: Spotter) -> None:
    sound = said("Could you say that again?")[: LISTEN_RATE // 2]
    one, other = spotter.open(), spotter.open()
    each = opinions(one, sound)[-1]
    for samples in Framer(320).push(sound):
        other.hear(AudioFrame(samples, LISTEN_RATE))
    at_once = other.back_channel
    assert each is not None and at_once == pytest.approx(each, abs=1e-4)
    one.close()
    other.close()


def test_closing_twice_and_early_is_safe(spotter: Spotter) -> None:
    stream = spotter.open()
    stream.hear(AudioFrame(np.zeros(320, np.int16), LISTEN_RATE))
    stream.close()
    stream.close()
