"""A detector beside a session: asked in each silence, heard when it answers in time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import numpy as np
import pytest

from tests.fakes import InlineLane
from voicechat.audio import LISTEN_RATE, AudioFrame, Samples
from voicechat.errors import EngineFailed
from voicechat.opinion import SecondOpinion
from voicechat.turntaking.endpointing import Endpointing, Waits

WAITS = Waits()
FRAME = AudioFrame(np.random.default_rng(2).normal(0, 4000, 320).astype(np.int16), LISTEN_RATE)


class Detector:
    """Always of one opinion; None: it breaks."""

    name = "scripted"

    def __init__(self, probability: float | None) -> None:
        self.probability = probability
        self.asked: list[float] = []

    def finished(self, sound: Samples) -> float:
        self.asked.append(round(len(sound) / LISTEN_RATE, 2))
        if self.probability is None:
            raise EngineFailed("engine_failed", "scripted to fail")
        return self.probability

    def close(self) -> None:
        pass


@asynccontextmanager
async def running(patience: SecondOpinion) -> AsyncIterator[None]:
    task = asyncio.create_task(patience.run())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def hear(patience: SecondOpinion, seconds: float, probability: float) -> None:
    for _ in range(round(seconds / 0.02)):
        patience.hear(FRAME, probability > 0.5, probability)


@pytest.mark.parametrize(("probability", "shorter"), [(0.95, True), (0.05, False)])
async def test_the_detector_moves_the_silence(probability: float, shorter: bool) -> None:
    detector = Detector(probability)
    patience = SecondOpinion(Endpointing(WAITS), detector, InlineLane())
    async with running(patience):
        hear(patience, 2.0, 0.9)
        hear(patience, 0.1, 0.0)
        await asyncio.sleep(0.01)
        assert detector.asked == [2.1]
        assert (patience.silence < WAITS.usual) is shorter


async def test_an_answer_about_an_earlier_silence_changes_nothing() -> None:
    patience = SecondOpinion(Endpointing(WAITS), Detector(0.0), InlineLane(delay=0.5))
    async with running(patience):
        hear(patience, 2.0, 0.9)
        hear(patience, 0.1, 0.0)
        await asyncio.sleep(0.1)
        hear(patience, 1.0, 0.9)
        hear(patience, 0.08, 0.0)
        await asyncio.sleep(1.0)
        assert patience.silence <= WAITS.usual + 1e-6


async def test_a_detector_that_fails_is_left_alone() -> None:
    detector = Detector(None)
    patience = SecondOpinion(Endpointing(WAITS), detector, InlineLane())
    async with running(patience):
        for _ in range(2):
            hear(patience, 2.0, 0.9)
            hear(patience, 0.1, 0.0)
            await asyncio.sleep(0.01)
    assert len(detector.asked) == 1
    assert patience.silence <= WAITS.usual + 1e-6


async def test_words_and_questions_reach_the_endpointing() -> None:
    patience = SecondOpinion(Endpointing(WAITS), Detector(0.5), InlineLane())
    patience.asked(True)
    hear(patience, 0.5, 0.9)
    hear(patience, 0.06, 0.0)
    before = patience.silence
    patience.read("yes please")
    assert patience.silence < before
