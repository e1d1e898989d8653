import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import numpy as np
import pytest
import uvloop

from tests import virtual_time
from voicechat.audio import AudioFrame, Samples
from voicechat.commands import CancelReply, ClearInput, Command, CommitInput
from voicechat.transport.media.microphone import Microphone

RATE = 48_000

uvloop.run(asyncio.sleep(0))  # its first run opens files that it keeps


def sound(frames: int, value: int = 5000) -> Samples:
    return np.full(frames * 960, value, np.int16)


async def collect(microphone: Microphone) -> list[AudioFrame | Command]:
    async with aclosing(microphone.incoming()) as incoming:
        return [entry async for entry in incoming]


def run(play: Callable[[Microphone], Awaitable[None]], microphone: Microphone | None = None) -> list[tuple[float, str]]:
    """What comes out of the microphone while `play` uses it, with the times; ends when `play` does."""
    said: list[tuple[float, str]] = []

    async def main() -> None:
        ear = microphone or Microphone(RATE)

        def note(entry: AudioFrame | Command) -> None:
            said.append((round(asyncio.get_running_loop().time(), 3), describe(entry)))

        async def read() -> None:
            async with aclosing(ear.incoming()) as incoming:
                async for entry in incoming:
                    note(entry)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(read())
            await play(ear)
            ear.close()

    virtual_time.run(main())
    return said


def describe(entry: AudioFrame | Command) -> str:
    if isinstance(entry, AudioFrame):
        assert (entry.rate, len(entry.samples)) == (16_000, 320)
        return "loud" if np.abs(entry.samples).max() > 1000 else "quiet"
    return type(entry).__name__


def test_a_frame_comes_out_for_every_frame_that_goes_in_at_once() -> None:
    async def play(microphone: Microphone) -> None:
        for _ in range(5):
            microphone.hear(sound(1))
            await asyncio.sleep(0.02)

    assert run(play) == [(0.0, "loud"), (0.02, "loud"), (0.04, "loud"), (0.06, "loud"), (0.08, "loud")]


def test_the_silence_of_a_sender_who_does_not_send_it_comes_in_time() -> None:
    async def play(microphone: Microphone) -> None:
        microphone.hear(np.full(320, 5000, np.int16))
        microphone.hear(np.zeros(320, np.int16), pausing=True)
        await asyncio.sleep(0.07)
        microphone.hear(np.full(320, 5000, np.int16))
        await asyncio.sleep(0.19)

    quiet = [(0.0, "quiet"), (0.02, "quiet"), (0.04, "quiet"), (0.06, "quiet")]
    assert run(play, Microphone(16_000)) == [(0.0, "loud"), *quiet, (0.07, "loud")]


