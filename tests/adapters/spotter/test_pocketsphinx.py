"""The spotter's parts, and what it makes of people, where their recordings are at hand."""

from pathlib import Path
from typing import Final

import numpy as np
import pytest

from voicechat import clip
from voicechat.adapters.spotter import pocketsphinx
from voicechat.audio import LISTEN_RATE, AudioFrame, Framer, Samples, resample
from voicechat.config import Settings
from voicechat.errors import EngineFailed

SPEECH: Final = Path(__file__).parents[4] / "shared" / "speech"

BEGINNINGS: Final = ("lamp", "leopard_en", "vctk_clean_001", "sb_spk1_snt2", "something", "goforward", "austen_0880")
"""Sentences, none of which begins like a back-channel for half a second."""


def network(inputs: int = 2, units: int = 3) -> pocketsphinx.Network:
    dice = np.random.default_rng(0)
    shapes = {
        "inputs": (3 * units, inputs),
        "hidden": (3 * units, units),
        "input_bias": (3 * units,),
        "hidden_bias": (3 * units,),
        "output": (units,),
        "bias": (1,),
    }
    return pocketsphinx.Network({name: dice.normal(size=shape).astype(np.float32) for name, shape in shapes.items()})


def test_the_network_remembers_what_it_saw() -> None:
    unit = network()
    same = np.ones(2, np.float32)
    once, other = unit.step(unit.start(), same), unit.step(unit.start(), -same)
    assert unit.opinion(unit.step(once, same)) != unit.opinion(unit.step(other, same))


def test_the_states_of_the_network_are_bounded() -> None:
    unit = network()
    state = unit.start()
    for _ in range(200):
        state = unit.step(state, np.full(2, 50, np.float32))
    assert np.abs(state).max() <= 1.0


def test_a_broken_file_of_weights_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "weights.npz"
    broken.write_bytes(b"not numbers")
    with pytest.raises(EngineFailed, match="weights.npz"):
        pocketsphinx.read(broken)


def test_the_level_of_a_voice_makes_no_difference() -> None:
    numbers = pocketsphinx.read()
    engine = pocketsphinx.load(Settings())
    dice = np.random.default_rng(3)
    sound = dice.normal(0, 3000, LISTEN_RATE // 2) * np.linspace(0.05, 1, LISTEN_RATE // 2)
    opinions = []
    for gain in (1.0, 0.5):
        stream = engine.open()
        stream.hear(AudioFrame((sound * gain).astype(np.int16), LISTEN_RATE))
        opinions.append(stream.back_channel)
        stream.close()
    assert opinions[0] is not None and opinions[1] == pytest.approx(opinions[0], abs=0.1)
    assert numbers["inputs"].shape[0] == 3 * numbers["output"].shape[0]


def beginning(name: str) -> Samples:
    """The first 0.6 s of what is said in a clip, and the 0.3 s before."""
    frame = clip.load(SPEECH / f"{name}.wav")
    sound = resample(frame.samples, frame.rate, LISTEN_RATE)
    sound = np.concatenate((np.random.default_rng(2).normal(0, 8, LISTEN_RATE // 2).astype(np.int16), sound))
    power = np.convolve(sound.astype(np.float64) ** 2, np.full(480, 1 / 480), "same")
    onset = int(np.flatnonzero(power > power.max() / 500)[0])
    return sound[max(0, onset - 3 * LISTEN_RATE // 10) :][: 9 * LISTEN_RATE // 10]


@pytest.mark.skipif(not SPEECH.exists(), reason="needs recordings of people")
def test_people_who_begin_a_sentence_are_let_through_within_half_a_second() -> None:
    engine = pocketsphinx.load(Settings())
    passed = []
    for name in BEGINNINGS:
        stream = engine.open()
        lowest = 1.0
        for samples in Framer(320).push(beginning(name)):
            stream.hear(AudioFrame(samples, LISTEN_RATE))
            lowest = min(lowest, 1.0 if stream.back_channel is None else stream.back_channel)
        stream.close()
        passed.append(lowest < 0.5)
    assert sum(passed) >= len(BEGINNINGS) - 1
