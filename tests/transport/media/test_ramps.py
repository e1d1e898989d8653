"""What the ear gets at the edges of a gap: the same samples, and no step that was not in the sound."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicechat.audio import AudioFrame, Samples
from voicechat.protocols import SpeechChunk
from voicechat.transport.media.playout import Playout
from voicechat.transport.media.ramps import RAMP_SECONDS, beginning, ending, sloped

RATE = 48_000
FRAME = 960
LOUDEST = 25_000

RAMP_STEP = LOUDEST * np.pi / 2 / (RAMP_SECONDS * RATE) + 1
"""A raised cosine's steepest step."""


def voice(frames: int, seed: int = 0) -> Samples:
    """A loud chord without a click: it begins at zero and ends softly."""
    at = np.arange(frames * FRAME) / RATE
    pitches = 110.0 * (2.0 + np.random.default_rng(seed).random(3))
    chord = sum((np.sin(2 * np.pi * pitch * at) for pitch in pitches), np.zeros(len(at)))
    chord[-240:] *= np.linspace(1.0, 0.0, 240)
    return (chord / 3 * LOUDEST).astype(np.int16)


def largest_step(samples: Samples) -> int:
    return int(np.abs(np.diff(samples.astype(np.int32), prepend=0)).max())


def line(frames: list[Samples | None]) -> Samples:
    return np.concatenate([np.zeros(FRAME, np.int16) if frame is None else frame for frame in frames])


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def test_an_ending_is_a_copy_that_falls_to_silence() -> None:
    coming = np.full(FRAME, 10_000, np.int16)
    frame = ending(coming, 240)
    assert 9_900 < frame[0] < 10_000 and 0 <= frame[239] < 100
    assert not frame[240:].any()
    assert (np.diff(frame.astype(int)) <= 0).all()
    assert (coming == 10_000).all()


def test_a_beginning_is_a_copy_that_rises_from_silence() -> None:
    frame = beginning(np.full(FRAME, 10_000, np.int16), 240, gain=0.5)
    assert not frame[:-240].any()
    assert 0 <= frame[-240] < 100 and 4_900 < frame[-1] < 5_000


@pytest.mark.parametrize(("before", "after"), [(1.0, 0.125), (0.125, 1.0), (0.5, 0.5)])
def test_a_slope_goes_from_one_loudness_to_the_other(before: float, after: float) -> None:
    frame = sloped(np.full(FRAME, 20_000, np.int16), before, after)
    assert frame[0] == pytest.approx(20_000 * before, abs=2)
    assert frame[-1] == pytest.approx(20_000 * after, abs=2)
    assert largest_step(frame[1:] - frame[0]) <= LOUDEST * np.pi / 2 / FRAME + 1


@given(
    st.lists(st.tuples(st.sampled_from(["pause", "resume", "both", "back"]), st.integers(0, 5)), max_size=30),
    st.integers(0, 100),
)
def test_gaps_anywhere_leave_the_answer_as_it_was_and_never_click(acts: list[tuple[str, int]], seed: int) -> None:
    async def main() -> None:
        whole = voice(40, seed)
        playout = Playout(RATE, ahead=10.0)
        for start in range(0, len(whole), 700):
            words = f"{start} " if start % 2100 == 0 else ""
            await playout.put(SpeechChunk(AudioFrame(whole[start : start + 700], RATE), 1, words.strip()))
        sent: list[Samples | None] = []
        spoken: list[Samples] = []

        def take() -> None:
            before = playout.heard().seconds
            frame = playout.take()
            sent.append(frame)
            if playout.heard().seconds > before:
                assert frame is not None
                spoken.append(frame)

        for act, frames in acts:
            for step in {"both": ["pause", "resume"], "back": ["resume", "pause"]}.get(act, [act]):
                if step == "pause":
                    playout.pause()
                else:
                    playout.resume()
            for _ in range(frames):
                take()
        playout.resume()
        while len(spoken) < 40:
            take()
        assert np.concatenate(spoken).tolist() == whole.tolist()
        assert playout.heard().text == " ".join(str(start) for start in range(0, len(whole), 2100))
        assert playout.heard().seconds == pytest.approx(0.8)
        assert largest_step(line(sent)) <= largest_step(whole) + RAMP_STEP

    run(main())


