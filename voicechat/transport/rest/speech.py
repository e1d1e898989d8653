"""Text to sound by one request, as OpenAI's audio endpoint has it: POST /v1/audio/speech.

The sound leaves as it is made. `stream_format` sse sends it as base64 in events. A client that goes away stops the
work. A failure that comes after the first sound breaks the connection off, or is an event of type error.
"""

import asyncio
import base64
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Final

from aiohttp import web

from voicechat.audio import AudioFrame, Resampler, Samples
from voicechat.config import Settings
from voicechat.errors import BadMessage
from voicechat.protocols import Job, Lane, Studio
from voicechat.protocols.studio import Kind
from voicechat.transport import names
from voicechat.transport.access.scopes import Scope, scope
from voicechat.transport.fields import Fields, parse
from voicechat.transport.rest import containers
from voicechat.transport.rest.containers import KINDS, RATE
from voicechat.transport.rest.outflow import EVENTS, WARNING, Outflow, answered

PATH: Final = "/v1/audio/speech"

LONGEST: Final = 4096
"""Characters of a text."""

SLOWEST, FASTEST = 0.25, 4.0

BODY_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What shall be said, by whom, and how it is to be sent."""

    text: str
    voice: str
    format: str
    speed: float
    events: bool
    warnings: tuple[str, ...]


def routes(settings: Settings, studio: Studio) -> list[web.AbstractRouteDef]:
    return [web.post(PATH, _speech(settings, studio))]


def _speech(settings: Settings, studio: Studio) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    @scope(Scope.TALK)
    async def speech(request: web.Request) -> web.StreamResponse:
        """Raises BadMessage, NoRoom, AdapterError before any sound, and HTTPException."""
        wish = read(await _body(request), settings, studio)
        with studio.admit(Kind.SPEECH) as job:
            return await answered(request, job, _spoken(request, wish, studio, job))

    return speech


async def _spoken(request: web.Request, wish: Wish, studio: Studio, job: Job) -> web.StreamResponse:
    async with aclosing(studio.speak(wish.text, wish.voice, wish.speed)) as frames:
        first = await anext(frames, None)
        if first is None:
            raise BadMessage("invalid_value", "input: there is nothing in it to say", param="input")
        headers = {WARNING: ", ".join(wish.warnings)} if wish.warnings else {}
        out = Outflow(request, job, EVENTS if wish.events else KINDS[wish.format].content_type, headers)
        async with out.flowing():
            await _send(out, wish, _sound(first, frames), studio.lane)
        return out.response


async def _body(request: web.Request) -> str:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return (await request.read()).decode()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"The request did not come within {BODY_SECONDS:g} s") from None
    except UnicodeDecodeError as error:
        raise BadMessage("invalid_json", f"The request is not UTF-8: {error.reason}") from None


def read(body: str, settings: Settings, studio: Studio) -> Wish:
    """What a request's JSON asks for; a known model beside the voice is the one that has it. Raises BadMessage."""
    values = parse(body)
    if not isinstance(values, dict):
        raise BadMessage("invalid_json", "The request is not a JSON object")
    fields = Fields(values)
    text = fields.text("input", longest=LONGEST)
    if not any(map(str.isalnum, text)):
        fields.refuse("input", "there is nothing in it to say")
    model = fields.text("model", longest=128) if fields.has("model") else ""
    voice, warnings = _voice(fields, model, settings, studio)
    return Wish(
        text,
        voice,
        fields.one_of("response_format", *KINDS) if fields.has("response_format") else "mp3",
        fields.number("speed", SLOWEST, FASTEST) if fields.has("speed") else 1.0,
        fields.has("stream_format") and fields.one_of("stream_format", "audio", "sse") == "sse",
        warnings,
    )


def _voice(fields: Fields, model: str, settings: Settings, studio: Studio) -> tuple[str, tuple[str, ...]]:
    """The voice by our name, empty for the default, and what was wished for and is not there."""
    asked = ""
    if fields.has("voice"):
        by_id = isinstance(fields.values["voice"], dict)
        asked = fields.inner("voice").text("id", longest=128) if by_id else fields.text("voice", longest=128)
    voice = names.voice(asked, "", settings.names.voices)
    ours = settings.names.models.get(model, model)
    if ours and studio.has(ours):
        candidates = [f"{ours}-{voice}", voice] if voice else []
        return next(filter(studio.has, candidates), ours), ()
    warnings = []
    if model and not names.is_model(model, settings.names.models):
        warnings.append("model_unknown")
    if voice and not studio.has(voice):
        warnings.append("voice_unknown")
        voice = ""
    return voice, tuple(warnings)


async def _send(out: Outflow, wish: Wish, sound: AsyncGenerator[Samples], lane: Lane) -> None:
    """All of it. Raises ConnectionError, AdapterError."""

    async def send(data: bytes) -> None:
        if wish.events and data:
            await out.tell({"type": "speech.audio.delta", "audio": base64.b64encode(data).decode()})
        else:
            await out.send(data)

    container = await lane.run(lambda: containers.opened(wish.format), urgent=True)
    async with aclosing(sound):
        async for samples in sound:
            await send(await lane.run(partial(container.push, samples), urgent=True))
    await send(await lane.run(container.finish, urgent=True))
    if wish.events:
        await out.tell({"type": "speech.audio.done", "usage": _NOTHING_COUNTED})


async def _sound(first: AudioFrame, frames: AsyncGenerator[AudioFrame]) -> AsyncGenerator[Samples]:
    """All of it, at 24 kHz."""
    resampler = Resampler(first.rate, RATE)
    yield resampler.push(first.samples)
    async for frame in frames:
        yield resampler.push(frame.samples)
    yield resampler.flush()


_NOTHING_COUNTED: Final = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
"""A voice counts no tokens."""
