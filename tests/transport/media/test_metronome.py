import asyncio
from collections import Counter
from contextlib import aclosing
from typing import Any

import pytest

from tests.virtual_time import run
from voicechat.transport.media.metronome import HEAP, PHASES, Metronome


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


@pytest.mark.parametrize(
    ("count", "phases"),
    [
        (HEAP, {0: HEAP}),
        (HEAP + 1, {0: HEAP, 5: 1}),
        (PHASES * HEAP + 2, {0: HEAP + 1, 5: HEAP + 1, 10: HEAP, 15: HEAP}),
    ],
)
def test_many_listeners_take_turns_within_a_period(count: int, phases: dict[int, int]) -> None:
    async def main() -> list[list[tuple[int, float]]]:
        metronome = Metronome()
        return await asyncio.gather(*(listen(metronome, 10, {}) for _ in range(count)))

    everyone = run(main())
    assert Counter(round(seen[5][1] * 1000) % 20 for seen in everyone) == phases
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


def test_one_who_joins_late_does_not_change_the_ticks_of_others() -> None:
    async def main() -> None:
        metronome = Metronome()
        first = asyncio.create_task(listen(metronome, 10, {}))
        await asyncio.sleep(0.047)
        late = await asyncio.gather(*(listen(metronome, 3, {}) for _ in range(HEAP)))
        assert [at for _, at in late[0]] == [0.06, 0.08, 0.1, 0.12]
        assert [at for _, at in late[-1]] == [0.065, 0.085, 0.105, 0.125]
        assert [at for _, at in await first] == [round(0.02 * (number + 1), 4) for number in range(11)]

    run(main())


def test_a_listener_that_fails_costs_nobody_else_a_tick() -> None:
    async def main() -> None:
        told: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))

        def fail(number: int, due: float) -> None:
            raise ValueError("no")

        metronome = Metronome()
        leave = metronome.join(fail)
        seen: list[tuple[int, float]] = []
        stop = metronome.join(lambda number, due: seen.append((number, round(due, 4))))
        await asyncio.sleep(0.07)
        leave()
        stop()
        stop()
        await asyncio.sleep(0.1)
        assert seen == [(0, 0.02), (1, 0.04), (2, 0.06)]
        assert [str(context["exception"]) for context in told] == ["no"] * 3

    run(main())
