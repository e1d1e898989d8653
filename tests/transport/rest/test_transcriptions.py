"""POST /v1/audio/transcriptions: real forms on loopback, to a studio that is scripted."""

import asyncio
import io
import json
import threading
import wave
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from random import Random
from types import MappingProxyType
from typing import Any

import aiohttp
import pytest

from tests.fakes_studio import ScriptedStudio, serving
from voicechat.audio import silence
from voicechat.config import ServerSettings, Settings
from voicechat.lane import ThreadLane
from voicechat.protocols import Outcome, Passage
from voicechat.protocols.studio import Kind
from voicechat.transport.rest import subtitles, transcriptions
from voicechat.transport.rest.outflow import WARNING
from voicechat.transport.rest.subtitles import Cue
from voicechat.transport.rest.transcriptions import MOST_BYTES, PATH

TEXT = "Second 0. Second 1. Second 2."


def door(studio: ScriptedStudio) -> AbstractAsyncContextManager[tuple[aiohttp.ClientSession, str]]:
    return serving(transcriptions.routes(Settings(), studio), PATH)


def wav(seconds: float) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(silence(seconds, 16_000).tobytes())
    return made.getvalue()


THREE_SECONDS = wav(3.0)


def form(fields: Mapping[str, str] = MappingProxyType({}), recording: bytes = THREE_SECONDS) -> aiohttp.FormData:
    made = aiohttp.FormData({"model": "whisper-1", **fields})
    made.add_field("file", io.BytesIO(recording), filename="../../etc/passwd")
    return made


async def until(true: Callable[[], object]) -> None:
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come true in ten seconds")


def idle(studio: ScriptedStudio) -> bool:
    return studio.places == 2 and studio.hearing == 0


async def test_json_is_what_is_sent_when_nothing_is_asked_for() -> None:
    studio = ScriptedStudio()
    async with door(studio) as (client, url), client.post(url, data=form()) as answer:
        assert answer.status == 200
        assert await answer.json() == {"text": TEXT, "usage": {"type": "duration", "seconds": 3}}
    assert studio.asked == [(None, "whisper-1")]
    assert idle(studio)


@pytest.mark.parametrize(
    ("format", "content_type", "begin"),
    [
        ("text", "text/plain", f"{TEXT}\n"),
        ("srt", "application/x-subrip", "1\n00:00:00,000 --> 00:00:01,000\nSecond 0.\n\n2\n"),
        ("vtt", "text/vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nSecond 0.\n"),
        ("verbose_json", "application/json", '{"task": "transcribe", "language": "en", "duration": 3.0, "text": "Sec'),
    ],
)
async def test_other_formats_are_sent_as_asked(format: str, content_type: str, begin: str) -> None:
    async with door(ScriptedStudio()) as (client, url):
        async with client.post(url, data=form({"response_format": format, "language": "en-GB"})) as answer:
            assert answer.status == 200
            assert answer.content_type == content_type
            assert (await answer.text()).startswith(begin)


async def test_times_of_words_are_sent_to_who_asks_for_them() -> None:
    async with door(ScriptedStudio()) as (client, url):
        asked = form({"response_format": "verbose_json", "timestamp_granularities[]": "word"})
        async with client.post(url, data=asked) as answer:
            told = await answer.json()
    assert "segments" not in told
    assert [word["word"] for word in told["words"]] == TEXT.split()


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(part.removeprefix("data: ")) for part in text.split("\n\n") if part]


async def test_stream_tells_each_passage_and_then_the_whole() -> None:
    studio = ScriptedStudio()
    async with door(studio) as (client, url):
        async with client.post(url, data=form({"stream": "true"}, wav(25.0))) as answer:
            assert answer.content_type == "text/event-stream"
            *deltas, done = events(await answer.text())
        await until(lambda: studio.jobs == [(Kind.TRANSCRIPTION, Outcome.DONE)])
    assert {delta["type"] for delta in deltas} == {"transcript.text.delta"}
    assert "".join(delta["delta"] for delta in deltas) == done["text"]
    assert (done["type"], len(deltas)) == ("transcript.text.done", 25)


