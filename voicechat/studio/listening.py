"""A recording understood by a model of the house, a passage at a time, however long it is."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from voicechat.audio import LISTEN_RATE, AudioFrame
from voicechat.conversation import Transcript
from voicechat.models.manager import ModelManager
from voicechat.models.stock import Lease
from voicechat.protocols import AsrEngine, AsrStream, Lane, Passage
from voicechat.words.passages import Passages, Stretch

STEP_SECONDS: Final = 0.3
"""A recogniser that decodes as it hears takes about so much at a time."""


class Recording:
    """See `protocols.Hearer`. `model` is loaded when the first sound comes; empty: the default."""

    def __init__(self, recognisers: ModelManager[AsrEngine], model: str, language: str | None) -> None:
        self.passages: Sequence[Passage] = ()
        self._recognisers, self._model, self._language = recognisers, model, language
        self._lease: Lease[AsrEngine] | None = None
        self._cuts = Passages()
        self._passage: _Open | None = None
        self._told = ""

    async def hear(self, frame: AudioFrame) -> str | None:
        for stretch in self._cuts.push(frame.samples):
            await self._take(stretch)
        text = self._text()
        if text == self._told:
            return None
        self._told = text
        return text

    async def finish(self) -> Transcript:
        for stretch in self._cuts.finish():
            await self._take(stretch)
        known = [passage.transcript for passage in self.passages]
        if not known:
            return Transcript("", 0.0, self._language or "en")
        weights = [passage.end - passage.start for passage in self.passages]
        confidence = sum(each.confidence * weight for each, weight in zip(known, weights, strict=True)) / sum(weights)
        words = tuple(word for each in known for word in each.words)
        return Transcript(self._text(), confidence, known[0].language, words)

    async def close(self) -> None:
        if self._passage is not None:
            self._passage.close()
        if self._lease is not None:
            self._lease.close()

    async def _take(self, stretch: Stretch) -> None:
        if self._lease is None:
            self._lease = await self._recognisers.acquire(self._model)
        if self._passage is None:
            model = self._lease.model
            self._passage = _Open(model.engine, model.lane(), self._language, stretch.start)
        await self._passage.hear(stretch)
        if stretch.last:
            passage, self._passage = self._passage, None
            try:
                understood = await passage.finish()
            finally:
                passage.close()
            if understood.text:
                words = tuple(
                    replace(word, start=word.start + passage.start, end=word.end + passage.start)
                    for word in understood.words
                )
                there = Passage(replace(understood, words=words), passage.start, stretch.until)
                self.passages = (*self.passages, there)

    def _text(self) -> str:
        texts = [passage.transcript.text for passage in self.passages]
        return " ".join([*texts, self._passage.guess] if self._passage is not None and self._passage.guess else texts)


class _Open:
    """A passage at the recogniser. `close` it in any case."""

    def __init__(self, engine: AsrEngine, lane: Lane, language: str | None, start: float) -> None:
        self.start = start
        self.guess = ""
        self._engine, self._lane, self._language = engine, lane, language
        self._opened: list[AsrStream] = []  # filled on the lane, so that a cancelled opening is closed too

    async def hear(self, stretch: Stretch) -> None:
        """A recogniser that reads a passage at a time has all of the stretch at once, and reads it once; one that
        decodes as it hears is given a step on the lane for each part of it, so that callers have their turns."""
        if not self._opened:
            await self._lane.run(lambda: self._opened.append(self._engine.open(self._language)))
        await self._accept(AudioFrame(stretch.samples, LISTEN_RATE))
        for _ in range(math.ceil(len(stretch.samples) / LISTEN_RATE / STEP_SECONDS) - 1):
            await self._accept(AudioFrame(np.zeros(0, np.int16), LISTEN_RATE))

    async def finish(self) -> Transcript:
        return await self._lane.run(lambda: self._opened[0].finish())

    def close(self) -> None:
        self._lane.post(self._close)

    def _close(self) -> None:
        for stream in self._opened:
            stream.close()

    async def _accept(self, frame: AudioFrame) -> None:
        text = await self._lane.run(lambda: self._opened[0].accept(frame))
        if text is not None:
            self.guess = text
