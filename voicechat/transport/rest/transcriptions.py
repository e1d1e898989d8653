"""Sound to text by one request, as OpenAI's audio endpoint has it: POST /v1/audio/transcriptions.

A form brings the recording. It is kept in memory until it is decoded, at most 25 MiB and ten minutes of it, and of all
together so much as `server.upload_bytes` says. It is understood a passage at a time; `stream` tells each passage as it
is understood. A client that goes away stops the work. `prompt`, `temperature` and what else a client may send changes
nothing.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from voicechat.audio import LISTEN_RATE, AudioFrame, Samples
from voicechat.config import Settings
from voicechat.conversation import Transcript
from voicechat.errors import BadMessage
from voicechat.protocols import Hearer, Job, Passage, Studio
from voicechat.protocols.studio import Kind
from voicechat.transport import forms, names
from voicechat.transport.access.scopes import Scope, scope
from voicechat.transport.forms import Form
from voicechat.transport.pieces import Pieces
from voicechat.transport.rest import subtitles, uploads
from voicechat.transport.rest.allowance import Allowance, Share
from voicechat.transport.rest.outflow import EVENTS, WARNING, Outflow, answered

PATH: Final = "/v1/audio/transcriptions"

MOST_BYTES: Final = 25 * 1024 * 1024
MOST_SECONDS: Final = 600.0

UPLOAD_SECONDS: Final = 120.0

FORMATS: Final = ("json", "text", "srt", "verbose_json", "vtt")

_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True)
class Wish:
    """How a recording is to be understood, and how its text is to be sent."""

    language: str | None
    model: str
    format: str
    stream: bool
    times: frozenset[str]
    """Of words and segments, those that verbose JSON shall have."""
    warnings: tuple[str, ...]


def routes(settings: Settings, studio: Studio) -> list[web.AbstractRouteDef]:
    return [web.post(PATH, _transcriptions(settings, studio))]


def _transcriptions(settings: Settings, studio: Studio) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    allowance = Allowance(settings.server.upload_bytes)

    @scope(Scope.TALK)
    async def transcribe(request: web.Request) -> web.StreamResponse:
        """Raises BadMessage, NoRoom, AdapterError before the first event, and HTTPException."""
        with studio.admit(Kind.TRANSCRIPTION) as job, allowance.share() as share:
            form = await forms.read(
                request, "file", most_bytes=MOST_BYTES, seconds=UPLOAD_SECONDS, take=share.take
            )
            wish = read(form, settings, studio)

            async def understood() -> web.StreamResponse:
                sound = await _decoded(form.file, studio, share)
                hearer = studio.listen(wish.language, wish.model)
                try:
                    if wish.stream:
                        return await _stream(request, wish, hearer, sound, job)
                    return await _whole(wish, hearer, sound, studio)
                finally:
                    await hearer.close()

            return await answered(request, job, understood())

    return transcribe


def read(form: Form, settings: Settings, studio: Studio) -> Wish:
    """Raises BadMessage."""
    language = form.text("language")
    if language and not _LANGUAGE.fullmatch(language):
        raise _refused("language", f"{language[:20]!r} is no language's code, such as en")
    format = form.text("response_format", "json")
    if format not in FORMATS:
        raise _refused("response_format", f"allowed: {', '.join(FORMATS)}")
    stream = form.text("stream", "false").lower()
    if stream not in ("true", "false", "1", "0"):
        raise _refused("stream", "true or false is expected")
    times = frozenset(form.texts.get("timestamp_granularities", ["segment"]))
    if not times <= {"word", "segment"}:
        raise _refused("timestamp_granularities", "allowed: word, segment")
    model = form.text("model")
    known = not model or model in studio.models or names.is_model(model, settings.names.models)
    model = settings.names.models.get(model, model)
    warnings = () if known else ("model_unknown",)
    return Wish(language or None, model, format, stream in ("true", "1"), times, warnings)


async def _decoded(recording: Pieces | None, studio: Studio, share: Share) -> list[Samples]:
    """All of the recording's sound: what is broken in it is known before anything of it is understood. The recording
    itself is not kept."""
    if recording is None:
        raise BadMessage("missing_field", "file: this field is required", param="file")
    sound: list[Samples] = []
    async with aclosing(studio.lane.stream(lambda: uploads.decoded(recording, MOST_SECONDS))) as pieces:
        async for samples in pieces:
            share.take(samples.nbytes)
            sound.append(samples)
    share.give(recording.size)
    recording.clear()
    return sound


async def _whole(wish: Wish, hearer: Hearer, sound: list[Samples], studio: Studio) -> web.Response:
    for samples in sound:
        await hearer.hear(AudioFrame(samples, LISTEN_RATE))
    transcript = await hearer.finish()
    seconds = sum(map(len, sound)) / LISTEN_RATE
    response = await studio.lane.run(lambda: _response(wish, transcript, hearer.passages, seconds))
    response.headers.update(_headers(wish))
    return response


def _response(wish: Wish, transcript: Transcript, passages: Sequence[Passage], seconds: float) -> web.Response:
    """Blocking: the times of ten minutes' words take some 20 ms, on a lane."""
    match wish.format:
        case "text":
            return web.Response(text=f"{transcript.text}\n")
        case "srt":
            return web.Response(text=subtitles.srt(subtitles.cues(passages)), content_type="application/x-subrip")
        case "vtt":
            return web.Response(text=subtitles.vtt(subtitles.cues(passages)), content_type="text/vtt")
        case "verbose_json":
            words, segments = "word" in wish.times, "segment" in wish.times
            return web.json_response(
                subtitles.verbose(transcript, passages, seconds, words=words, segments=segments)
            )
    return web.json_response({"text": transcript.text, "usage": subtitles.usage(seconds)})


async def _stream(
    request: web.Request, wish: Wish, hearer: Hearer, sound: list[Samples], job: Job
) -> web.StreamResponse:
    """Each passage as it is understood; what was told is never taken back."""
    out = Outflow(request, job, EVENTS, _headers(wish))
    told = 0

    async def tell() -> None:
        nonlocal told
        for passage in hearer.passages[told:]:
            space = " " if told else ""
            told += 1
            await out.tell({"type": "transcript.text.delta", "delta": f"{space}{passage.transcript.text}"})

    async with out.flowing():
        for samples in sound:
            await hearer.hear(AudioFrame(samples, LISTEN_RATE))
            await tell()
        transcript = await hearer.finish()
        await tell()
        await out.tell({"type": "transcript.text.done", "text": transcript.text})
    return out.response


def _headers(wish: Wish) -> dict[str, str]:
    return {WARNING: ", ".join(wish.warnings)} if wish.warnings else {}


def _refused(name: str, why: str) -> BadMessage:
    return BadMessage("invalid_value", f"{name}: {why}", param=name)
