"""Clauses in, sound out, in order: the next clause is made while the one before it is spoken."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import numpy as np

from voicechat.audio import Samples
from voicechat.errors import AdapterError
from voicechat.protocols import Lane, Speech, TtsEngine

PIECES: Final = 16
"""Pieces of one clause that may wait to be spoken."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A piece of a clause; `clause` is its whole text on the first piece, empty on the others."""

    samples: Samples
    words: str
    clause: str


class Synthesis:
    """Speaks one answer. `run` works while `sounds` is read; at most `in_flight` clauses are in work."""

    def __init__(self, lane: Lane, engine: TtsEngine, *, voice: str, speed: float, in_flight: int) -> None:
        self._lane, self._engine = lane, engine
        self._voice, self._speed = voice, speed
        self._places = asyncio.Semaphore(in_flight)
        self._tracks: asyncio.Queue[asyncio.Queue[Sound | AdapterError | None] | None] = asyncio.Queue(in_flight)

    async def run(self, clauses: AsyncIterator[str]) -> None:
        """Synthesizes all clauses; what fails is raised where its sound would have come, in `sounds`."""
        async with asyncio.TaskGroup() as group:
            async for clause in clauses:
                await self._places.acquire()
                track: asyncio.Queue[Sound | AdapterError | None] = asyncio.Queue(PIECES)
                await self._tracks.put(track)
                group.create_task(self._fill(track, clause))
            await self._tracks.put(None)

    async def sounds(self) -> AsyncIterator[Sound]:
        """The pieces of all clauses, in order. Raises AdapterError."""
        while (track := await self._tracks.get()) is not None:
            while (entry := await track.get()) is not None:
                if isinstance(entry, AdapterError):
                    raise entry
                yield entry

    async def _fill(self, track: asyncio.Queue[Sound | AdapterError | None], clause: str) -> None:
        try:
            spreader = WordSpreader(clause, self._engine.rate)
            heading = clause
            stream = self._lane.stream(lambda: self._engine.synthesize(clause, self._voice, self._speed))
            async with aclosing(stream) as pieces:
                async for piece in pieces:
                    words = spreader.take(piece)
                    await track.put(Sound(piece.samples, words, heading))
                    heading = ""
            rest = spreader.rest()
            if rest or heading:
                await track.put(Sound(np.zeros(0, np.int16), rest, heading))
            await track.put(None)
        except AdapterError as error:
            await track.put(error)
        finally:
            self._places.release()


class WordSpreader:
    """Says which words of a clause begin in which piece.

    Where the engine does not know, the words are spread over the sound at a steady pace of letters.
    """

    SECONDS_PER_LETTER: Final = 0.062
    """English at about 165 words a minute, spaces included."""

    def __init__(self, clause: str, rate: int) -> None:
        self._words = clause.split()
        self._rate = rate
        self._due = 0.0  # seconds into the clause at which the next word begins
        self._clock = 0.0

    def take(self, piece: Speech) -> str:
        """The words that begin in this piece."""
        if piece.text is not None:
            self._words = []
            return piece.text
        self._clock += len(piece.samples) / self._rate
        begun = []
        while self._words and self._due < self._clock:
            word = self._words.pop(0)
            begun.append(word)
            self._due += (len(word) + 1) * self.SECONDS_PER_LETTER
        return " ".join(begun)

    def rest(self) -> str:
        """The words that are left when the sound was shorter than thought."""
        return " ".join(self._words)
