import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicechat.adapters.whisper.tail import STEP, Tail
from voicechat.audio import LISTEN_RATE, Samples

SECOND = LISTEN_RATE


def at(level: float, steps: int = 1) -> Samples:
    """So many tenths of a second of sound at a level in dB."""
    return np.full(steps * STEP, round(32768 * 10 ** (level / 20)), np.int16)


def heard(*sounds: Samples) -> Tail:
    tail = Tail(30 * SECOND)
    tail.add(np.concatenate(sounds))
    return tail


@pytest.mark.parametrize(
    ("background", "speech", "end", "is_pause"),
    [
        (-80, -20, -80, True),
        (-80, -20, -56, True),  # breath
        (-80, -20, -45, False),  # a soft word
        (-45, -20, -43, True),  # a room's noise
        (-45, -20, -38, False),
        (-30, -20, -30, False),  # too noisy to tell
        (-20, -20, -20, False),
    ],
)
def test_quiet_is_near_the_background_and_far_below_the_speech(
    background: float, speech: float, end: float, is_pause: bool
) -> None:
    tail = heard(at(background, 3), at(speech, 10), at(end, 2))
    assert tail.pause == (0.2 if is_pause else 0.0)
    assert tail.is_loud_from(13 * STEP) is not is_pause
    assert tail.is_loud_from(12 * STEP)


def test_end_of_speech_is_known() -> None:
    assert heard(at(-80, 3), at(-20, 4), at(-80, 5)).speech_end == pytest.approx(0.7)


def test_the_last_bit_of_a_step_counts_too() -> None:
    tail = heard(at(-80, 3), at(-20, 4), at(-80, 2), at(-20)[: STEP // 4])
    assert tail.is_loud_from(9 * STEP)
    assert heard(at(-20)[:100]).loudest == pytest.approx(-20, abs=0.1)


def test_sound_that_is_dropped_leaves_its_measure() -> None:
    tail = heard(at(-80, 3), at(-20, 4), at(-80, 4))
    tail.drop(8 * STEP)
    assert (len(tail), tail.pause) == (3 * STEP, 0.3)
    assert tail.loudest == pytest.approx(-20, abs=0.1)
    assert not tail.is_loud_from(0)


def test_no_more_than_the_longest_is_kept() -> None:
    tail = Tail(SECOND)
    assert [tail.add(at(-20, 6)) for _ in range(3)] == [0, 2 * STEP, 6 * STEP]
    assert len(tail) == SECOND


@given(st.lists(st.sampled_from([-90.0, -60.0, -40.0, -20.0]), max_size=12), st.integers(1, 5000))
def test_pieces_of_any_size_measure_the_same(levels: list[float], size: int) -> None:
    sound = np.concatenate([at(level) for level in [-90.0, *levels]])
    whole, parts = heard(sound), Tail(30 * SECOND)
    for start in range(0, len(sound), size):
        parts.add(sound[start : start + size])
    assert (parts.pause, parts.speech_end, parts.loudest) == (whole.pause, whole.speech_end, whole.loudest)
