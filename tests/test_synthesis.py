"""Clauses in, sound out: in order, ahead of the speaker but not far, and every word accounted for."""

import asyncio
import random
from collections.abc import AsyncGenerator, Iterator, Sequence

import numpy as np
import pytest

from tests import virtual_time
from tests.fakes import RATE, InlineLane, ScriptedTts
from voicechat.errors import EngineFailed
from voicechat.pace import Pace
from voicechat.protocols import Capabilities, Speech, Voice
from voicechat.synthesis import Sound, Synthesis


async def from_list(clauses: Sequence[str]) -> AsyncGenerator[str]:
    for clause in clauses:
        yield clause


async def speak(synthesis: Synthesis, clauses: Sequence[str]) -> list[Sound]:
    making = asyncio.create_task(synthesis.run(from_list(clauses)))
    try:
        return [sound async for sound in synthesis.sounds()]
    finally:
        making.cancel()
        await asyncio.wait({making})


class RandomLane(InlineLane):
    """Every step takes another time."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)

    @property
    def delay(self) -> float:
        return self._random.random()

    @delay.setter
    def delay(self, _: float) -> None:
        pass


@pytest.mark.parametrize("in_flight", [1, 2, 5])
def test_sound_comes_in_the_order_of_the_clauses(in_flight: int) -> None:
    clauses = [f"clause {number} here" for number in range(20)]
    for seed in range(20):
        synthesis = Synthesis(RandomLane(seed), ScriptedTts(), voice="", speed=1.0, in_flight=in_flight, pace=Pace())
        sounds = virtual_time.run(speak(synthesis, clauses))
        assert [sound.clause for sound in sounds if sound.clause] == clauses
        assert " ".join(sound.words for sound in sounds if sound.words) == " ".join(clauses)


def test_no_more_clauses_than_allowed_are_in_work() -> None:
    engine = ScriptedTts()
    most = 0

    async def watch() -> None:
        nonlocal most
        synthesis = Synthesis(InlineLane(0.1), engine, voice="", speed=1.0, in_flight=2, pace=Pace())
        making = asyncio.create_task(synthesis.run(from_list(["one two"] * 10)))
        async for _ in synthesis.sounds():
            most = max(most, engine.working)
        await making

    virtual_time.run(watch())
    assert most == 2


def test_failure_comes_where_its_sound_would_have_come() -> None:
    async def main() -> list[str]:
        synthesis = Synthesis(InlineLane(), ScriptedTts(), voice="", speed=1.0, in_flight=3, pace=Pace())
        making = asyncio.create_task(synthesis.run(from_list(["one", "two", "FAIL", "four"])))
        words = []
        with pytest.raises(EngineFailed):
            async for sound in synthesis.sounds():
                words.append(sound.words)  # noqa: PERF401 - what came before the failure counts
        making.cancel()
        await asyncio.wait({making})
        return [word for word in words if word]

    assert virtual_time.run(main()) == ["one", "two"]


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
    synthesis = Synthesis(InlineLane(), Wordless(seconds), voice="", speed=1.0, in_flight=1, pace=Pace())
    sounds = virtual_time.run(speak(synthesis, [clause]))
    assert " ".join(sound.words for sound in sounds if sound.words) == clause
    assert sounds[0].words.split()[0] == "the"
