"""A text spoken by a model of the house, in nobody's conversation."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

from voicechat.audio import AudioFrame
from voicechat.ensemble import Ensemble, Voice
from voicechat.errors import AdapterError
from voicechat.library.parts import Part
from voicechat.synthesis import Synthesis
from voicechat.words.pace import Pace
from voicechat.words.sentences import Clauses

PART: Final = 256
"""Characters of a text that are cut into clauses at once."""


class Speaking:
    """`voice` is the one that speaks where none is asked for; `in_flight` clauses of a text are in work at a time."""

    def __init__(self, ensemble: Ensemble, *, voice: str, in_flight: int) -> None:
        self._ensemble, self._voice, self._in_flight = ensemble, voice, in_flight

    def has(self, voice: str) -> bool:
        return self._ensemble.find(voice) is not None

    async def speak(self, text: str, voice: str, speed: float) -> AsyncGenerator[AudioFrame]:
        """See `protocols.Studio.speak`. The model is loaded first where it is not there."""
        ensemble = self._ensemble
        part = ensemble.find(voice or self._voice) or ensemble.find(self._voice) or Part(ensemble.models.default)
        async with ensemble.models.lend(part.model):
            chosen = ensemble.choose(part.model) or ensemble.any()
            async with aclosing(self._spoken(chosen, text, part.voice, speed)) as frames:
                async for frame in frames:
                    yield frame

    async def _spoken(self, chosen: Voice, text: str, voice: str, speed: float) -> AsyncGenerator[AudioFrame]:
        engine, listener = chosen.model.engine, _Listener()
        lease = self._ensemble.models.take(chosen.model.name)  # a replica of the one that was lent
        chosen.replica.in_flight += 1
        synthesis = Synthesis(
            chosen.pool,
            voice=voice if any(known.name == voice for known in engine.voices) else "",
            speed=speed,
            in_flight=self._in_flight,
            pace=Pace(),
            left=lambda: listener.left,
        )
        made: asyncio.Queue[AudioFrame | AdapterError | None] = asyncio.Queue(1)
        making = asyncio.create_task(_make(synthesis, text, engine.rate, made))
        try:
            while (entry := await made.get()) is not None:
                if isinstance(entry, AdapterError):
                    raise entry
                listener.given(entry.seconds)
                yield entry
            await making
        finally:
            making.cancel()
            while not made.empty():
                made.get_nowait()  # it waits to put its last word
            await asyncio.gather(making, return_exceptions=True)
            chosen.replica.in_flight -= 1
            if lease is not None:
                lease.close()


class _Listener:
    """Somebody who hears the sound from its first piece on, without a break: what they have left says how urgent the
    next piece is, beside the answers of callers."""

    def __init__(self) -> None:
        self._until = 0.0  # on the loop's clock

    @property
    def left(self) -> float:
        """Seconds."""
        return max(0.0, self._until - asyncio.get_running_loop().time())

    def given(self, seconds: float) -> None:
        self._until = asyncio.get_running_loop().time() + self.left + seconds


async def _make(
    synthesis: Synthesis, text: str, rate: int, made: "asyncio.Queue[AudioFrame | AdapterError | None]"
) -> None:
    """Puts the sound, at most one failure, and None, however it ends."""
    try:
        async with asyncio.TaskGroup() as group:
            working = group.create_task(synthesis.run(_clauses(text)))
            try:
                async for sound in synthesis.sounds():
                    if len(sound.samples):
                        await made.put(AudioFrame(sound.samples, rate))
            except AdapterError as error:
                await made.put(error)
            finally:
                working.cancel()
    finally:
        await made.put(None)


async def _clauses(text: str) -> AsyncIterator[str]:
    """A text of 4,096 characters takes 3 ms, so it is read in parts with others between."""
    clauses = Clauses()
    for start in range(0, len(text), PART):
        for clause in clauses.push(text[start : start + PART]):
            yield clause
        await asyncio.sleep(0)
    for clause in clauses.finish():
        yield clause
