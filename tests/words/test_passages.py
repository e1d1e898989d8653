"""Where a recording is cut: at its pauses, and before a passage is too long."""

import numpy as np
import pytest

from voicechat.audio import LISTEN_RATE, Samples, level
from voicechat.words.passages import LONGEST_STEPS, Passages, Stretch, levels, pause_steps


def voice(seconds: float, size: int = 8000) -> Samples:
    return np.full(round(seconds * LISTEN_RATE), size, np.int16)


def quiet(seconds: float, size: int = 0) -> Samples:
    return voice(seconds, size)


def found(*sounds: Samples, size: int = 320) -> list[Stretch]:
    passages = Passages()
    whole = np.concatenate(sounds)
    pieces = [piece for at in range(0, len(whole), size) for piece in passages.push(whole[at : at + size])]
    return [*pieces, *passages.finish()]


def spans(pieces: list[Stretch]) -> list[tuple[float, float]]:
    """Where each passage begins, and its voice ends."""
    told: list[tuple[float, float]] = []
    begin: float | None = None
    for piece in pieces:
        begin = piece.start if begin is None else begin
        if piece.last:
            told.append((round(begin, 1), round(piece.until, 1)))
            begin = None
    assert begin is None, "the last passage ends"
    return told


@pytest.mark.parametrize("size", [160, 1600, 16_000, 10**7])
def test_sizes_of_what_is_pushed_change_nothing(size: int) -> None:
    sounds = [quiet(1.0), voice(2.0), quiet(0.4), voice(1.0), quiet(1.0), voice(0.5)]
    assert spans(found(*sounds, size=size)) == [(0.7, 4.4), (5.1, 5.9)]


def test_quiet_before_and_between_is_left_out_but_for_a_moment() -> None:
    pieces = found(quiet(5.0), voice(2.0), quiet(5.0), voice(2.0), quiet(5.0))
    assert spans(pieces) == [(4.7, 7.0), (11.7, 14.0)]
    assert sum(len(piece.samples) for piece in pieces) == round(5.8 * LISTEN_RATE)


def test_nothing_but_silence_has_no_passage() -> None:
    assert found(quiet(20.0)) == []
    assert found(quiet(20.0, 20)) == []


def test_noise_behind_a_voice_is_quiet() -> None:
    noise = np.random.default_rng(1).normal(0, 150, 16_000 * 3).astype(np.int16)
    assert len(spans(found(voice(2.0), noise[:32_000], voice(2.0), noise[:32_000], voice(2.0)))) == 3


def test_soft_speech_after_a_bang_is_speech() -> None:
    assert spans(found(voice(0.2, 32_000), quiet(2.0), voice(2.0, 300), quiet(2.0)))[1] == (1.9, 4.2)


def test_longer_passages_end_at_shorter_pauses() -> None:
    assert [pause_steps(length) for length in (0, 40, 100, 199, 280)] == [6, 5, 4, 2, 1]
    long, short = [voice(20.0), quiet(0.2), voice(2.0)], [voice(4.0), quiet(0.2), voice(2.0)]
    assert (len(spans(found(*long))), len(spans(found(*short)))) == (2, 1)


def test_without_a_pause_it_is_cut_all_the_same() -> None:
    ends = spans(found(voice(70.0)))
    assert [round(end - begin, 1) for begin, end in ends] == [LONGEST_STEPS / 10, LONGEST_STEPS / 10, 14.0]


def test_no_sound_of_a_voice_is_lost() -> None:
    sounds = [voice(3.0), quiet(1.0), voice(30.0), quiet(0.3), voice(1.0)]
    kept = np.concatenate([piece.samples for piece in found(*sounds)])
    assert np.count_nonzero(kept) == np.count_nonzero(np.concatenate(sounds))


def test_manylevels_are_what_each_is() -> None:
    rng = np.random.default_rng(2)
    noises = [rng.normal(0, size, 1600).astype(np.int16) for size in (1, 99)]
    steps = [quiet(0.1), voice(0.1, 32767), voice(0.1, -32768), *noises]
    assert levels(steps) == pytest.approx([level(step) for step in steps], abs=0.01)
    assert levels([]) == []