@pytest.mark.parametrize(("rate", "size"), [(48_000, 480), (48_000, 2880), (24_000, 480), (16_000, 320), (8_000, 160)])
async def test_packets_of_other_rates_and_lengths_become_the_same_frames(rate: int, size: int) -> None:
    microphone = Microphone(rate)
    for _ in range(round(0.6 * rate) // size):
        microphone.hear(np.full(size, 5000, np.int16))
    microphone.close()
    frames = await collect(microphone)
    assert [describe(frame) for frame in frames] == ["loud"] * 30


async def test_commands_keep_their_place_in_the_sound() -> None:
    microphone = Microphone(RATE)
    microphone.hear(sound(2))
    microphone.ask(CommitInput())
    microphone.hear(sound(1))
    microphone.ask(ClearInput())
    assert microphone.commands == 2
    microphone.close()
    order = [describe(entry) for entry in await collect(microphone)]
    assert order == ["loud", "loud", "CommitInput", "loud", "ClearInput"]


async def test_the_oldest_sound_is_dropped_and_counted_but_no_command() -> None:
    microphone = Microphone(RATE, capacity=0.1)
    microphone.ask(CancelReply())
    microphone.hear(sound(3, value=1500))
    microphone.ask(CommitInput())
    microphone.hear(sound(5, value=9000))
    microphone.close()
    entries = await collect(microphone)
    assert [describe(entry) for entry in entries] == ["CancelReply", "CommitInput", *["loud"] * 5]
    last = entries[-1]
    assert isinstance(last, AudioFrame)
    assert abs(int(last.samples[-1]) - 9000) < 5
    assert microphone.dropped == pytest.approx(0.06)


async def test_sound_that_no_one_reads_stays_bounded() -> None:
    microphone = Microphone(RATE, capacity=1.0)
    for _ in range(500):
        microphone.hear(sound(1))
    microphone.close()
    assert len(await collect(microphone)) == 50
    assert microphone.dropped == pytest.approx(9.0)


def test_a_stalled_stream_is_filled_with_silence_and_not_for_ever() -> None:
    async def play(microphone: Microphone) -> None:
        microphone.hear(sound(1))
        await asyncio.sleep(10)

    said = run(play, Microphone(RATE, stall=0.2, fill=0.1))
    assert said == [(0.0, "loud"), *((round(0.2 + 0.02 * count, 3), "quiet") for count in range(5))]


def test_after_a_stall_sound_is_heard_and_a_new_stall_is_filled_again() -> None:
    async def play(microphone: Microphone) -> None:
        microphone.hear(sound(1))
        await asyncio.sleep(1)
        microphone.hear(sound(1))
        await asyncio.sleep(1)

    said = run(play, Microphone(RATE, stall=0.2, fill=0.04))
    assert said == [
        (0.0, "loud"), (0.2, "quiet"), (0.22, "quiet"), (1.0, "loud"), (1.2, "quiet"), (1.22, "quiet")
    ]  # fmt: skip


def test_a_short_gap_is_not_filled() -> None:
    async def play(microphone: Microphone) -> None:
        microphone.hear(sound(1))
        await asyncio.sleep(0.19)
        microphone.hear(sound(1))

    assert run(play) == [(0.0, "loud"), (0.19, "loud")]


def test_a_command_comes_at_once_while_the_stream_stalls() -> None:
    async def play(microphone: Microphone) -> None:
        await asyncio.sleep(5)
        microphone.ask(CommitInput())

    said = run(play, Microphone(RATE, fill=0.0))
    assert said == [(5.0, "CommitInput")]


async def test_closing_ends_the_stream_after_what_is_queued() -> None:
    microphone = Microphone(RATE)
    microphone.hear(sound(2))
    microphone.close()
    microphone.close()
    assert [describe(entry) for entry in await collect(microphone)] == ["loud", "loud"]
    assert await collect(microphone) == []


def test_closing_wakes_a_waiting_reader() -> None:
    async def play(microphone: Microphone) -> None:
        await asyncio.sleep(3)

    assert run(play, Microphone(RATE, fill=0.0)) == []


def test_a_source_that_can_wait_loses_nothing() -> None:
    microphone = Microphone(RATE, capacity=0.1)
    heard: list[AudioFrame | Command] = []

    async def main() -> None:
        async def read() -> None:
            async with aclosing(microphone.incoming()) as incoming:
                async for entry in incoming:
                    heard.append(entry)
                    await asyncio.sleep(0.05)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(read())
            for _ in range(40):
                await microphone.room()
                microphone.hear(sound(1))
            microphone.close()

    virtual_time.run(main())
    assert len(heard) == 40
    assert microphone.dropped == 0.0


def test_closing_frees_a_source_that_waits_for_room() -> None:
    async def main() -> None:
        microphone = Microphone(RATE, capacity=0.04)
        microphone.hear(sound(2))
        waiting = asyncio.create_task(microphone.room())
        await asyncio.sleep(1)
        assert not waiting.done()
        microphone.close()
        await waiting

    virtual_time.run(main())


def test_a_deadline_that_has_passed_is_no_trouble_on_the_loop_of_the_server() -> None:
    async def main() -> list[str]:
        microphone = Microphone(16_000, stall=0.0, fill=0.04)
        asyncio.get_running_loop().call_later(0.1, microphone.close)
        return [describe(frame) for frame in await collect(microphone)]

    assert uvloop.run(main()) == ["quiet", "quiet"]