async def test_failure_of_the_recogniser_is_told_and_its_stream_closed() -> None:
    studio = ScriptedStudio(fails=True)
    async with door(studio) as (client, url):
        async with client.post(url, data=form()) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (500, "engine_failed")
        text = b""
        async with client.post(url, data=form({"stream": "true"})) as answer:
            with pytest.raises(aiohttp.ClientPayloadError):
                while True:
                    text += await answer.content.readany()
        assert events(text.decode())[-1]["error"]["code"] == "engine_failed"
        assert idle(studio) and studio.jobs[-1] == (Kind.TRANSCRIPTION, Outcome.FAILED)


@pytest.mark.parametrize("stream", ["false", "true"])
async def test_client_who_leaves_while_nothing_is_understood_stops_the_work(stream: str) -> None:
    studio = ScriptedStudio(waits=True)
    async with door(studio) as (client, url):
        asking = asyncio.create_task(client.post(url, data=form({"stream": stream})))
        await until(lambda: studio.hearing)
        asking.cancel()
        if not (await asyncio.wait({asking}))[0].pop().cancelled():
            asking.result().close()
        await until(lambda: idle(studio))
        assert studio.jobs == [(Kind.TRANSCRIPTION, Outcome.LEFT)]


async def test_client_who_leaves_stops_the_work() -> None:
    studio = ScriptedStudio()
    async with door(studio) as (client, url):
        async with client.post(url, data=form({"stream": "true"}, wav(500.0))) as answer:
            await answer.content.readany()
        await until(lambda: idle(studio))
        assert studio.jobs == [(Kind.TRANSCRIPTION, Outcome.LEFT)]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"language": "english, please"}, "language"),
        ({"response_format": "diarized_json"}, "response_format"),
        ({"response_format": "docx"}, "response_format"),
        ({"stream": "maybe"}, "stream"),
        ({"timestamp_granularities[]": "letter"}, "timestamp_granularities"),
    ],
)
async def test_what_cannot_be_had_is_refused_by_name(fields: dict[str, str], param: str) -> None:
    studio = ScriptedStudio()
    async with door(studio) as (client, url), client.post(url, data=form(fields)) as answer:
        error = (await answer.json())["error"]
        assert (answer.status, error["code"], error["param"]) == (400, "invalid_value", param)
    assert idle(studio)


@pytest.mark.parametrize(
    ("recording", "code"),
    [(b"", "invalid_audio"), (b"GIF89a" * 100, "invalid_audio"), (wav(601.0), "audio_too_long")],
)
async def test_what_is_no_recording_is_refused(recording: bytes, code: str) -> None:
    studio = ScriptedStudio()
    async with door(studio) as (client, url), client.post(url, data=form({}, recording)) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, code)
    assert studio.asked == []
    assert idle(studio)


BOUNDARY = "multipart/form-data; boundary=b"


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        ("application/json", b"{}", 415, "bad_content_type"),
        ("audio/wav", wav(1.0), 415, "bad_content_type"),
        ("multipart/form-data", b"--b--\r\n", 400, "bad_form"),
        (BOUNDARY, b"", 400, "bad_form"),
        (BOUNDARY, b"--b--\r\n", 400, "missing_field"),
        (BOUNDARY, b"no boundary at all", 400, "bad_form"),
        (BOUNDARY, b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\ncut off', 400, "bad_form"),
        (BOUNDARY, b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n--b--\r\n", 400, "bad_form"),
        (
            BOUNDARY,
            b'--b\r\nContent-Disposition: form-data; name="language"\r\n\r\n\xff\xfe\r\n--b--\r\n',
            400,
            "bad_form",
        ),
        (
            BOUNDARY,
            b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n' + b"a" * 20_000 + b"\r\n--b--\r\n",
            413,
            "request_too_large",
        ),
        (
            BOUNDARY,
            b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n' * 65 + b"--b--\r\n",
            400,
            "bad_form",
        ),
    ],
)
async def test_forms_that_are_none_are_refused(content_type: str, body: bytes, status: int, code: str) -> None:
    studio = ScriptedStudio()
    async with door(studio) as (client, url):
        async with client.post(url, data=body, headers={"Content-Type": content_type}) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (status, code)
    assert idle(studio)


