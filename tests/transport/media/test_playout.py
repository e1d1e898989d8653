import asyncio
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest

from tests import virtual_time
from voicechat.audio import AudioFrame, Samples
from voicechat.echo.spectrum import powers
from voicechat.protocols import Heard, SpeechChunk
from voicechat.transport.media.playout import Playout

RATE = 48_000
FRAME = 960


def chunk(frames: float, turn: int = 1, text: str = "", value: int = 5000, rate: int = RATE) -> SpeechChunk:
    return SpeechChunk(AudioFrame(np.full(round(frames * rate / 50), value, np.int16), rate), turn, text)


def take(playout: Playout, frames: int) -> list[Samples | None]:
    return [playout.take() for _ in range(frames)]


def said(heard: Heard) -> tuple[str, float]:
    return heard.text, round(heard.seconds, 3)


def run(main: Coroutine[Any, Any, None]) -> None:
    virtual_time.run(main)


async def test_frames_come_out_as_they_went_in() -> None:
    playout = Playout(RATE, ahead=1.0)
    await playout.put(chunk(1, value=1))
    await playout.put(chunk(0.5, value=2))
    await playout.put(chunk(1.5, value=3))
    first, second, third, nothing = take(playout, 4)
    assert first is not None and second is not None and third is not None
    assert (first == 1).all()
    assert (second[:480] == 2).all() and (second[480:] == 3).all()
    assert (third == 3).all()
    assert nothing is None


async def test_silence_when_there_is_nothing_to_say() -> None:
    playout = Playout(RATE, ahead=1.0)
    assert take(playout, 2) == [None, None]
    assert said(playout.heard()) == ("", 0.0)


def test_putting_waits_while_enough_is_queued_and_goes_on_when_it_is_taken() -> None:
    async def main() -> None:
        playout = Playout(RATE, ahead=0.1)
        await playout.put(chunk(4))
        waiting = asyncio.create_task(playout.put(chunk(3)))
        await asyncio.sleep(1)
        assert not waiting.done()
        assert playout.waiting == pytest.approx(0.14)
        take(playout, 2)
        await asyncio.sleep(0)
        assert not waiting.done()
        take(playout, 1)
        await asyncio.sleep(0.001)
        assert waiting.done()

    run(main())


async def test_pause_is_silence_and_loses_nothing() -> None:
    playout = Playout(RATE, ahead=1.0)
    await playout.put(chunk(3, text="la"))
    take(playout, 1)
    playout.pause()
    fading, *gap = take(playout, 5)
    assert fading is not None and gap == [None] * 4
    assert said(playout.heard()) == ("la", 0.02)
    playout.resume()
    leading, *rest = take(playout, 3)
    assert leading is not None
    assert all(frame is not None and (frame == 5000).all() for frame in rest)
    assert said(playout.heard()) == ("la", 0.06)


async def test_words_are_heard_when_their_first_frame_has_left() -> None:
    playout = Playout(RATE, ahead=1.0)
    await playout.put(chunk(2, text="one"))
    await playout.put(chunk(2, text="two"))
    await playout.put(chunk(2, text="three"))
    take(playout, 2)
    assert said(playout.heard()) == ("one", 0.04)
    take(playout, 1)
    assert said(playout.heard()) == ("one two", 0.06)
    assert playout.heard().marks == ((0.0, "one"), (0.04, "two"))


async def test_words_without_sound_of_their_own_begin_with_the_next() -> None:
    playout = Playout(RATE, ahead=1.0)
    await playout.put(chunk(0, text="one"))
    await playout.put(chunk(0.5, text="two"))
    assert playout.waiting == 0
    await playout.put(chunk(0.5, text="three"))
    take(playout, 1)
    assert said(playout.heard()) == ("one two three", 0.02)


async def test_cut_says_what_was_heard_and_forgets_the_rest() -> None:
    playout = Playout(RATE, ahead=1.0)
    await playout.put(chunk(2, text="one"))
    await playout.put(chunk(2.5, text="two"))
    take(playout, 3)
    assert said(playout.cut(2)) == ("one two", 0.06)
    tail, silence = take(playout, 2)
    assert tail is not None and silence is None
    assert said(playout.heard()) == ("", 0.0)
    await playout.put(chunk(1, turn=2, text="new", value=7))
    frame = playout.take()
    assert frame is not None and (frame == 7).all()
    assert said(playout.heard()) == ("new", 0.02)


async def test_sound_of_an_older_turn_is_dropped() -> None:
    playout = Playout(RATE, ahead=1.0)
    playout.cut(3)
    await playout.put(chunk(5, turn=2))
    assert playout.take() is None


async def test_sound_of_a_newer_turn_cuts_the_older() -> None:
    playout = Playout(RATE, ahead=1.0)
    await playout.put(chunk(5, turn=1, value=1))
    await playout.put(chunk(1, turn=2, value=2))
    frame = playout.take()
    assert frame is not None and (frame == 2).all()
    assert playout.take() is None


