"""What a caller does, and what it says of the server: questions, answers and interruptions, by arrival times."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from bench.media import clips
from bench.media.clips import Packet
from bench.media.line import Line

ANSWER_SECONDS: Final = 5.0
"""After which a question counts as unanswered."""

OVER_SECONDS: Final = 0.7
"""Of silence that end an answer."""

INTERRUPT_AFTER: Final = 0.5
"""Seconds of an answer that are heard before it is interrupted."""

STOPPED_SECONDS: Final = 0.12
"""Of silence that can be the end of an interrupted answer; the mocks keep the next one away for longer."""


@dataclass
class Said:
    """What came of one caller's turns; seconds. `waits` has None for a question that was not answered."""

    waits: list[float | None] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    """The longest time between two audible packets, of each answer."""
    stops: list[float | None] = field(default_factory=list)
    """From an interruption's onset to the last audible packet; None: the answer went on to its end."""


@dataclass(frozen=True, slots=True)
class Words:
    """The callers' clips."""

    question: Sequence[Packet]
    interruption: Sequence[Packet]
    silence: Packet

    @classmethod
    def spoken(cls) -> "Words":
        question, interruption = clips.spoken(clips.QUESTION), clips.spoken(clips.INTERRUPTION)
        return cls(list(clips.trimmed(question)), list(clips.trimmed(interruption)), clips.silent())


async def ask(line: Line, words: Words, said: Said) -> None:
    """A question and its answer, heard to the end."""
    begun, last = await line.mouth.say(words.question)
    early = any(begun < at <= last for at in line.heard)
    first = await line.voice(last, ANSWER_SECONDS)
    await line.quiet(OVER_SECONDS)
    if first is None or early:
        said.waits.append(None)
        return
    said.waits.append(first - last)
    answer = [at for at in line.heard if at >= first]
    said.gaps.append(max((after - before for before, after in pairwise(answer)), default=0.0))


async def interrupt(line: Line, words: Words, said: Said) -> None:
    """A question, and an interruption half a second into its answer."""
    _, asked = await line.mouth.say(words.question)
    first = await line.voice(asked, ANSWER_SECONDS)
    if first is None:
        said.stops.append(None)
        return
    await asyncio.sleep(INTERRUPT_AFTER + random.random() * clips.FRAME_SECONDS)
    onset, last = await line.mouth.say(words.interruption)
    await line.voice(last + 0.1, ANSWER_SECONDS)
    await line.quiet(OVER_SECONDS)
    stop = stopped([at for at in line.heard if at > onset], last)
    said.stops.append(None if stop is None else stop - onset)


def stopped(heard: Sequence[float], spoken: float) -> float | None:
    """The last audible packet of the old answer, of those `heard` since the interruption began; it ended at `spoken`.

    A pause out of which the answer comes back while the caller still speaks is not its end.
    """
    for before, after in pairwise(heard):
        if after - before >= STOPPED_SECONDS and after >= spoken:
            return before
    return None


async def converse(line: Line, words: Words, said: Said, *, asks: int, interrupts: int, pause: float) -> None:
    """So many turns of each kind, `pause` seconds apart on average, from a moment of its own."""
    await asyncio.sleep(random.random() * pause)
    for number in range(asks + interrupts):
        await (ask if number < asks else interrupt)(line, words, said)
        await asyncio.sleep(pause * (0.5 + random.random()))
