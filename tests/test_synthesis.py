"""Clauses in, sound out: in order, ahead of the speaker but not far, and every word accounted for."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from tests import virtual_time
from tests.fakes import RATE, InlineLane, ScriptedTts
from tests.timed_lane import TimedLane
from voicechat.errors import EngineFailed
from voicechat.lane import ThreadLane
from voicechat.metrics import Metrics
from voicechat.pool import ClauseBegun, ClauseEnded, ClauseJoined, Pool, Spoken, places_on, workers_for
from voicechat.protocols import Capabilities, Lane, Speech, TtsEngine, Voice
from voicechat.synthesis import AHEAD_SECONDS, Sound, Synthesis
from voicechat.turnstile import Turnstile, Worker
from voicechat.words.pace import Pace


async def from_list(clauses: Sequence[str]) -> AsyncGenerator[str]:
    for clause in clauses:
        yield clause


def speaking(engine: TtsEngine, *lanes: Lane, in_flight: int = 2) -> Synthesis:
    pool = Pool([Worker(engine, lane) for lane in lanes or [InlineLane()]])
    return Synthesis(pool, voice="", speed=1.0, in_flight=in_flight, pace=Pace(), left=lambda: 0.0)


async def speak(synthesis: Synthesis, clauses: Sequence[str]) -> list[Sound]:
    making = asyncio.create_task(synthesis.run(from_list(clauses)))
    try:
        return [sound async for sound in synthesis.sounds()]
    finally:
        making.cancel()
        await asyncio.wait({making})


def test_failure_comes_where_its_sound_would_have_come() -> None:
    async def main() -> list[str]:
        synthesis = speaking(ScriptedTts(), in_flight=3)
        making = asyncio.create_task(synthesis.run(from_list(["one", "two", "three FAIL", "four"])))
        words = []
        with pytest.raises(EngineFailed):
            async for sound in synthesis.sounds():
                words.append(sound.words)  # noqa: PERF401 - what came before the failure counts
        making.cancel()
        await asyncio.wait({making})
        return [word for word in words if word]

    assert virtual_time.run(main()) == ["one", "two", "three"]


@dataclass
class Slow:
    """A second of sound for each word, in pieces of 0.2 s: so long to the first piece of a clause, and to any other."""

    first: float
    other: float
    begun: list[str] = field(default_factory=list)
    """A clause's first letter for each of its pieces, in the order in which they were begun."""
    working: int = 0
    most: int = 0

    name = "slow"
    rate = RATE
    voices: Sequence[Voice] = (Voice("one", "en"),)
    capabilities = Capabilities(streaming=True, languages=("en",), parallel=True)

    def synthesize(self, text: str, voice: str, speed: float = 1.0) -> Iterator[Speech]:
        self.working += 1
        self.most = max(self.most, self.working)
        try:
            for number, word in enumerate(text.split()):
                for piece in range(5):
                    self.begun.append(text[0])
                    TimedLane.spend(self.other if number or piece else self.first)
                    yield Speech(np.full(RATE // 5, 1000, np.int16), "" if piece else word)
        finally:
            self.working -= 1

    def close(self) -> None:
        pass


class Listener:
    """Hears a reply in real time, with at most 0.6 s waiting as in a playout."""

    def __init__(self, engine: TtsEngine, pool: Pool, clauses: Sequence[str], *, in_flight: int = 2) -> None:
        self.sounds: list[Sound] = []
        self.first = 0.0
        self._until = 0.0
        self._clauses = clauses
        self._synthesis = Synthesis(
            pool, voice="", speed=1.0, in_flight=in_flight, pace=Pace(), left=self.left
        )

    def left(self) -> float:
        return max(0.0, self._until - asyncio.get_running_loop().time())

    async def listen(self) -> None:
        clock = asyncio.get_running_loop().time
        making = asyncio.create_task(self._synthesis.run(from_list(self._clauses)))
        try:
            async for sound in self._synthesis.sounds():
                self.first = self.first or clock()
                self.sounds.append(sound)
                self._until = max(self._until, clock()) + len(sound.samples) / RATE
                await asyncio.sleep(max(0.0, self.left() - 0.6))
            await asyncio.sleep(self.left())
        finally:
            making.cancel()
            await asyncio.wait({making})


def crew(count: int, *, first: float, other: float, places: int = 99) -> tuple[Slow, Pool, list[Spoken]]:
    told: list[Spoken] = []
    lanes = [TimedLane(str(number)) for number in range(count)]
    engine = Slow(first, other)
    return engine, Pool([Worker(engine, lane) for lane in lanes], Turnstile(lambda _: places), [told.append]), told


def gaps(told: Sequence[Spoken]) -> list[float]:
    return [round(one.gap, 3) for one in told if isinstance(one, ClauseJoined)]


def test_one_worker_makes_the_first_clause_before_it_begins_the_second() -> None:
    engine, pool, told = crew(1, first=0.2, other=0.1)
    virtual_time.run(Listener(engine, pool, ["a b", "c d"]).listen())
    assert "".join(engine.begun) == "a" * 10 + "c" * 10
    assert gaps(told) == [0.0]


def test_a_second_worker_begins_the_second_clause_at_once() -> None:
    engine, pool, _ = crew(2, first=1.0, other=0.1)
    lanes = [worker.lane for worker in pool.workers]
    virtual_time.run(Listener(engine, pool, ["a", "b"]).listen())
    assert [lane.spent[0] for lane in lanes if isinstance(lane, TimedLane)] == [(0.0, 1.0), (0.0, 1.0)]


def test_clauses_that_each_take_long_are_heard_without_a_gap_by_two_workers() -> None:
    """A clause is a second of sound and 1.5 s of work: one worker is too slow, two are not."""
    found = {}
    for count in (1, 2):
        engine, pool, told = crew(count, first=1.5, other=0.0)
        virtual_time.run(Listener(engine, pool, list("abcdef"), in_flight=count).listen())
        found[count] = sum(gaps(told))
    assert found[1] == pytest.approx(5 * 0.5)
    assert found[2] == 0


def test_a_clause_that_is_far_ahead_makes_room_for_the_next() -> None:
    engine, pool, told = crew(1, first=0.8, other=0.02)
    virtual_time.run(Listener(engine, pool, ["a " * 9, "b " * 9]).listen())
    assert engine.begun.index("b") < len(engine.begun) - 1 - engine.begun[::-1].index("a")
    assert gaps(told) == [0.0]


def test_a_new_caller_is_heard_before_the_later_clauses_of_others() -> None:
    engine, pool, told = crew(1, first=1.0, other=0.0)

    async def main() -> float:
        old = [asyncio.create_task(Listener(engine, pool, list("abcd"), in_flight=3).listen()) for _ in range(3)]
        await asyncio.sleep(3.5)
        new = Listener(engine, pool, ["n"])
        await new.listen()
        await asyncio.gather(*old)
        return new.first - 3.5

    assert virtual_time.run(main()) == pytest.approx(1.5)
    assert max(one.wait for one in told if isinstance(one, ClauseBegun) and one.opening) <= 2.0


def test_of_two_callers_the_one_who_runs_dry_first_is_served_first() -> None:
    engine, pool, _ = crew(1, first=0.5, other=0.0)

    async def main() -> None:
        long = asyncio.create_task(Listener(engine, pool, ["a " * 5, "b"]).listen())
        await asyncio.sleep(0.1)
        short = asyncio.create_task(Listener(engine, pool, ["c", "d"]).listen())
        await asyncio.gather(long, short)

    virtual_time.run(main())
    assert list(dict.fromkeys(engine.begun)) == ["a", "c", "d", "b"]


def test_no_more_syntheses_than_a_device_has_places_work_at_a_time() -> None:
    engine, pool, _ = crew(4, first=0.5, other=0.1, places=2)

    async def main() -> None:
        await asyncio.gather(*(Listener(engine, pool, ["a b", "c d"]).listen() for _ in range(5)))

    virtual_time.run(main())
    jobs = [span for worker in pool.workers if isinstance(worker.lane, TimedLane) for span in worker.lane.spent]
    at_once = [sum(began <= at < end - 1e-6 for began, end in jobs) for at, _ in jobs]
    assert max(at_once) == 2


def test_while_nobody_reads_the_buffers_fill_and_no_more() -> None:
    engine, pool, _ = crew(2, first=0.1, other=0.01)

    async def main() -> None:
        synthesis = Synthesis(pool, voice="", speed=1.0, in_flight=2, pace=Pace(), left=lambda: 0.0)
        making = asyncio.create_task(synthesis.run(from_list([f"{letter} " * 10 for letter in "abcdef"])))
        await asyncio.sleep(100)
        assert len(engine.begun) == 2 * round(AHEAD_SECONDS * 5)
        async for _ in synthesis.sounds():
            pass
        await making

    virtual_time.run(main())
    assert len(engine.begun) == 6 * 50
    assert engine.most == 2


def test_a_cancelled_reply_frees_its_places_and_closes_its_clauses() -> None:
    engine, pool, told = crew(2, first=1.0, other=0.5)

    async def main() -> None:
        listening = asyncio.create_task(Listener(engine, pool, ["a b", "c d", "e f"]).listen())
        await asyncio.sleep(1.2)
        assert (engine.working, pool.in_work) == (2, 2)
        listening.cancel()
        await asyncio.wait({listening})
        assert (pool.in_work, pool.waiting) == (0, 0)
        waited = Listener(engine, pool, ["n"])
        await waited.listen()
        assert waited.first == pytest.approx(1.5 + 1.0), "the lanes are at their steps until 1.5"
        await asyncio.sleep(1)
        assert engine.working == 0

    virtual_time.run(main())
    ended = [one.outcome for one in told if isinstance(one, ClauseEnded)]
    assert ended == ["cancelled", "cancelled", "done"]


def test_a_worker_at_an_abandoned_step_is_not_taken_while_another_is_idle() -> None:
    engine, pool, _ = crew(2, first=5.0, other=0.0)

    async def main() -> float:
        cancelled = asyncio.create_task(Listener(engine, pool, ["a"]).listen())
        await asyncio.sleep(1)
        cancelled.cancel()
        new = Listener(engine, pool, ["b"])
        await new.listen()
        return new.first

    assert virtual_time.run(main()) == pytest.approx(1.0 + 5.0)


async def test_what_a_cancelled_reply_has_begun_is_closed_on_its_lane() -> None:
    begun, closed = asyncio.Event(), []

    class Endless(ScriptedTts):
        def synthesize(self, text: str, voice: str, speed: float = 1.0) -> Iterator[Speech]:
            return self

        def __iter__(self) -> "Endless":
            return self

        def __next__(self) -> Speech:
            return Speech(np.ones(RATE, np.int16), "")

        def close(self) -> None:
            closed.append(threading.current_thread().name)

    lane = ThreadLane("test")
    pool = Pool([Worker(Endless(), lane)], observers=[lambda _: begun.set()])
    listening = asyncio.create_task(Listener(pool.engine, pool, ["a"]).listen())
    async with asyncio.timeout(10):
        await begun.wait()
    await lane.run(lambda: None)  # its first step is done
    listening.cancel()
    await asyncio.wait({listening})
    await lane.run(lambda: None)
    await lane.close()
    assert closed == ["lane-test"]


def test_what_pools_tell_is_counted() -> None:
    metrics = Metrics()
    lane = TimedLane()
    pool = Pool([Worker(Slow(0.2, 0.1), lane)], observers=[metrics.observe_synthesis])
    virtual_time.run(Listener(pool.engine, pool, ["a b", "c"]).listen())
    value = metrics.registry.get_sample_value
    assert value("voicechat_synthesis_clauses_total", {"engine": "slow", "outcome": "done"}) == 2
    assert value("voicechat_synthesis_clauses_now", {"engine": "slow"}) == 0
    assert value("voicechat_synthesis_sound_seconds_total", {"engine": "slow", "outcome": "done"}) == pytest.approx(3)
    assert value("voicechat_synthesis_work_seconds_total", {"engine": "slow", "outcome": "done"}) == pytest.approx(1.7)
    assert value("voicechat_synthesis_gap_seconds_count") == 1
    assert value("voicechat_synthesis_wait_seconds_count", {"place": "opening"}) == 1
    assert value("voicechat_synthesis_first_sound_seconds_sum", {"engine": "slow"}) == pytest.approx(0.4)


def test_an_engine_gets_the_workers_that_are_of_use_to_it() -> None:
    assert workers_for(Slow(0, 0), 3) == 3
    assert 1 <= workers_for(Slow(0, 0), None) <= 4
    assert workers_for(ScriptedTts(), 3) == 1, "it does not say that threads may share it"
    assert (places_on("cuda:1", None), places_on("cuda:1", 5), places_on("cpu", 5)) == (2, 5, 5)
    assert places_on("cpu", None) >= 1


def test_a_stuck_engine_fails_its_reply() -> None:
    engine, pool, told = crew(1, first=0.1, other=0.1)
    lane = pool.workers[0].lane
    assert isinstance(lane, TimedLane)
    lane.stuck = True
    with pytest.raises(EngineFailed, match="stuck"):
        virtual_time.run(Listener(engine, pool, ["a b"]).listen())
    assert [type(one) for one in told] == [ClauseBegun, ClauseEnded]


def test_how_fast_an_engine_is_becomes_known() -> None:
    engine, pool, told = crew(1, first=0.4, other=0.1)
    assert pool.factor == 0
    virtual_time.run(Listener(engine, pool, ["a", "b"]).listen())
    assert pool.factor == pytest.approx(0.8)
    ends = [one for one in told if isinstance(one, ClauseEnded)]
    assert [(round(one.first, 3), round(one.work, 3), round(one.sound, 3)) for one in ends] == [(0.4, 0.8, 1.0)] * 2


class Wordless(ScriptedTts):
    """Knows no word times, and speaks `seconds` for any clause."""

    capabilities = Capabilities(streaming=False, languages=("en",))
    voices: Sequence[Voice] = (Voice("one", "en"),)

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def synthesize(self, text: str, voice: str, speed: float = 1.0) -> Iterator[Speech]:
        for _ in range(round(self._seconds / 0.1)):
            yield Speech(np.full(round(RATE * 0.1), 1000, np.int16))


@pytest.mark.parametrize("seconds", [0.3, 2.0, 6.0])
def test_words_of_an_engine_without_word_times_are_all_accounted_for(seconds: float) -> None:
    clause = "the quick brown fox jumps over the lazy dog"
    synthesis = speaking(Wordless(seconds), in_flight=1)
    sounds = virtual_time.run(speak(synthesis, [clause]))
    assert " ".join(sound.words for sound in sounds if sound.words) == clause
    assert sounds[0].words.split()[0] == "the"


@dataclass
class Tailed(Slow):
    """As slow as that, and half a second of all but silence after each clause."""

    def synthesize(self, text: str, voice: str, speed: float = 1.0) -> Iterator[Speech]:
        yield from super().synthesize(text, voice, speed)
        TimedLane.spend(self.other)
        yield Speech(np.full(RATE // 2, 20, np.int16), "")


def test_it_is_known_when_the_last_words_end_as_soon_as_they_are_made() -> None:
    engine = Tailed(0.1, 0.05)
    pool = Pool([Worker(engine, TimedLane("one"))])
    synthesis = Synthesis(pool, voice="", speed=1.0, in_flight=2, pace=Pace(), left=lambda: 0.0)
    known: list[float | None] = []

    async def main() -> float:
        making = asyncio.create_task(synthesis.run(from_list(["a b", "c"])))
        sound = 0.0
        async for piece in synthesis.sounds():
            known.append(synthesis.end)
            sound += len(piece.samples) / RATE
            await asyncio.sleep(len(piece.samples) / RATE)
        await making
        return sound

    assert virtual_time.run(main()) == pytest.approx(2.5 + 1.5)
    assert known[0] is None, "it is not made yet"
    assert known[-1] == synthesis.end == pytest.approx(2.5 + 1.0), "the silence at the end does not count"
    assert known.index(known[-1]) < len(known) / 2, "it is made long before it is heard"