async def test_cutting_an_older_turn_changes_nothing() -> None:
    playout = Playout(RATE, ahead=1.0)
    await playout.put(chunk(2, turn=5))
    playout.cut(5)
    playout.cut(4)
    assert playout.waiting == pytest.approx(0.04)


async def test_cut_ends_a_pause() -> None:
    playout = Playout(RATE, ahead=1.0)
    await playout.put(chunk(2))
    playout.pause()
    playout.cut(2)
    await playout.put(chunk(1, turn=2))
    assert playout.take() is not None


async def test_a_turn_that_is_paused_before_its_first_sound_begins_when_it_is_resumed() -> None:
    playout = Playout(RATE, ahead=1.0)
    playout.pause()
    await playout.put(chunk(2, turn=1))
    assert take(playout, 2) == [None, None]
    playout.resume()
    first = playout.take()
    assert first is not None and (first == 5000).all()


def test_cut_frees_who_waits_to_put_and_to_drain() -> None:
    async def main() -> None:
        playout = Playout(RATE, ahead=0.1)
        putting = asyncio.create_task(playout.put(chunk(50, text="long")))
        await asyncio.sleep(0.1)
        draining = asyncio.create_task(playout.drain(1))
        await asyncio.sleep(0.1)
        take(playout, 1)
        assert not putting.done() and not draining.done()
        assert said(playout.cut(2)) == ("long", 0.02)
        await putting
        assert await draining == Heard()

    run(main())


def test_drain_waits_for_the_last_frame_and_pads_it() -> None:
    async def main() -> None:
        playout = Playout(RATE, ahead=1.0)
        await playout.put(chunk(1.25, text="la"))
        draining = asyncio.create_task(playout.drain(1))
        await asyncio.sleep(1)
        first, last = take(playout, 2)
        assert last is not None
        assert (last[:240] == 5000).all() and (last[240:] == 0).all()
        assert said(await draining) == ("la", 0.04)
        assert playout.take() is None

    run(main())


async def test_draining_a_turn_without_sound_is_nothing_heard() -> None:
    playout = Playout(RATE, ahead=1.0)
    await playout.put(chunk(2, turn=1, text="one"))
    take(playout, 2)
    assert await playout.drain(2) == Heard()
    assert said(await playout.drain(1)) == ("one", 0.04)


def test_words_too_short_for_a_frame_are_heard_after_draining() -> None:
    async def main() -> None:
        playout = Playout(RATE, ahead=1.0)
        await playout.put(chunk(0, text="hm"))
        draining = asyncio.create_task(playout.drain(1))
        await asyncio.sleep(0.1)
        assert playout.take() is not None
        assert said(await draining) == ("hm", 0.02)

    run(main())


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000])
def test_other_rates_last_as_long(rate: int) -> None:
    async def main() -> None:
        playout = Playout(RATE, ahead=5.0)
        for _ in range(25):
            await playout.put(chunk(1, rate=rate, value=3000))
        draining = asyncio.create_task(playout.drain(1))
        await asyncio.sleep(0.1)
        frames = [frame for frame in take(playout, 40) if frame is not None]
        assert len(frames) == 25
        assert all(abs(int(frame[480]) - 3000) < 60 for frame in frames[1:-1])
        assert said(await draining) == ("", 0.5)

    run(main())


async def test_a_change_of_rate_loses_nothing() -> None:
    playout = Playout(RATE, ahead=5.0)
    await playout.put(chunk(5, rate=24_000))
    await playout.put(chunk(5, rate=16_000))
    await playout.put(chunk(5, rate=RATE))
    assert len([frame for frame in take(playout, 20) if frame is not None]) == 15


def test_audible_is_the_time_of_the_first_frame() -> None:
    async def main() -> None:
        playout = Playout(RATE, ahead=1.0)
        await playout.put(chunk(3))
        listening = asyncio.create_task(playout.audible(1))
        await asyncio.sleep(0.5)
        assert not listening.done()
        take(playout, 1)
        await asyncio.sleep(0.5)
        take(playout, 1)
        assert await listening == pytest.approx(0.5)
        assert await playout.audible(1) == pytest.approx(0.5)

    run(main())


def test_audible_of_a_turn_that_is_cut_is_cancelled() -> None:
    async def main() -> None:
        playout = Playout(RATE, ahead=1.0)
        await playout.put(chunk(3))
        listening = asyncio.create_task(playout.audible(1))
        await asyncio.sleep(0.1)
        playout.cut(2)
        with pytest.raises(asyncio.CancelledError):
            await listening

    run(main())


