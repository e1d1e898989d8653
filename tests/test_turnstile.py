"""The turnstile: the most needed first, at most so many on a device, and every worker given back."""

import asyncio
from collections.abc import Coroutine

import pytest

from tests import virtual_time
from tests.fakes import ScriptedTts
from tests.timed_lane import TimedLane
from voicechat.turnstile import AHEAD, QUICK_SECONDS, Need, Turnstile, Worker

OPENING = Need(False, 0.0)


def later(by: float) -> Need:
    return Need(True, by)


def workers(*devices: str) -> tuple[Worker, ...]:
    engine = ScriptedTts()
    return tuple(Worker(engine, TimedLane(str(number)), device) for number, device in enumerate(devices))


async def hold(turnstile: Turnstile, able: tuple[Worker, ...], need: Need, seconds: float, log: list[str]) -> None:
    worker = await turnstile.enter(able, need)
    log.append(f"{asyncio.get_running_loop().time():g} {worker.lane.name}")
    await asyncio.sleep(seconds)
    turnstile.leave(worker)


async def together(*work: Coroutine[None, None, None]) -> None:
    """Each begins when the one before it waits."""
    async with asyncio.TaskGroup() as group:
        for one in work:
            group.create_task(one)


def test_the_first_sound_of_a_reply_goes_before_whatever_is_needed_soon() -> None:
    order: list[str] = []

    async def enter(turnstile: Turnstile, able: tuple[Worker, ...], name: str, need: Need) -> None:
        worker = await turnstile.enter(able, need)
        order.append(name)
        await asyncio.sleep(1)
        turnstile.leave(worker)

    async def main() -> None:
        turnstile, able = Turnstile(), workers("cpu")
        needs = {"far": later(9), "near": later(1), "late": later(-5), "one": OPENING, "two": OPENING}
        await together(*(enter(turnstile, able, name, need) for name, need in needs.items()))

    virtual_time.run(main())
    assert order == ["one", "two", "late", "near", "far"]


def test_no_more_work_on_a_device_than_it_has_places() -> None:
    log: list[str] = []

    async def main() -> None:
        turnstile = Turnstile({"cuda:0": 2, "cuda:1": 1}.__getitem__)
        first, second = workers("cuda:0", "cuda:0", "cuda:0"), workers("cuda:1", "cuda:1")
        work = [hold(turnstile, first, OPENING, 1, log) for _ in range(3)]
        await together(*work, *(hold(turnstile, second, OPENING, 1, log) for _ in range(2)))
        assert turnstile.working == 0

    virtual_time.run(main())
    assert [entry.split()[0] for entry in log] == ["0", "0", "0", "1", "1"]


def test_a_lane_that_serves_two_engines_works_for_one_at_a_time() -> None:
    log: list[str] = []

    async def main() -> None:
        turnstile = Turnstile()
        (one,) = workers("cpu")
        other = Worker(ScriptedTts(), one.lane)
        await together(hold(turnstile, (one,), OPENING, 1, log), hold(turnstile, (other,), OPENING, 1, log))

    virtual_time.run(main())
    assert log == ["0 0", "1 0"]


def test_the_device_with_the_least_work_is_taken() -> None:
    log: list[str] = []

    async def main() -> None:
        turnstile, able = Turnstile(), workers("cuda:0", "cuda:0", "cuda:1", "cuda:1")
        await together(*(hold(turnstile, able, OPENING, 1, log) for _ in range(4)))

    virtual_time.run(main())
    assert log == ["0 0", "0 2", "0 1", "0 3"]


def test_who_leaves_and_comes_again_at_once_is_not_overtaken_by_the_less_needed() -> None:
    order: list[str] = []

    async def steps(turnstile: Turnstile, able: tuple[Worker, ...], by: float) -> None:
        for _ in range(3):
            worker = await turnstile.enter(able, later(by))
            order.append(f"{by:g}")
            await asyncio.sleep(1)
            turnstile.leave(worker)

    async def main() -> None:
        turnstile, able = Turnstile(), workers("cpu")
        await together(steps(turnstile, able, 1), steps(turnstile, able, 2))

    virtual_time.run(main())
    assert order == ["1", "1", "1", "2", "2", "2"]


@pytest.mark.parametrize("patience", [0.5, 1.0])
def test_who_gives_up_waiting_leaves_no_trace(patience: float) -> None:
    """After 1.0 s the place is granted in the very moment in which the waiting is cancelled."""
    log: list[str] = []

    async def main() -> None:
        turnstile, able = Turnstile(), workers("cpu")
        first = asyncio.create_task(hold(turnstile, able, OPENING, 1, log))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(turnstile.enter(able, OPENING))
        await asyncio.sleep(patience)
        waiting.cancel()
        await asyncio.wait({waiting, first})
        assert (turnstile.working, turnstile.waiting(able)) == (0, 0)
        await hold(turnstile, able, OPENING, 1, log)

    virtual_time.run(main())
    assert log == ["0 0", "1 0"]


def test_a_place_granted_and_cancelled_at_once_is_given_back() -> None:
    async def main() -> None:
        turnstile, able = Turnstile(), workers("cpu")
        entering = asyncio.create_task(turnstile.enter(able, OPENING))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(entering.cancel)  # after the grant, before the task goes on
        await asyncio.wait({entering})
        assert turnstile.working == 0

    virtual_time.run(main())


def test_a_worker_whose_job_was_abandoned_is_lent_when_its_lane_is_done() -> None:
    async def main() -> float:
        turnstile, able = Turnstile(), workers("cpu")
        worker = await turnstile.enter(able, OPENING)
        lane = worker.lane
        assert isinstance(lane, TimedLane)
        job = asyncio.create_task(lane.run(lambda: lane.spend(3)))
        await asyncio.sleep(1)
        job.cancel()
        await asyncio.wait({job})
        turnstile.clear(worker)
        turnstile.leave(await turnstile.enter(able, OPENING))
        return asyncio.get_running_loop().time()

    assert virtual_time.run(main()) == 3.0


def test_a_stuck_lane_does_not_keep_its_place_for_ever() -> None:
    async def main() -> None:
        turnstile, able = Turnstile(), workers("cpu")
        worker = await turnstile.enter(able, OPENING)
        assert isinstance(worker.lane, TimedLane)
        worker.lane.stuck = True
        turnstile.clear(worker)
        assert await turnstile.enter(able, OPENING) is worker

    virtual_time.run(main())


def test_a_worker_whose_steps_are_quick_is_lent_ahead_and_one_slow_step_ends_that() -> None:
    async def main() -> list[int]:
        turnstile, able = Turnstile(), workers("cpu")

        async def at_once() -> int:
            """How many have it at the same time."""
            entering = [asyncio.create_task(turnstile.enter(able, OPENING)) for _ in range(AHEAD + 1)]
            await asyncio.sleep(1)
            having = [task for task in entering if task.done()]
            assert turnstile.working == 1, "it is one worker"
            for task in entering:
                turnstile.leave(await task)
            return len(having)

        counts = [await at_once()]
        for took in (QUICK_SECONDS / 2, 1.0, QUICK_SECONDS / 2):
            turnstile.leave(await turnstile.enter(able, OPENING), took)
            counts.append(await at_once())
        return counts

    assert virtual_time.run(main()) == [1, AHEAD, 1, 1]
