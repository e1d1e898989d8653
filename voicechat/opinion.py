"""A detector's second opinion on the caller's silences, beside the session and never in its way."""

import asyncio
from typing import Final

import structlog

from voicechat.audio import AudioFrame
from voicechat.errors import EngineFailed
from voicechat.protocols import Lane, TurnDetector
from voicechat.turntaking.endpointing import Doubt, Endpointing

DEADLINE_SECONDS: Final = 1.0
"""An opinion that takes longer comes too late for most silences."""


class SecondOpinion:
    """A `protocols.Patience` that has a detector asked in each silence; its answer counts when it comes, if at all."""

    def __init__(self, endpointing: Endpointing, detector: TurnDetector, lane: Lane) -> None:
        self._endpointing, self._detector, self._lane = endpointing, detector, lane
        self._doubt: Doubt | None = None
        self._doubted = asyncio.Event()

    @property
    def silence(self) -> float:
        return self._endpointing.silence

    def hear(self, frame: AudioFrame, voiced: bool, probability: float) -> None:
        self._endpointing.hear(frame, voiced, probability)
        doubt = self._endpointing.due()
        if doubt is not None:
            self._doubt = doubt  # an older one that still waits is of a silence that is over
            self._doubted.set()

    def read(self, text: str) -> None:
        self._endpointing.read(text)

    def asked(self, question: bool) -> None:
        self._endpointing.asked(question)

    def hurry(self, eagerness: str) -> None:
        self._endpointing.hurry(eagerness)

    async def run(self) -> None:
        """Asks the detector, until cancelled. One that fails is not asked again by this session."""
        while True:
            await self._doubted.wait()
            self._doubted.clear()
            doubt = self._doubt
            assert doubt is not None
            try:
                probability = await self._ask(doubt)
            except EngineFailed as error:
                structlog.get_logger().warning("detector_failed", code=error.code, error=error.message)
                return
            self._endpointing.judge(doubt, probability)

    async def _ask(self, doubt: Doubt) -> float:
        return await self._lane.run(
            lambda: self._detector.finished(doubt.sound), urgent=True, deadline=DEADLINE_SECONDS
        )