def test_a_far_end_that_buffers_has_heard_a_frame_when_it_has_played_it() -> None:
    async def main() -> None:
        playout = Playout(RATE, ahead=1.0, buffers=True)
        await playout.put(chunk(2, text="one"))
        await playout.put(chunk(2, text="two"))
        take(playout, 4)
        assert said(playout.heard()) == ("", 0.0)
        assert playout.lead == pytest.approx(0.08)
        await asyncio.sleep(0.05)
        assert said(playout.heard()) == ("one", 0.04)
        await asyncio.sleep(0.02)
        assert said(playout.heard()) == ("one two", 0.06)

    run(main())


def test_cut_does_not_count_what_the_far_end_still_holds() -> None:
    async def main() -> None:
        playout = Playout(RATE, ahead=1.0, buffers=True)
        await playout.put(chunk(10, text="one"))
        take(playout, 8)
        await asyncio.sleep(0.11)
        assert said(playout.cut(2)) == ("one", 0.1)
        assert playout.lead == 0.0

    run(main())


def test_a_far_end_that_ran_dry_plays_on_when_more_comes() -> None:
    async def main() -> None:
        playout = Playout(RATE, ahead=1.0, buffers=True)
        await playout.put(chunk(4, text="one"))
        take(playout, 2)
        await asyncio.sleep(1.0)
        take(playout, 2)
        await asyncio.sleep(0.03)
        assert said(playout.heard()) == ("one", 0.06)

    run(main())


def test_drain_waits_until_a_far_end_that_buffers_has_played_all() -> None:
    async def main() -> None:
        playout = Playout(RATE, ahead=1.0, buffers=True)
        await playout.put(chunk(9, text="one"))
        take(playout, 9)
        assert said(await playout.drain(1)) == ("one", 0.18)
        assert asyncio.get_running_loop().time() == pytest.approx(0.18)

    run(main())


async def test_a_far_end_that_buffers_gets_the_same_samples_with_a_pause_or_without() -> None:
    playout = Playout(RATE, ahead=1.0, buffers=True)
    await playout.put(chunk(3))
    take(playout, 1)
    playout.pause()
    assert take(playout, 2) == [None, None]
    playout.resume()
    assert all(frame is not None and (frame == 5000).all() for frame in take(playout, 2))
    playout.cut(2)
    assert playout.take() is None


def test_levels_say_when_each_frame_played_and_as_loud_as_it_was() -> None:
    async def main() -> None:
        playout = Playout(RATE, ahead=10.0)
        tone = 32767 * np.sin(2 * np.pi * 1000 * np.arange(FRAME) / RATE)
        for part, frames in ((0.1, 1), (1.0, 200)):
            whole = np.tile((part * tone).astype(np.int16), frames)
            await playout.put(SpeechChunk(AudioFrame(whole, RATE), 1))
        assert playout.levels == ()
        for _ in range(3):
            playout.take()
            await asyncio.sleep(0.02)
        playout.duck(20.0)
        take(playout, 2)
        times, sounds, rates = zip(*playout.levels, strict=True)
        levels = 10 * np.log10(2 * powers(np.array(sounds), RATE).sum(axis=1))
        assert set(rates) == {RATE}
        assert times == pytest.approx((0.0, 0.02, 0.04, 0.06, 0.06))
        assert levels == pytest.approx((-20.0, 0.0, 0.0, -4.7, -20.0), abs=0.1)

    run(main())


def test_levels_are_of_the_last_second_and_a_half() -> None:
    async def main() -> None:
        playout = Playout(RATE, ahead=10.0)
        await playout.put(chunk(200))
        for _ in range(200):
            playout.take()
            await asyncio.sleep(0.02)
        assert len(playout.levels) == pytest.approx(75, abs=1)
        await asyncio.sleep(1.0)
        assert len(playout.levels) == pytest.approx(25, abs=1)
        await asyncio.sleep(1.0)
        assert playout.levels == ()

    run(main())


def test_levels_for_a_far_end_that_buffers_have_the_time_at_which_it_plays() -> None:
    async def main() -> None:
        playout = Playout(RATE, ahead=10.0, buffers=True)
        await playout.put(chunk(5))
        take(playout, 5)
        assert [played.begins for played in playout.levels] == pytest.approx([0.0, 0.02, 0.04, 0.06, 0.08])

    run(main())


def test_a_far_end_that_knows_better_has_heard_what_it_was_given_and_no_more() -> None:
    async def main() -> None:
        playout = Playout(RATE, ahead=1.0, buffers=True)
        for word in ("one", "two", "three", "four"):
            await playout.put(chunk(2, text=word))
        take(playout, 6)
        await asyncio.sleep(0.03)
        heard = playout.cut(2)
        assert said(heard) == ("one", 0.02)
        assert said(heard.until(0.01)) == ("one", 0.01)
        assert said(heard.until(0.07)) == ("one two", 0.07)
        assert said(heard.until(9.0)) == ("one two three", 0.12)

    run(main())
