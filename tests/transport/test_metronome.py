import asyncio
from contextlib import aclosing

from tests.virtual_time import run
from voicechat.transport.metronome import PHASES, Metronome


async def listen(metronome: Metronome, count: int, work: dict[int, float]) -> list[tuple[int, float]]:
    """The numbers and times of ticks up to `count`; at some of them there is work that takes seconds."""
    loop = asyncio.get_running_loop()
    seen: list[tuple[int, float]] = []
    async with aclosing(metronome.ticks()) as clock:
        async for number in clock:
            seen.append((number, round(loop.time(), 4)))
            if number >= count:
                break
            await asyncio.sleep(work.get(number, 0.005))
    return seen


def test_ticks_keep_absolute_time_whatever_their_work() -> None:
    assert run(listen(Metronome(), 50, {})) == [(number, round(0.02 * (number + 1), 4)) for number in range(51)]


def test_late_ticks_are_skipped_and_never_come_in_a_burst() -> None:
    seen = run(listen(Metronome(), 8, {2: 0.07}))
    assert seen == [(0, 0.02), (1, 0.04), (2, 0.06), (5, 0.13), (6, 0.14), (7, 0.16), (8, 0.18)]


def test_a_tick_that_is_a_little_late_is_not_lost() -> None:
    seen = run(listen(Metronome(), 4, {1: 0.023}))
    assert seen == [(0, 0.02), (1, 0.04), (2, 0.063), (3, 0.08), (4, 0.1)]


def test_listeners_take_turns_within_a_period() -> None:
    async def main() -> list[list[tuple[int, float]]]:
        metronome = Metronome()
        return await asyncio.gather(*(listen(metronome, 10, {}) for _ in range(2 * PHASES)))

    everyone = run(main())
    assert sorted(round(seen[5][1] * 1000) % 20 for seen in everyone) == [0, 0, 5, 5, 10, 10, 15, 15]
    for seen in everyone:
        assert [number for number, _ in seen] == list(range(11))
        steps = [round(later[1] - earlier[1], 4) for earlier, later in zip(seen, seen[1:], strict=False)]
        assert steps == [0.02] * 10


def test_the_clock_stops_when_nobody_listens_and_begins_anew() -> None:
    async def main() -> None:
        metronome = Metronome()
        await listen(metronome, 3, {})
        await asyncio.sleep(10)
        assert metronome._timer is None
        assert [number for number, _ in await listen(metronome, 3, {})] == [0, 1, 2, 3]

    run(main())


def test_a_listener_who_leaves_disturbs_nobody() -> None:
    async def main() -> None:
        metronome = Metronome()
        leaving = asyncio.create_task(listen(metronome, 10, {}))
        staying = [asyncio.create_task(listen(metronome, 10, {})) for _ in range(PHASES)]
        await asyncio.sleep(0.05)
        leaving.cancel()
        for seen in await asyncio.gather(*staying):
            assert [number for number, _ in seen] == list(range(11))

    run(main())
