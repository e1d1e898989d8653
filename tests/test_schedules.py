"""Replies that share workers under random schedules: whatever takes how long, fails or is cancelled, all is in order.

VOICECHAT_RUNS says how many schedules are played; `VOICECHAT_RUNS=10000 pytest tests/test_schedules.py` takes minutes.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import numpy as np
import pytest

from tests import virtual_time
from tests.timed_lane import TimedLane
from voicechat.errors import EngineFailed
from voicechat.pool import ClauseBegun, ClauseEnded, Pool, Spoken
from voicechat.protocols import Capabilities, Speech, Voice
from voicechat.synthesis import Synthesis
from voicechat.turnstile import Need, Turnstile, Worker
from voicechat.words.pace import Pace

RUNS = int(os.environ.get("VOICECHAT_RUNS", "150"))
RATE = 8_000
LONGEST_STEP = 0.8


class Moody:
    """Takes any time, gives pieces of any length, and fails at the word FAIL."""

    name = "moody"
    rate = RATE
    voices: Sequence[Voice] = (Voice("one", "en"),)

    def __init__(self, random: Random, *, timed: bool, steady: bool) -> None:
        self.capabilities = Capabilities(streaming=True, languages=("en",), parallel=True)
        self.open = 0
        self.timed = timed
        self._random, self._steady = random, steady

    def synthesize(self, text: str, voice: str, speed: float = 1.0) -> Iterator[Speech]:
        self.open += 1
        try:
            for word in text.split():
                TimedLane.spend(0.05 if self._steady else self._random.choice((0.0, 0.01, 0.3, LONGEST_STEP)))
                if word == "FAIL":
                    raise EngineFailed("engine_failed", "scripted to fail")
                samples = np.ones(self._random.randrange(0, RATE // 2), np.int16)
                yield Speech(samples, word if self.timed else None)
        finally:
            self.open -= 1

    def close(self) -> None:
        pass


class Watched(Turnstile):
    """Sees when a worker goes to a later clause while one that could use it has waited for a reply's first sound."""

    def __init__(self, places: Callable[[str], int]) -> None:
        super().__init__(places)
        self.unfair = 0
        self._openings: dict[int, float] = {}

    async def enter(self, workers: Sequence[Worker], need: Need) -> Worker:
        clock = asyncio.get_running_loop().time
        key = id(asyncio.current_task())
        if not need.later:
            self._openings[key] = clock()
        try:
            worker = await super().enter(workers, need)
        finally:
            self._openings.pop(key, None)
        if need.later:
            self.unfair += sum(asked < clock() for asked in self._openings.values())
        return worker


@dataclass
class Caller:
    """One reply as it was asked for, and what came of it."""

    clauses: list[str]
    came: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    outcome: str = ""

    @property
    def expected(self) -> list[str]:
        """The words that may come: all before the failure."""
        words = " ".join(self.clauses).split()
        return words[: words.index("FAIL")] if "FAIL" in words else words


class Schedule:
    """Everything in it comes from the seed."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        self.engine = Moody(random, timed=random.random() < 0.5, steady=random.random() < 0.2)
        self.devices = random.randint(1, 2)
        self.places = random.randint(1, 3)
        self.turnstile = Watched(lambda _: self.places)
        self.told: list[Spoken] = []
        self.lanes = [TimedLane(str(number)) for number in range(random.randint(1, 4))]
        workers = [Worker(self.engine, lane, f"cuda:{i % self.devices}") for i, lane in enumerate(self.lanes)]
        self.pool = Pool(workers, self.turnstile, [self.told.append])
        self.in_flight = random.randint(1, 4)
        self.most = 0
        self.callers = [self._caller(number) for number in range(random.randint(1, 6))]

    def _caller(self, number: int) -> Caller:
        random = self.random
        clauses = [
            " ".join(f"w{number}.{clause}.{word}" for word in range(random.randint(1, 6)))
            for clause in range(random.randint(1, 7))
        ]
        if random.random() < 0.2:
            clauses[random.randrange(len(clauses))] += " FAIL never"
        return Caller(clauses)

    async def play(self) -> None:
        async with asyncio.TaskGroup() as group:
            for caller in self.callers:
                group.create_task(self._call(caller, self.random.uniform(0, 3)))
        await asyncio.sleep(2 * LONGEST_STEP)  # what is cancelled ends with its step

    async def _call(self, caller: Caller, begin: float) -> None:
        await asyncio.sleep(begin)
        reading = asyncio.create_task(self._read(caller, self.random.choice((0.0, 0.0, 0.05, 0.7))))
        if self.random.random() < 0.3:
            await asyncio.wait({reading}, timeout=self.random.uniform(0, 4))
            reading.cancel()
        try:
            await reading
            caller.outcome = "done"
        except EngineFailed:
            caller.outcome = "failed"
        except asyncio.CancelledError:
            caller.outcome = "cancelled"

    async def _read(self, caller: Caller, slow: float) -> None:
        left = self.random.choice((0.0, 0.6))
        synthesis = Synthesis(
            self.pool, voice="", speed=1.0, in_flight=self.in_flight, pace=Pace(), left=lambda: left
        )
        making = asyncio.create_task(synthesis.run(self._agent(caller.clauses)))
        try:
            async for sound in synthesis.sounds():
                if sound.clause:
                    caller.came.append(sound.clause)
                caller.said += sound.words.split()
                self.most = max(self.most, self.pool.in_work)
                await asyncio.sleep(slow)
        finally:
            making.cancel()
            with suppress(asyncio.CancelledError):
                await making

    async def _agent(self, clauses: Sequence[str]) -> AsyncGenerator[str]:
        for clause in clauses:
            await asyncio.sleep(self.random.choice((0.0, 0.0, 0.2, 1.0)))
            yield clause


def check(schedule: Schedule) -> None:
    untimed = not schedule.engine.timed  # what had come of a clause that fails is then counted only as it is heard
    for caller in schedule.callers:
        assert caller.came == caller.clauses[: len(caller.came)], "clauses out of order"
        assert caller.said == caller.expected[: len(caller.said)], "words out of order"
        if caller.outcome == "done":
            assert caller.came == caller.clauses
        if caller.outcome != "cancelled":
            assert caller.said == caller.expected or (caller.outcome == "failed" and untimed), "words lost"
            assert (caller.outcome == "failed") == ("FAIL" in " ".join(caller.clauses).split())
    assert schedule.turnstile.unfair == 0, "a later clause went before a caller's first sound"
    assert (schedule.turnstile.working, schedule.pool.waiting, schedule.pool.in_work, schedule.engine.open) == (0,) * 4
    begun = sum(isinstance(one, ClauseBegun) for one in schedule.told)
    assert begun == sum(isinstance(one, ClauseEnded) for one in schedule.told)
    assert schedule.most <= schedule.in_flight * len(schedule.callers)
    for device in range(schedule.devices):
        spent = [span for lane in schedule.lanes[device :: schedule.devices] for span in lane.spent]
        assert max((at_once(spent, at) for at, _ in spent), default=0) <= schedule.places


def at_once(spent: Sequence[tuple[float, float]], at: float) -> int:
    return sum(began <= at < end - 1e-6 for began, end in spent)


@pytest.mark.timeout(60 + RUNS // 10)
def test_random_schedules_keep_everything_in_order() -> None:
    outcomes = set()
    for seed in range(RUNS):
        schedule = Schedule(seed)
        try:
            virtual_time.run(schedule.play())
            check(schedule)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
        outcomes |= {caller.outcome for caller in schedule.callers}
    assert outcomes == {"done", "failed", "cancelled"}
