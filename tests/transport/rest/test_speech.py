"""POST /v1/audio/speech: real requests on loopback, to a studio that is scripted."""

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import pytest

from tests.fakes_studio import WORD_SECONDS, ScriptedStudio, serving
from voicechat.config import Settings
from voicechat.errors import BadMessage
from voicechat.protocols import Outcome
from voicechat.protocols.studio import Kind
from voicechat.transport.rest import outflow, speech
from voicechat.transport.rest.containers import KINDS, RATE
from voicechat.transport.rest.outflow import WARNING
from voicechat.transport.rest.speech import PATH

PCM = {"model": "tts-1", "voice": "alloy", "response_format": "pcm"}


def door(studio: ScriptedStudio) -> AbstractAsyncContextManager[tuple[aiohttp.ClientSession, str]]:
    return serving(speech.routes(Settings(), studio), PATH)


async def until(true: Callable[[], object]) -> None:
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come true in ten seconds")


async def until_idle(studio: ScriptedStudio) -> None:
    await until(lambda: not studio.speaking and studio.places == 2)


@pytest.mark.parametrize("kind", KINDS)
async def test_every_format_comes_with_its_name(kind: str) -> None:
    studio = ScriptedStudio()
    async with door(studio) as (client, url):
        async with client.post(url, json={**PCM, "input": "one two three", "response_format": kind}) as answer:
            assert answer.status == 200
            assert answer.content_type == KINDS[kind].content_type
            assert len(await answer.read()) > 0
    assert studio.spoken == [("one two three", "", 1.0)]


async def test_mp3_is_what_is_sent_when_nothing_is_asked_for() -> None:
    async with door(ScriptedStudio()) as (client, url), client.post(url, json={"input": "one"}) as answer:
        assert answer.content_type == "audio/mpeg"
        assert (await answer.read())[:2] == b"\xff\xf3"


async def test_pcm_lasts_as_long_as_its_words() -> None:
    async with door(ScriptedStudio()) as (client, url):
        async with client.post(url, json={**PCM, "input": "word " * 10, "speed": 0.25}) as answer:
            assert len(await answer.read()) / 2 / RATE == pytest.approx(10 * WORD_SECONDS, abs=0.001)


async def test_first_sound_leaves_before_the_last_is_made() -> None:
    studio = ScriptedStudio()
    async with door(studio) as (client, url):
        async with client.post(url, json={**PCM, "input": "one two WAIT three"}) as answer:
            assert await answer.content.readany()
            assert studio.speaking == 1
            studio.go.set()
            await answer.read()
        await until_idle(studio)
        assert studio.jobs == [(Kind.SPEECH, Outcome.DONE)]


async def test_client_who_leaves_stops_the_work() -> None:
    studio = ScriptedStudio()
    async with door(studio) as (client, url):
        answer = await client.post(url, json={**PCM, "input": "one WAIT " + "word " * 500})
        await answer.content.readany()
        answer.close()
        await asyncio.sleep(0.05)
        studio.go.set()
        await until_idle(studio)
        assert studio.jobs == [(Kind.SPEECH, Outcome.LEFT)]


async def test_client_who_leaves_before_any_sound_stops_the_work() -> None:
    studio = ScriptedStudio()
    async with door(studio) as (client, url):
        asking = asyncio.create_task(client.post(url, json={**PCM, "input": "WAIT one"}))
        await until(lambda: studio.speaking)
        asking.cancel()
        await asyncio.wait({asking})
        await until_idle(studio)
        assert studio.jobs == [(Kind.SPEECH, Outcome.LEFT)]


async def test_client_who_does_not_read_loses_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outflow, "STALL_SECONDS", 0.2)
    studio = ScriptedStudio()
    async with door(studio) as (_, url):
        host, port = url.split("/")[2].split(":")
        deaf = socket.create_connection((host, int(port)))
        try:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            body = json.dumps({**PCM, "input": "a " * 2000}).encode()
            head = f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            await asyncio.get_running_loop().run_in_executor(None, deaf.sendall, head + body)
            await until(lambda: studio.speaking)
            await until_idle(studio)
        finally:
            deaf.close()
    await asyncio.get_running_loop().shutdown_default_executor()


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(part.removeprefix("data: ")) for part in text.split("\n\n") if part]


async def test_events_carry_the_same_sound() -> None:
    async with door(ScriptedStudio()) as (client, url):
        async with client.post(url, json={**PCM, "input": "one two", "stream_format": "sse"}) as answer:
            assert answer.content_type == "text/event-stream"
            *deltas, done = events(await answer.text())
        async with client.post(url, json={**PCM, "input": "one two", "stream_format": "audio"}) as answer:
            sound = await answer.read()
    assert {delta["type"] for delta in deltas} == {"speech.audio.delta"}
    assert b"".join(base64.b64decode(delta["audio"]) for delta in deltas) == sound
    assert done["type"] == "speech.audio.done"
    assert done["usage"] == {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}


async def test_failure_before_any_sound_is_an_error() -> None:
    studio = ScriptedStudio()
    async with door(studio) as (client, url):
        async with client.post(url, json={**PCM, "input": "FAIL two"}) as answer:
            assert answer.status == 500
            assert (await answer.json())["error"]["code"] == "engine_failed"
        await until_idle(studio)


