"""Clauses in, sound out, in order: the next clause is made while the one before it is spoken."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import numpy as np

from voicechat.audio import Samples
from voicechat.errors import AdapterError
from voicechat.pace import Pace
from voicechat.protocols import Lane, Speech, TtsEngine
from voicechat.wordtimes import WordTimes

PIECES: Final = 16
"""Pieces of one clause that may wait to be spoken."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A piece of a clause; `clause` is its whole text on the first piece, empty on the others."""

    samples: Samples
    words: str
    clause: str


class _Track:
    """A clause in work: what was made of it waits here, and tells already where its words will be."""

    def __init__(self, clause: str, words: WordTimes) -> None:
        self.clause, self.words = clause, words
        self.entries: asyncio.Queue[Speech | AdapterError | None] = asyncio.Queue(PIECES)

    def pieces(self, speech: Speech) -> Iterable[tuple[Samples, str]]:
        """What is to be spoken next, with the words that begin with each piece."""
        if speech.text is not None:
            return [(speech.samples, speech.text)]
        return self.words.split(speech.samples)


class Synthesis:
    """Speaks one answer. `run` works while `sounds` is read; at most `in_flight` clauses are in work.

    `pace` is the voice's own, and learns from every clause whose word times the engine does not know.
    """

    def __init__(
        self, lane: Lane, engine: TtsEngine, *, voice: str, speed: float, in_flight: int, pace: Pace
    ) -> None:
        self._lane, self._engine = lane, engine
        self._voice, self._speed, self._pace = voice, speed, pace
        self._places = asyncio.Semaphore(in_flight)
        self._tracks: asyncio.Queue[_Track | None] = asyncio.Queue(in_flight)

    async def run(self, clauses: AsyncIterator[str]) -> None:
        """Synthesizes all clauses; what fails is raised where its sound would have come, in `sounds`."""
        async with asyncio.TaskGroup() as group:
            async for clause in clauses:
                await self._places.acquire()
                track = _Track(clause, WordTimes(clause, self._engine.rate, self._pace, self._speed))
                await self._tracks.put(track)
                group.create_task(self._fill(track))
            await self._tracks.put(None)

    async def sounds(self) -> AsyncIterator[Sound]:
        """The pieces of all clauses, in order, cut where words begin. Raises AdapterError."""
        while (track := await self._tracks.get()) is not None:
            heading = track.clause
            timed = False
            while (entry := await track.entries.get()) is not None:
                if isinstance(entry, AdapterError):
                    raise entry
                timed = entry.text is not None
                for samples, words in track.pieces(entry):
                    yield Sound(samples, words, heading)
                    heading = ""
            rest = "" if timed else track.words.rest()
            if rest or heading:
                yield Sound(np.zeros(0, np.int16), rest, heading)

    async def _fill(self, track: _Track) -> None:
        try:
            stream = self._lane.stream(lambda: self._engine.synthesize(track.clause, self._voice, self._speed))
            async with aclosing(stream) as pieces:
                async for piece in pieces:
                    if piece.text is None:
                        track.words.hear(piece.samples)
                    await track.entries.put(piece)
            track.words.finish()
            await track.entries.put(None)
        except AdapterError as error:
            await track.entries.put(error)
        finally:
            self._places.release()