async def test_too_large_a_file_is_refused_whether_its_length_is_told_or_not() -> None:
    async def chunks(before: bytes, count: int) -> AsyncIterator[bytes]:
        yield before
        for _ in range(count):
            yield b"\0" * 65_536

    studio = ScriptedStudio()
    head = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nRIFF'
    async with door(studio) as (client, url):
        for before in (head, b"preamble\r\n"):
            body = chunks(before, MOST_BYTES // 65_536 + 8)
            try:
                async with client.post(url, data=body, headers={"Content-Type": BOUNDARY}) as answer:
                    assert answer.status in (400, 413)
            except aiohttp.ClientError:
                pass  # the server has hung up on what it will not read
        headers = {"Content-Type": BOUNDARY, "Content-Length": str(2 * MOST_BYTES)}
        async with client.post(url, data=chunks(head, 1), headers=headers) as answer:
            assert answer.status == 413
        assert idle(studio)


async def test_upload_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcriptions, "UPLOAD_SECONDS", 0.1)

    async def drip() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nRIFF'
        for _ in range(40):
            yield b"\0"
            await asyncio.sleep(0.05)

    studio = ScriptedStudio()
    async with door(studio) as (client, url):
        async with client.post(url, data=drip(), headers={"Content-Type": BOUNDARY}) as answer:
            assert answer.status == 408
        assert idle(studio)


async def test_others_come_between_the_pieces_of_an_upload() -> None:
    large = wav(500.0)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with door(ScriptedStudio()) as (client, url), client.post(url, data=form(recording=large[:44])):
        coming = asyncio.create_task(others())
        async with client.post(url, data=form(recording=large)) as answer:
            assert answer.status == 200
        coming.cancel()
    assert turns > len(large) / 65_536


async def test_recordings_that_would_fill_the_memory_together_are_sent_away_and_leave_nothing() -> None:
    small = Settings(server=ServerSettings(upload_bytes=250_000))
    studio = ScriptedStudio(waits=True)
    async with serving(transcriptions.routes(small, studio), PATH) as (client, url):
        waiting = asyncio.create_task(client.post(url, data=form()))
        await until(lambda: studio.hearing)
        async with client.post(url, data=form()) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (503, "server_full")
            assert int(answer.headers["Retry-After"]) > 0
        studio.go.set()
        assert (await waiting).status == 200
        async with client.post(url, data=form()) as answer:
            assert answer.status == 200
        assert idle(studio)


@pytest.mark.parametrize("format", ["srt", "vtt", "verbose_json"])
async def test_times_of_many_words_are_not_made_on_the_loop(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    studio = ScriptedStudio(lane=ThreadLane("test"))
    threads: list[int] = []
    real = subtitles.cues

    def cues(passages: Sequence[Passage]) -> list[Cue]:
        threads.append(threading.get_ident())
        return real(passages)

    monkeypatch.setattr(subtitles, "cues", cues)
    async with door(studio) as (client, url):
        async with client.post(url, data=form({"response_format": format})) as answer:
            assert answer.status == 200
    await studio.lane.close()
    assert len(threads) == 1 and threading.get_ident() not in threads


async def test_full_studio_says_when_to_come_again() -> None:
    async with door(ScriptedStudio(places=0)) as (client, url), client.post(url, data=form()) as answer:
        assert answer.status == 503


async def test_models_that_nobody_knows_are_told() -> None:
    studio = ScriptedStudio()
    async with door(studio) as (client, url):
        for model, warning in (("ears", None), ("gpt-4o-transcribe", None), ("super-ears", "model_unknown")):
            made = aiohttp.FormData({"model": model})
            made.add_field("file", wav(1.0), filename="a.wav")
            async with client.post(url, data=made) as answer:
                assert answer.headers.get(WARNING) == warning
    assert [model for _, model in studio.asked] == ["ears", "gpt-4o-transcribe", "super-ears"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # aiohttp's, of odd headers
async def test_forms_with_flipped_bytes_are_never_our_fault() -> None:
    random = Random(11)
    part = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    fields = [(b"model", b"whisper-1"), (b"language", b"en"), (b"file", wav(1.0)[:400])]
    whole = b"".join(part % field for field in fields) + b"--b--\r\n"
    studio = ScriptedStudio()
    async with door(studio) as (client, url):
        for _ in range(150):
            broken = bytearray(whole)
            for _ in range(random.randint(1, 12)):
                place = random.randrange(len(broken))
                broken[place : place + random.randint(0, 3)] = random.randbytes(random.randint(0, 3))
            async with client.post(url, data=bytes(broken), headers={"Content-Type": BOUNDARY}) as answer:
                assert answer.status < 500, bytes(broken)
                await answer.read()
    assert idle(studio)
