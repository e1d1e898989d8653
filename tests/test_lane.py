"""Lanes: blocking work on a thread of its own, in turns, and nothing left behind."""

import asyncio
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from voicechat.errors import EngineFailed
from voicechat.lane import ThreadLane


async def test_calls_run_on_the_lanes_own_thread() -> None:
    lane = ThreadLane("test")
    names = {await lane.run(lambda: threading.current_thread().name) for _ in range(3)}
    await lane.close()
    assert names == {"lane-test"}


async def test_what_a_call_raises_is_the_callers() -> None:
    lane = ThreadLane("test")
    with pytest.raises(ZeroDivisionError):
        await lane.run(lambda: 1 // 0)
    assert await lane.run(lambda: 7) == 7
    await lane.close()


async def test_urgent_calls_go_first_and_others_keep_their_order() -> None:
    lane = ThreadLane("test")
    gate = threading.Event()
    order: list[str] = []
    first = asyncio.create_task(lane.run(gate.wait))
    await asyncio.sleep(0)
    calls = [asyncio.create_task(lane.run(partial(order.append, name), urgent=name == "u")) for name in "abu"]
    await asyncio.sleep(0)
    assert lane.load >= 3
    gate.set()
    await asyncio.gather(first, *calls)
    await lane.close()
    assert order == ["u", "a", "b"]


async def test_two_streams_take_turns() -> None:
    lane = ThreadLane("test")
    order: list[str] = []

    def steps(name: str) -> Iterator[int]:
        for number in range(3):
            order.append(name)
            yield number

    async def read(name: str) -> list[int]:
        return [number async for number in lane.stream(lambda: steps(name))]

    first, second = await asyncio.gather(read("a"), read("b"))
    await lane.close()
    assert first == second == [0, 1, 2]
    assert order == ["a", "b", "a", "b", "a", "b"]


async def test_leaving_a_stream_closes_its_iterator_on_the_lane() -> None:
    lane = ThreadLane("test")
    closed: list[str] = []

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.append(threading.current_thread().name)

    stream = lane.stream(endless)
    assert await anext(stream) == 1
    await stream.aclose()
    await lane.run(lambda: None)
    await lane.close()
    assert closed == ["lane-test"]


async def test_a_cancelled_call_that_has_not_begun_never_runs() -> None:
    lane = ThreadLane("test")
    gate = threading.Event()
    ran: list[int] = []
    blocker = asyncio.create_task(lane.run(gate.wait))
    call = asyncio.create_task(lane.run(lambda: ran.append(1)))
    await asyncio.sleep(0.01)
    call.cancel()
    await asyncio.wait({call})
    gate.set()
    await blocker
    await lane.close()
    assert call.cancelled()
    assert ran == []


async def test_a_call_past_its_deadline_fails_and_the_lane_goes_on() -> None:
    lane = ThreadLane("test", deadline=0.05)
    gate = threading.Event()
    with pytest.raises(EngineFailed) as failure:
        await lane.run(gate.wait)
    assert failure.value.code == "engine_timeout"
    gate.set()
    assert await lane.run(lambda: 7) == 7
    await lane.close()


async def test_a_closed_lane_refuses_and_its_waiting_calls_are_cancelled() -> None:
    lane = ThreadLane("test")
    gate = threading.Event()
    blocker = asyncio.create_task(lane.run(gate.wait))
    waiting = asyncio.create_task(lane.run(lambda: 7))
    await asyncio.sleep(0.01)
    closing = asyncio.create_task(lane.close())
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    with pytest.raises(EngineFailed):
        await lane.run(lambda: 7)
    gate.set()
    await asyncio.gather(blocker, closing)
