"""A recording that comes in events, and its transcript: transcribe, audio-start, audio-chunk, audio-stop."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Final, TypeVar

import numpy as np

from voicechat.audio import LISTEN_RATE, MAX_RATE, MIN_RATE, AudioFrame, Resampler, Samples
from voicechat.errors import AdapterError, BadMessage
from voicechat.protocols import Hearer, Job, Outcome, Studio
from voicechat.protocols.studio import Kind
from voicechat.transport.fields import Fields
from voicechat.transport.wyoming.events import Event

LONGEST: Final = 600.0
"""Seconds of a recording."""

_BITE: Final = 0.2
"""Seconds heard at once: about half a millisecond of resampling on the loop."""

_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")

T = TypeVar("T")

Send = Callable[[Event], Awaitable[None]]


class Listening:
    """The recordings of one connection, one after the other. `close` it in any case.

    Each method takes the event of its name. Raises BadMessage, NoRoom, AdapterError.
    """

    def __init__(self, studio: Studio, models: Mapping[str, str], send: Send) -> None:
        self._studio, self._models, self._send = studio, models, send
        self._language: str | None = None
        self._model = ""
        self._about: dict[str, object] = {}  # the program's own context, which comes back with the transcript
        self._hearer: Hearer | None = None
        self._held = AsyncExitStack()
        self._job = Job()
        self._resampler = Resampler(LISTEN_RATE, LISTEN_RATE)
        self._seconds = 0.0
        self._told = ""

    @property
    def open(self) -> bool:
        return self._hearer is not None

    def transcribe(self, wish: Fields) -> None:
        """A language that is none, or a model that is not ours, is the default."""
        language = wish.text("language", longest=64) if wish.has("language") else ""
        self._language = language if _LANGUAGE.fullmatch(language) else None
        name = wish.text("name", longest=128) if wish.has("name") else ""
        self._model = self._models.get(name, name)
        self._about = {"context": wish.inner("context").values} if wish.has("context") else {}

    async def start(self) -> None:
        await self.close()
        self._job = self._held.enter_context(self._studio.admit(Kind.TRANSCRIPTION))
        self._job.outcome = Outcome.LEFT  # until it is understood
        self._hearer = self._studio.listen(self._language, self._model)
        self._held.push_async_callback(self._hearer.close)
        self._resampler = Resampler(LISTEN_RATE, LISTEN_RATE)
        self._seconds, self._told = 0.0, ""
        await self._send(Event("transcript-start", {**self._spoken_in(self._language), **self._about}))

    async def chunk(self, about: Fields, payload: bytes) -> None:
        """Sound outside of a recording is dropped."""
        if self._hearer is None:
            return
        frame = sound(about, payload)
        self._seconds += frame.seconds
        if self._seconds > LONGEST:
            raise BadMessage("audio_too_long", f"a recording may have {LONGEST:g} seconds")
        if frame.rate != self._resampler.source:
            await self._hear(self._hearer, self._resampler.flush())
            self._resampler = Resampler(frame.rate, LISTEN_RATE)
        length = round(_BITE * frame.rate)
        for start in range(0, len(frame.samples), length):
            await self._hear(self._hearer, self._resampler.push(frame.samples[start : start + length]))
            await asyncio.sleep(0)  # a program may send faster than it speaks; others come between

    async def stop(self) -> None:
        """The transcript is told, in whole as well as in parts: few read the parts."""
        if self._hearer is None:
            return
        await self._hear(self._hearer, self._resampler.flush())
        transcript = await self._done(self._hearer.finish())
        await self._tell(transcript.text)
        told = {"text": transcript.text, **self._spoken_in(transcript.language), **self._about}
        await self._send(Event("transcript", told))
        await self._send(Event("transcript-stop"))
        self._job.outcome = Outcome.DONE
        await self.close()

    async def close(self) -> None:
        self._hearer = None
        await self._held.aclose()

    async def _hear(self, hearer: Hearer, samples: Samples) -> None:
        await self._done(hearer.hear(AudioFrame(samples, LISTEN_RATE)))
        await self._tell(" ".join(passage.transcript.text for passage in hearer.passages))

    async def _done(self, work: Awaitable[T]) -> T:
        """What a recogniser says. Raises AdapterError."""
        try:
            return await work
        except AdapterError:
            self._job.outcome = Outcome.FAILED
            raise

    async def _tell(self, text: str) -> None:
        """What is new in a text that only grows."""
        if len(text) > len(self._told) and text.startswith(self._told):
            await self._send(Event("transcript-chunk", {"text": text[len(self._told) :]}))
            self._told = text

    @staticmethod
    def _spoken_in(language: str | None) -> dict[str, object]:
        return {"language": language} if language else {}


def sound(about: Fields, payload: bytes) -> AudioFrame:
    """A chunk's sound, mono; stereo is averaged. Raises BadMessage for what is not 16 bits a sample."""
    rate = about.integer("rate", MIN_RATE, MAX_RATE)
    about.integer("width", 2, 2)
    channels = about.integer("channels", 1, 2)
    if len(payload) % (2 * channels):
        raise BadMessage("audio_odd_length", "a chunk ends in the middle of a sample")
    samples = np.frombuffer(payload, "<i2").astype(np.int16)
    if channels == 2:
        samples = samples.reshape(-1, 2).mean(axis=1).astype(np.int16)
    return AudioFrame(samples, rate)
