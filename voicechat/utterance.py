"""One utterance on its way from sound to text, beside the loop that keeps hearing."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import numpy as np

from voicechat.audio import AudioFrame
from voicechat.conversation import Transcript
from voicechat.errors import AdapterError, EngineFailed
from voicechat.events import TranscriptPartial
from voicechat.protocols import AsrEngine, AsrStream, Lane, Weighing

T = TypeVar("T")

BATCH_SECONDS = 0.1
"""Sound handed to the recogniser at once while the caller speaks: fewer thread hops."""


class Utterance:
    """Collects one utterance's frames and has them recognised on a lane as they come.

    `hear`, `expect` and `end` are for the loop and never wait. `limit` seconds of sound are taken, more is ignored.
    `partial` is told what is understood so far, `expected` the whole of it after `expect`, unless it went on.
    `weighs` asks the recogniser how likely its words are.
    """

    def __init__(
        self,
        item: str,
        *,
        limit: float,
        partial: Callable[[str], None],
        expected: Callable[[Transcript], None] = lambda transcript: None,
        weighs: bool = False,
    ) -> None:
        self.item = item
        self.seconds = 0.0
        self.begun = False
        """It is the caller's turn; before, it is a candidate that nobody is told of."""
        self.over = False
        """It began over an answer, or over the making of one."""
        self.until = 0.0
        """On the floor's clock, when the last of it was heard."""
        self.speech = 0.0
        """Seconds from its first speech to its last, at most; known when it has ended."""
        self.forgotten = False
        self.guess: TranscriptPartial | None = None
        """What is understood of it so far."""
        self.error: AdapterError | None = None
        """Why it will not be understood."""
        self.work = 0.0
        """Seconds spent in the recogniser, waiting for its lane included."""
        self._limit, self._weighs = limit, weighs
        self._partial, self._expected = partial, expected
        self._frames: list[AudioFrame] = []
        self._fresh = 0.0  # seconds of sound in `_frames`
        self._ended = False
        self._expecting = False  # the end, and its text is still wanted
        self._asking = False  # for it, at once
        self._stretches = 0  # of speech
        self._changed = asyncio.Event()

    def hear(self, frame: AudioFrame) -> None:
        if self._ended or self.seconds >= self._limit:
            return
        self._frames.append(frame)
        self._fresh += frame.seconds
        self.seconds += frame.seconds
        if self._fresh >= BATCH_SECONDS:
            self._changed.set()

    def expect(self) -> None:
        """All of it has been heard, probably: whatever is not known yet shall be understood now."""
        self._expecting = self._asking = True
        self._changed.set()

    def go_on(self) -> None:
        """More is coming after all."""
        self._expecting = self._asking = False
        self._stretches += 1

    def end(self) -> None:
        """All of it has been heard."""
        self._ended = True
        self._changed.set()

    def forget(self) -> None:
        """It shall not be recognised after all."""
        self.forgotten = True
        self.end()

    async def recognise(self, engine: AsrEngine, lane: Lane, language: str | None) -> Transcript:
        """The final transcript, some time after `end`. Raises EngineFailed. Cancelling it frees the engine's stream."""
        opened: list[AsrStream] = []  # filled on the lane, so that a cancelled opening is closed too
        try:
            await self._timed(lane.run(lambda: opened.append(opening(engine, language, weighs=self._weighs))))
            stream = opened[0]
            while True:
                await self._wait()
                if self.forgotten:
                    return Transcript("", 0.0)
                if self._ended:
                    return await self._finish(lane, stream)
                if self._frames:
                    await self._timed(self._accept(lane, stream, self._take()))
                if self._expecting and not self._ended:
                    await self._peek(lane, stream)
        finally:
            lane.post(lambda: _close(opened))

    async def _finish(self, lane: Lane, stream: AsrStream) -> Transcript:
        """In one job: it waits only once for a lane that is busy."""
        last = self._take() if self._frames else None
        return await self._timed(lane.run(lambda: _finish(stream, last), urgent=True))

    async def _accept(self, lane: Lane, stream: AsrStream, frame: AudioFrame) -> None:
        text = await lane.run(lambda: stream.accept(frame), urgent=self._expecting)
        if text is not None and not self.forgotten:
            self._partial(text)

    async def _peek(self, lane: Lane, stream: AsrStream) -> None:
        """Urgent, as the end may be waiting for it. Who cannot tell yet is asked again with the next sound."""
        self._asking = False
        stretch = self._stretches
        transcript = None
        with suppress(EngineFailed):  # the end still gets its chance
            transcript = await self._timed(lane.run(stream.peek, urgent=True))
        if transcript is not None and stretch == self._stretches and not self._ended:
            self._expecting = False
            self._expected(transcript)

    async def _timed(self, work: Awaitable[T]) -> T:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        try:
            return await work
        finally:
            self.work += loop.time() - begin

    async def _wait(self) -> None:
        while not (self._ended or self._asking) and self._fresh < BATCH_SECONDS:
            self._changed.clear()
            await self._changed.wait()

    def _take(self) -> AudioFrame:
        frames, self._frames, self._fresh = self._frames, [], 0.0
        return AudioFrame(np.concatenate([frame.samples for frame in frames]), frames[0].rate)


def opening(engine: AsrEngine, language: str | None, *, weighs: bool) -> AsrStream:
    """A stream that says how likely its words are, if it can and is to."""
    stream = engine.open(language)
    if weighs and isinstance(stream, Weighing):
        stream.weigh()
    return stream


def _finish(stream: AsrStream, last: AudioFrame | None) -> Transcript:
    """Gives back at once what the stream used: the next job on the lane may need it, and came before ours to close."""
    try:
        if last is not None:
            stream.accept(last)
        return stream.finish()
    finally:
        stream.close()


def _close(streams: list[AsrStream]) -> None:
    for stream in streams:
        stream.close()