async def test_failure_after_some_sound_is_no_end_of_a_file() -> None:
    studio = ScriptedStudio()
    async with door(studio) as (client, url):
        async with client.post(url, json={**PCM, "input": "one two FAIL"}) as answer:
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()
        async with client.post(url, json={**PCM, "input": "one two FAIL", "stream_format": "sse"}) as answer:
            lines = []
            with pytest.raises(aiohttp.ClientPayloadError):
                lines.extend([line async for line in answer.content])
        await until_idle(studio)
        assert studio.jobs == [(Kind.SPEECH, Outcome.FAILED)] * 2


async def test_failure_is_the_last_event() -> None:
    async with door(ScriptedStudio()) as (client, url):
        async with client.post(url, json={**PCM, "input": "one two FAIL", "stream_format": "sse"}) as answer:
            text = b""
            with pytest.raises(aiohttp.ClientPayloadError):
                while True:
                    text += await answer.content.readany()
    assert events(text.decode())[-1]["error"]["code"] == "engine_failed"


async def test_full_studio_says_when_to_come_again() -> None:
    async with door(ScriptedStudio(places=0)) as (client, url):
        async with client.post(url, json={**PCM, "input": "one"}) as answer:
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ("{", "invalid_json", None),
        ("[]", "invalid_json", None),
        ('"input"', "invalid_json", None),
        ({}, "missing_field", "input"),
        ({"input": None}, "missing_field", "input"),
        ({"input": 5}, "invalid_value", "input"),
        ({"input": ""}, "invalid_value", "input"),
        ({"input": " ...!"}, "invalid_value", "input"),
        ({"input": "NOTHING"}, "invalid_value", "input"),
        ({"input": "a" * 4097}, "invalid_value", "input"),
        ({"input": "one", "response_format": "wma"}, "invalid_value", "response_format"),
        ({"input": "one", "response_format": ["mp3"]}, "invalid_value", "response_format"),
        ({"input": "one", "speed": 5}, "invalid_value", "speed"),
        ({"input": "one", "speed": "fast"}, "invalid_value", "speed"),
        ({"input": "one", "stream_format": "websocket"}, "invalid_value", "stream_format"),
        ({"input": "one", "voice": {"name": "x"}}, "missing_field", "voice.id"),
        ({"input": "one", "voice": 3}, "invalid_value", "voice"),
        ({"input": "one", "model": []}, "invalid_value", "model"),
    ],
)
async def test_what_cannot_be_had_is_refused_by_name(body: object, code: str, param: str | None) -> None:
    async with door(ScriptedStudio()) as (client, url):
        data = body if isinstance(body, str) else json.dumps(body)
        async with client.post(url, data=data, headers={"Content-Type": "application/json"}) as answer:
            assert answer.status == 400
            error = (await answer.json())["error"]
            assert (error["code"], error["param"]) == (code, param)


async def test_request_that_is_too_large_or_no_text_is_refused() -> None:
    async with door(ScriptedStudio()) as (client, url):
        async with client.post(url, data=b" " * 70_000) as answer:
            assert answer.status == 413
        async with client.post(url, data=b"\xff\xfe") as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (400, "invalid_json")


async def test_request_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "BODY_SECONDS", 0.1)

    async def drip() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" "
            await asyncio.sleep(0.05)

    async with door(ScriptedStudio()) as (client, url):
        async with client.post(url, data=drip()) as answer:
            assert answer.status == 408


@pytest.mark.parametrize(
    ("asked", "spoken", "warning"),
    [
        ({}, "", None),
        ({"voice": "alloy", "model": "gpt-4o-mini-tts"}, "", None),
        ({"voice": {"id": "one"}}, "one", None),
        ({"voice": "one", "model": "tts-1"}, "one", None),
        ({"voice": "one", "model": "small"}, "small-one", None),
        ({"voice": "marin", "model": "large"}, "large", None),
        ({"voice": "one", "model": "large"}, "one", None),
        ({"voice": "nobody"}, "", "voice_unknown"),
        ({"voice": "nobody", "model": "super-model"}, "", "model_unknown, voice_unknown"),
        ({"voice": "one", "model": "super-model"}, "one", "model_unknown"),
    ],
)
async def test_voices_and_models_of_others_are_ours(asked: dict[str, object], spoken: str, warning: str | None) -> None:
    studio = ScriptedStudio()
    async with door(studio) as (client, url):
        async with client.post(url, json={"input": "one", "response_format": "pcm", **asked}) as answer:
            assert answer.status == 200
            assert answer.headers.get(WARNING) == warning
            await answer.read()
    assert studio.spoken == [("one", spoken, 1.0)]


def test_names_of_the_configuration_are_ours_too() -> None:
    settings = Settings.model_validate({"names": {"voices": {"anna": "one"}, "models": {"best": "x"}}})
    wish = speech.read(json.dumps({"input": "one", "voice": "anna", "model": "best"}), settings, ScriptedStudio())
    assert (wish.voice, wish.warnings) == ("one", ())
    with pytest.raises(BadMessage):
        speech.read("{}", settings, ScriptedStudio())
