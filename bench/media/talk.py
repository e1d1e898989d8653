"""What a caller does, and what it says of the server: questions, answers and interruptions, by arrival times."""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from bench.media import clips
from bench.media.clips import Packet
from bench.media.line import Line

ANSWER_SECONDS: Final = 5.0
"""After which a question counts as unanswered."""

WHOLE: Final = 150
"""Audible packets of an answer: 50 words of 60 ms."""

ENOUGH: Final = 0.75
"""An answer of which less came counts as none: a server shall not hold more callers by saying less."""

OVER_SECONDS: Final = 0.7
"""Of silence that end an answer."""

LONGEST_SECONDS: Final = 10.0
"""An answer is not listened to for longer."""

GRID_SECONDS: Final = 0.6
"""Questions begin at evenly spread moments of it. A server that listens in chunks answers sooner or later by where in
a chunk a question ends: it is asked at all of them, in every run, and not by chance."""

INTERRUPT_AFTER: Final = (0.2, 0.5)
"""Seconds of an answer that are heard before it is interrupted. Later, the slowest would end by themselves."""

STOPPED_SECONDS: Final = 0.12
"""Of silence that can be the end of an interrupted answer; the mocks keep the next one away for longer."""

_GOLDEN: Final = (5**0.5 - 1) / 2


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


def spread() -> Iterator[float]:
    """Numbers from 0 to 1 that are evenly spread however many are taken."""
    number = 0.0
    while True:
        yield number
        number = (number + _GOLDEN) % 1


async def ask(line: Line, words: Words, said: Said) -> None:
    """A question and its answer, heard to the end."""
    begun, last = await line.mouth.say(words.question)
    early = any(begun < at <= last for at in line.heard)
    first = await line.voice(last, ANSWER_SECONDS)
    await line.quiet(OVER_SECONDS, LONGEST_SECONDS)
    answer = [at for at in line.heard if first is not None and at >= first]
    if first is None or early or len(answer) < ENOUGH * WHOLE:
        said.waits.append(None)
        return
    said.waits.append(first - last)
    said.gaps.append(max(after - before for before, after in pairwise(answer)))


async def interrupt(line: Line, words: Words, said: Said, moment: float) -> None:
    """A question, and an interruption of its answer at a `moment` from 0 to 1."""
    _, asked = await line.mouth.say(words.question)
    first = await line.voice(asked, ANSWER_SECONDS)
    if first is None:
        said.stops.append(None)
        return
    soonest, latest = INTERRUPT_AFTER
    await asyncio.sleep(soonest + moment * (latest - soonest))
    onset, last = await line.mouth.say(words.interruption)
    await line.voice(last + 0.1, ANSWER_SECONDS)
    await line.quiet(OVER_SECONDS, LONGEST_SECONDS)
    stop = stopped([at for at in line.heard if at >= first], onset, last)
    said.stops.append(None if stop is None else stop - onset)


def stopped(heard: Sequence[float], onset: float, spoken: float) -> float | None:
    """The last audible packet of the old answer, of all that were `heard`; it was interrupted from `onset` to `spoken`.

    A pause out of which the answer comes back while the caller still speaks is not its end. One that was heard whole
    ended by itself.
    """
    for number, (before, after) in enumerate(pairwise(heard), start=1):
        if before > onset and after - before >= STOPPED_SECONDS and after >= spoken:
            return before if number < WHOLE else None
    return None


async def converse(
    line: Line, words: Words, said: Said, moments: Iterator[float], *, asks: int, interrupts: int, pause: float
) -> None:
    """So many turns of each kind, `pause` seconds apart on average, each at one of the `moments` that all share."""
    for number in range(asks + interrupts):
        await asyncio.sleep(pause * (0.5 + random.random()))
        moment = next(moments)
        await asyncio.sleep((line.begun + moment * GRID_SECONDS - time.monotonic()) % GRID_SECONDS)
        if number < asks:
            await ask(line, words, said)
        else:
            await interrupt(line, words, said, moment)
