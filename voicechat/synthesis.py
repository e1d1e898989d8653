"""Clauses in, sound out, in order. Several clauses are in work at a time, those first whose sound is needed soonest."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import numpy as np

from voicechat.audio import Samples
from voicechat.errors import AdapterError
from voicechat.pool import ClauseJoined, Pool
from voicechat.protocols import Speech
from voicechat.turnstile import Need
from voicechat.words.pace import Pace
from voicechat.words.wordtimes import WordTimes

AHEAD_SECONDS: Final = 3.0
"""Sound of one clause that may wait to be spoken. While it does, its worker is the next clause's: the first sound of
that should not take longer."""

AUDIBLE: Final = 100
"""The least sample that is heard, 50 dB below full scale: what follows the last one is a voice's silent tail, of 0.33 s
after a sentence of espeak's."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A piece of a clause; `clause` is its whole text on the first piece, empty on the others."""

    samples: Samples
    words: str
    clause: str


class _Track:
    """A clause in work: what was made of it waits here, and tells already where its words will be."""

    def __init__(self, clause: str, place: int, rate: int, words: WordTimes) -> None:
        self.clause, self.place, self.words = clause, place, words
        self.entries: asyncio.Queue[Speech | AdapterError | None] = asyncio.Queue()  # bounded by `put`
        self.made = 0.0
        """Seconds of sound that there are."""
        self.audible = 0.0
        """Seconds of it until the end of what is heard; 0.0: nothing is."""
        self.waiting = 0.0
        """Seconds of it that nobody has taken yet."""
        self.whole = False
        self.by = math.inf
        """When its sound must be there, as it was known when it was asked for."""
        self._rate = rate
        self._taken = asyncio.Event()

    @property
    def ahead(self) -> float:
        """Seconds of sound that come before what follows this clause, as far as can be known."""
        return self.waiting + (0.0 if self.whole else max(0.0, self.words.expected - self.made))

    async def put(self, speech: Speech) -> None:
        """Waits until there is room for more."""
        if speech.text is None:
            self.words.hear(speech.samples)
        heard = np.flatnonzero((speech.samples >= AUDIBLE) | (speech.samples <= -AUDIBLE))
        if len(heard):
            self.audible = self.made + (int(heard[-1]) + 1) / self._rate
        self.made += len(speech.samples) / self._rate
        self.waiting += len(speech.samples) / self._rate
        self.entries.put_nowait(speech)
        while self.waiting >= AHEAD_SECONDS:
            self._taken.clear()
            await self._taken.wait()

    def end(self, error: AdapterError | None = None) -> None:
        self.whole = True
        if error is None:
            self.words.finish()
        self.entries.put_nowait(error)

    def pieces(self, speech: Speech) -> Iterable[tuple[Samples, str]]:
        """What is to be spoken next, with the words that begin with each piece."""
        self.waiting -= len(speech.samples) / self._rate
        self._taken.set()
        if speech.text is not None:
            return [(speech.samples, speech.text)]
        return self.words.split(speech.samples)


class Synthesis:
    """Speaks one answer. `run` works while `sounds` is read, and when nobody reads until its buffers are full.

    At most `in_flight` clauses are in work, and as many wait. `left` says how many seconds of the sound that was taken
    are still to be heard. `pace` is the voice's own, and learns from every clause whose word times the engine does not
    know.
    """

    def __init__(
        self, pool: Pool, *, voice: str, speed: float, in_flight: int, pace: Pace, left: Callable[[], float]
    ) -> None:
        self._pool = pool
        self._voice, self._speed, self._pace, self._left = voice, speed, pace, left
        self._places = asyncio.Semaphore(in_flight)
        self._tracks: asyncio.Queue[_Track | None] = asyncio.Queue(in_flight)
        self._unread: deque[_Track] = deque()
        self._begun = False
        self._spoken = self._audible = 0.0  # seconds of the clauses that were read, and until the last audible one
        self._whole = False  # no clause is to come

    @property
    def end(self) -> float | None:
        """After how many seconds of the sound the last of it is heard that is not silent; None: it is not made yet."""
        if not self._whole or not all(track.whole for track in self._unread):
            return None
        end, at = self._audible, self._spoken
        for track in self._unread:
            end = at + track.audible if track.audible else end
            at += track.made
        return end

    async def run(self, clauses: AsyncIterator[str]) -> None:
        """Synthesizes all clauses; what fails is raised where its sound would have come, in `sounds`."""
        rate = self._pool.engine.rate
        place = 0
        async with asyncio.TaskGroup() as group:
            async for clause in clauses:
                await self._places.acquire()
                place += 1
                track = _Track(clause, place, rate, WordTimes(clause, rate, self._pace, self._speed))
                self._unread.append(track)
                await self._tracks.put(track)
                group.create_task(self._fill(track))
            self._whole = True
            await self._tracks.put(None)

    async def sounds(self) -> AsyncIterator[Sound]:
        """The pieces of all clauses, in order, cut where words begin. Raises AdapterError."""
        while (track := await self._tracks.get()) is not None:
            heading = track.clause
            timed = False
            while (entry := await self._next(track, first=bool(heading))) is not None:
                if isinstance(entry, AdapterError):
                    raise entry
                timed = entry.text is not None
                for samples, words in track.pieces(entry):
                    yield Sound(samples, words, heading)
                    heading = ""
            self._unread.popleft()
            self._audible = self._spoken + track.audible if track.audible else self._audible
            self._spoken += track.made
            rest = "" if timed else track.words.rest()
            if rest or heading:
                yield Sound(np.zeros(0, np.int16), rest, heading)

    async def _next(self, track: _Track, *, first: bool) -> Speech | AdapterError | None:
        """What comes next of the clause; tells of the gap before its first sound."""
        clock = asyncio.get_running_loop().time
        dry = clock() + self._left()
        entry = await track.entries.get()
        if first and isinstance(entry, Speech):
            if self._begun:
                gap = 0.0 if self._left() > 0 else max(0.0, clock() - dry)
                self._pool.tell(ClauseJoined(self._pool.engine.name, gap))
            self._begun = True
        return entry

    async def _fill(self, track: _Track) -> None:
        try:
            speaking = self._pool.speak(track.clause, self._voice, self._speed, lambda: self._need(track))
            async with aclosing(speaking) as pieces:
                async for piece in pieces:
                    await track.put(piece)
            track.end()
        except AdapterError as error:
            track.end(error)
        finally:
            self._places.release()

    def _need(self, track: _Track) -> Need:
        """How soon a worker is needed for the next sound of a clause."""
        before = sum(other.ahead for other in self._unread if other.place < track.place)
        by = asyncio.get_running_loop().time() + self._left() + before + track.waiting
        # how long a clause lasts is a guess; but what comes before another is never less needed
        track.by = min([by, *(other.by for other in self._unread if other.place > track.place)])
        later = self._begun or track.made > 0 or track is not self._unread[0]
        return Need(later, track.by, track.place)
