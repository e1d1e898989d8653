"""Recordings played to real sessions, faster than real time: who would have been heard, interrupted or cut off, when.

The whole `house` is rehearsed, on virtual time: voice detection, the floor, endpointing, the
answers. Only the far end is played: its sound is the recording, and its program makes the bot speak when the scene
says so. The bot counts aloud until it has spoken long enough.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from voicechat import adapters
from voicechat.audio import Samples
from voicechat.config import Settings
from voicechat.errors import VoicechatError
from voicechat.house import House
from voicechat.protocols import Agent, VadEngine
from voicechat.rehearsal import virtual_time
from voicechat.rehearsal.score import Moment
from voicechat.rehearsal.tape import Scene, Tape

T = TypeVar("T")

UNRECOGNISED: Final = "(something)"
"""Understood in every utterance where no recogniser listens."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What happened in a scene. `work` is in seconds of the processor's time.

    `voiced` says of each 20 ms frame of the scene what the first stage of voice detection takes it for. `said` is the
    bot's sound as it was made, at 16 kHz, and `played` as the caller got it: a frame for each of theirs, None for
    silence.
    """

    moments: tuple[Moment, ...]
    voiced: NDArray[np.bool_]
    said: Samples
    played: tuple[Samples | None, ...]
    work: float


def rehearse(
    settings: Settings,
    scenes: Sequence[Scene],
    *,
    recognises: bool = False,
    delay: float = 0.1,
    done: Callable[[], None] = lambda: None,
) -> list[Rehearsed]:
    """Plays each scene to a session of its own. Blocking; calls `done` after each scene.

    With `recognises`, the configured recogniser listens too, and each of its results comes `delay` seconds after
    the sound it is of; without, every utterance is understood as the same words at once, when it has ended.
    Raises VoicechatError when an engine cannot be loaded or a session fails.
    """
    return virtual_time.run(_rehearse(settings, scenes, recognises, delay, done))


async def _rehearse(
    settings: Settings, scenes: Sequence[Scene], recognises: bool, delay: float, done: Callable[[], None]
) -> list[Rehearsed]:
    staged = _staged(settings, recognises)
    house = House(staged, lambda name, _: _Prompt(name, delay if recognises and name.startswith("asr") else 0.0))
    try:
        await _open(house)
        await house.agent.close()
        talker: Agent = adapters.choose("agent", "scripted", staged)
        house.agent = talker
        first: VadEngine = adapters.choose("vad", "webrtc", staged)
        found = []
        for scene in scenes:
            found.append(await _play(house, first, scene))
            done()
        return found
    finally:
        await house.close()


async def _open(house: House) -> None:
    """Of several engines that cannot be loaded, the first tells."""
    try:
        await house.open()
    except* VoicechatError as group:
        error = group.exceptions[0]
        raise error from None


def _staged(settings: Settings, recognises: bool) -> Settings:
    """The settings, but for a bot that talks without end, engines that cost nothing, and no limit of time."""
    day = {"idle_seconds": 86_400.0, "session_seconds": 86_400.0}
    talk = settings.agent.scripted.model_copy(update={"sentences": 600, "words": 10, "token": 0.0, "delay": 0.0})
    parts = {
        "server": settings.server.model_copy(update=day),
        "agent": settings.agent.model_copy(update={"greeting": "", "scripted": talk}),
        "tts": settings.tts.model_copy(update={"engine": "espeak", "voice": ""}),
    }
    if not recognises:
        scripted = settings.asr.scripted.model_copy(update={"text": UNRECOGNISED})
        parts["asr"] = settings.asr.model_copy(update={"engine": "scripted", "scripted": scripted})
    return settings.model_copy(update=parts)


async def _play(house: House, first: VadEngine, scene: Scene) -> Rehearsed:
    detector = first.open()
    voiced = np.array([detector.probability(frame) >= 0.5 for frame in scene.frames], np.bool_)
    peer = Tape(scene)
    begin = time.process_time()
    with house.admit() as session:
        await house.serve(session, peer)
    if peer.failed is not None:
        raise VoicechatError(peer.failed.code, peer.failed.message)
    work = time.process_time() - begin
    return Rehearsed(tuple(peer.moments), voiced, np.concatenate(peer.said), tuple(peer.played), work)


class _Prompt:
    """A lane on the loop itself: a call's result is there `delay` seconds of audio later."""

    load = 0

    def __init__(self, name: str, delay: float) -> None:
        self.name = name
        self._delay = delay

    def clock(self) -> float:
        """Jobs take no time."""
        return 0.0

    async def run(self, call: Callable[[], T], *, urgent: bool = False, deadline: float | None = None) -> T:
        await asyncio.sleep(self._delay)
        return call()

    async def stream(self, make: Callable[[], Iterator[T]], *, urgent: bool = False) -> AsyncGenerator[T]:
        iterator = make()
        try:
            for item in iterator:
                await asyncio.sleep(self._delay)
                yield item
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    def post(self, call: Callable[[], object]) -> None:
        call()

    async def close(self) -> None:
        """There is no thread to end."""