@given(
    st.lists(st.tuples(st.sampled_from(["pause", "resume", "duck", "cut"]), st.integers(0, 4)), max_size=30),
    st.integers(0, 100),
)
def test_no_order_of_pausing_ducking_and_cutting_clicks(acts: list[tuple[str, int]], seed: int) -> None:
    async def main() -> None:
        whole = voice(200, seed)
        playout = Playout(RATE, ahead=10.0)
        await playout.put(SpeechChunk(AudioFrame(whole, RATE), 1))
        sent: list[Samples | None] = []
        for act, frames in acts:
            match act:
                case "pause":
                    playout.pause()
                case "resume":
                    playout.resume()
                case "duck":
                    playout.duck(18.0)
                case "cut":
                    playout.cut(playout.turn + 1)
                    await playout.put(SpeechChunk(AudioFrame(whole, RATE), playout.turn))
            sent += [playout.take() for _ in range(frames)]
        sent += [playout.take() for _ in range(3)]
        assert largest_step(line(sent)) <= largest_step(whole) + RAMP_STEP

    run(main())


async def test_a_pause_is_silent_five_milliseconds_into_the_next_frame() -> None:
    playout = Playout(RATE, ahead=10.0)
    await playout.put(SpeechChunk(AudioFrame(voice(10), RATE), 1))
    for _ in range(3):
        playout.take()
    playout.pause()
    fading = playout.take()
    assert fading is not None and fading[:100].any() and not fading[240:].any()
    assert playout.take() is None


async def test_a_pause_that_is_over_before_the_next_frame_is_none() -> None:
    playout = Playout(RATE, ahead=10.0)
    whole = voice(10)
    await playout.put(SpeechChunk(AudioFrame(whole, RATE), 1))
    sent = [playout.take()]
    playout.pause()
    playout.resume()
    sent += [playout.take() for _ in range(9)]
    assert line(sent).tolist() == whole.tolist()


async def test_a_pause_before_the_first_frame_or_after_the_last_adds_nothing() -> None:
    playout = Playout(RATE, ahead=10.0)
    playout.pause()
    whole = voice(3)
    await playout.put(SpeechChunk(AudioFrame(whole, RATE), 1))
    assert playout.take() is None
    playout.resume()
    assert line([playout.take() for _ in range(3)]).tolist() == whole.tolist()
    playout.pause()
    assert playout.take() is None
    playout.resume()
    assert playout.take() is None


async def test_cutting_what_is_paused_already_is_silent() -> None:
    playout = Playout(RATE, ahead=10.0)
    await playout.put(SpeechChunk(AudioFrame(voice(10), RATE), 1))
    playout.take()
    playout.pause()
    playout.take()
    playout.cut(2)
    assert playout.take() is None


async def test_ducked_sound_is_heard_and_comes_back_at_its_full_loudness() -> None:
    playout = Playout(RATE, ahead=10.0)
    whole = voice(10)
    await playout.put(SpeechChunk(AudioFrame(whole, RATE), 1, "one"))
    frames = [playout.take() for _ in range(2)]
    playout.duck(18.0)
    frames += [playout.take() for _ in range(4)]
    playout.resume()
    frames += [playout.take() for _ in range(4)]
    sound = line(frames)
    assert sound[: 2 * FRAME].tolist() == whole[: 2 * FRAME].tolist()
    assert sound[7 * FRAME :].tolist() == whole[7 * FRAME :].tolist()
    soft = slice(3 * FRAME, 6 * FRAME)
    assert sound[soft].tolist() == pytest.approx((whole[soft] * 10 ** (-18 / 20)).tolist(), abs=1)
    assert playout.heard().seconds == pytest.approx(0.2)
    assert playout.heard().text == "one"


async def test_the_next_turn_is_not_ducked() -> None:
    playout = Playout(RATE, ahead=10.0)
    await playout.put(SpeechChunk(AudioFrame(voice(10), RATE), 1))
    playout.take()
    playout.duck(18.0)
    playout.take()
    await playout.put(SpeechChunk(AudioFrame(voice(2), RATE), 2))
    playout.take()  # what fades of the first
    assert line([playout.take(), playout.take()]).tolist() == voice(2).tolist()
