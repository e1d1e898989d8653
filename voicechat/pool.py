"""A pool of workers that speak: whole clauses in, pieces of sound out, each as soon as somebody can make it.

A worker is held for a step, a few milliseconds of work or one piece, and not while a reader is slow. So callers take
turns, a cancelled clause stops at the next step, and a clause that is ahead of its listener is in nobody's way. All
steps of a clause are made by the worker who began it.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from voicechat.errors import AdapterError
from voicechat.protocols import Speech, TtsEngine
from voicechat.turnstile import Need, Turnstile, Worker

FIRST_SECONDS, STEP_SECONDS = 0.002, 0.01
"""Of work, after which a step ends with the piece it is at: the first, for which a listener waits, and the others. A
step for each piece of a quick engine would cost the loop more than the engine."""

ENOUGH_SECONDS: Final = 1.0
"""Of sound, after which it ends as well."""

FADING: Final = 0.9
"""What an older clause counts beside a newer one."""

MOST_WORKERS: Final = 4
"""Where nothing is said; more threads are of use to many callers, and take the processor from the recogniser."""


@dataclass(frozen=True, slots=True)
class ClauseBegun:
    """A clause has got a worker, for which it waited so many seconds. `opening`: it is the first of its reply."""

    engine: str
    wait: float
    opening: bool


@dataclass(frozen=True, slots=True)
class ClauseEnded:
    """A clause that had begun is over: its work, the part of it until the first sound, and its sound, in seconds."""

    engine: str
    work: float
    first: float
    sound: float
    outcome: Literal["done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class ClauseJoined:
    """The sound of a clause came so many seconds after that of the clause before it had been heard to its end."""

    engine: str
    gap: float


Spoken: TypeAlias = ClauseBegun | ClauseEnded | ClauseJoined
"""What observers of a pool are told."""


class Pool:
    """The workers that one model has, as long as it is loaded. On the loop."""

    def __init__(
        self,
        workers: Sequence[Worker],
        turnstile: Turnstile | None = None,
        observers: Iterable[Callable[[Spoken], None]] = (),
    ) -> None:
        """All workers have the same voices and rate. Pools on the same lanes or devices share a turnstile."""
        self.workers = tuple(workers)
        self.engine = workers[0].engine
        self.in_work = 0
        """Clauses that have been begun and not ended."""
        self._turnstile = turnstile or Turnstile()
        self._observers = tuple(observers)
        self._work = self._sound = 0.0

    @property
    def factor(self) -> float:
        """Time of work over time of sound, of the last clauses above all; 0: not measured yet."""
        return self._work / self._sound if self._sound else 0.0

    @property
    def waiting(self) -> int:
        """Clauses that wait for one of the workers."""
        return self._turnstile.waiting(self.workers)

    def tell(self, spoken: Spoken) -> None:
        for observe in self._observers:
            observe(spoken)

    async def speak(
        self, clause: str, voice: str, speed: float, need: Callable[[], Need]
    ) -> AsyncGenerator[Speech]:
        """The sound of a clause. `need` is asked before every step how soon the next sound is needed.

        Nothing is made ahead: it goes on when it is asked for more. Closing it, or cancelling who waits for it, frees
        its worker as soon as the lane is done with the running step. Raises AdapterError.
        """
        work = _Work(clause, voice, speed)
        outcome: Literal["done", "failed", "cancelled"] = "cancelled"
        try:
            while not work.ended:
                failure = await self._step(work, need())
                for piece in work.take():
                    yield piece
                if failure is not None:
                    outcome = "failed"
                    raise failure
            outcome = "done"
            self._work = self._work * FADING + work.seconds
            self._sound = self._sound * FADING + work.sound
        finally:
            if work.worker is not None:
                work.worker.lane.post(work.close)
                self.in_work -= 1
                self.tell(ClauseEnded(self.engine.name, work.seconds, work.first, work.sound, outcome))

    async def _step(self, work: "_Work", need: Need) -> AdapterError | None:
        """Makes some more; returns what the engine failed with, since what it made before that still counts."""
        clock = asyncio.get_running_loop().time
        asked = clock()
        worker = await self._turnstile.enter((work.worker,) if work.worker else self.workers, need)
        if work.worker is None:
            work.worker = worker
            self.in_work += 1
            self.tell(ClauseBegun(self.engine.name, clock() - asked, not need.later))
        done = False
        try:
            await worker.lane.run(work.step)
            done = True
        except AdapterError as error:
            return error
        finally:
            if done:
                self._turnstile.leave(worker, work.lasted)
            else:
                self._turnstile.clear(worker)
        work.first = work.first or work.seconds
        return None


class _Work:
    """A clause in work. `step` and `close` run on the worker's lane, the rest on the loop, never at the same time."""

    def __init__(self, clause: str, voice: str, speed: float) -> None:
        self.worker: Worker | None = None
        self.ended = False
        self.lasted = 0.0
        """Seconds of the last step, on the lane's clock."""
        self.seconds = 0.0
        self.first = 0.0
        self.sound = 0.0
        self._clause, self._voice, self._speed = clause, voice, speed
        self._iterator: Iterator[Speech] | None = None
        self._made: list[Speech] = []

    def step(self) -> None:
        """Some more pieces, at least one."""
        assert self.worker is not None
        clock = self.worker.lane.clock
        began = clock()
        try:
            self._speak(self.worker.engine, clock, began + (FIRST_SECONDS if self._iterator is None else STEP_SECONDS))
        finally:
            self.lasted = clock() - began
            self.seconds += self.lasted

    def _speak(self, engine: TtsEngine, clock: Callable[[], float], end: float) -> None:
        if self._iterator is None:
            self._iterator = engine.synthesize(self._clause, self._voice, self._speed)
        enough = ENOUGH_SECONDS * engine.rate
        for piece in self._iterator:
            self._made.append(piece)
            enough -= len(piece.samples)
            if enough <= 0 or clock() >= end:
                return
        self.ended = True

    def take(self) -> list[Speech]:
        """What was made and not taken yet, in as few pieces as the words' beginnings allow."""
        made, self._made = joined(self._made), []
        if self.worker is not None:
            self.sound += sum(len(piece.samples) for piece in made) / self.worker.engine.rate
        return made

    def close(self) -> None:
        """Stops the engine's work; safe to call at any time, and twice."""
        close = getattr(self._iterator, "close", None)
        if close is not None:
            close()


def joined(pieces: Sequence[Speech]) -> list[Speech]:
    """The same sound, with each piece in which no word begins joined to the one before it."""
    runs: list[list[Speech]] = []
    for piece in pieces:
        if runs and (piece.text == "" or (piece.text is None and runs[-1][0].text is None)):
            runs[-1].append(piece)
        else:
            runs.append([piece])
    return [
        run[0] if len(run) == 1 else Speech(np.concatenate([piece.samples for piece in run]), run[0].text)
        for run in runs
    ]


def workers_for(engine: TtsEngine, wanted: int | None) -> int:
    """How many workers an engine gets: as many as wanted, or None for what this machine bears; one where more would
    only wait for each other."""
    if not engine.capabilities.parallel:
        return 1
    return wanted or min(MOST_WORKERS, os.cpu_count() or 1)


def places_on(device: str, wanted: int | None) -> int:
    """How many syntheses may work on a device at a time: as many as wanted, or None for a default: one for each
    processor core, two on a GPU, where one copies while the other computes."""
    return wanted or (2 if device.startswith("cuda") else os.cpu_count() or 1)
