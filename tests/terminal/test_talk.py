"""The terminal client against a real server, and against none."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web

from voicechat.audio import read_wav
from voicechat.errors import VoicechatError
from voicechat.terminal import spawn, talk

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def question(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("talk") / "question.wav"
    command = [sys.executable, "-m", "voicechat", "say", "What is your name?", "-o", str(path), "--voice", "en-gb"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=40)
    return path


def test_wav_is_answered_and_the_answer_recorded(
    question: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def one_call() -> None:
        async with spawn.server(None) as (url, _):
            await asyncio.to_thread(talk.run, url, question, tmp_path / "answer.wav")

    asyncio.run(one_call())
    you, server = capsys.readouterr().out.splitlines()
    assert you.strip() == "you: what is your name"
    assert len(server.removeprefix("voicechat: ").split()) > 2
    answer = read_wav(tmp_path / "answer.wav")
    loud = np.flatnonzero(np.abs(answer.samples.astype(np.int32)) > 1000)
    asked = read_wav(question)
    assert loud[0] / answer.rate > 0.8 * asked.seconds
    assert (loud[-1] - loud[0]) / answer.rate > 0.5


def test_absent_server_is_named(question: Path) -> None:
    with pytest.raises(VoicechatError, match="No server answers at http://127.0.0.1:9"):
        talk.run("http://127.0.0.1:9", question, None)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def call(handler: Handler, wav: Path) -> None:
    """Talks to a server of one handler."""

    async def run() -> None:
        app = web.Application()
        app.router.add_get("/v1/realtime", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            await asyncio.to_thread(talk.run, f"http://127.0.0.1:{runner.addresses[0][1]}", wav, None)
        finally:
            await runner.cleanup()

    asyncio.run(run())


@pytest.mark.parametrize(("status", "reason"), [(503, "it is full, try again later"), (404, "404")])
def test_refusal_is_told(question: Path, status: int, reason: str) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=status)

    with pytest.raises(VoicechatError, match=reason):
        call(refuse, question)


def test_call_that_ends_without_an_answer_is_a_failure(question: Path) -> None:
    async def hang_up(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        await socket.close()
        return socket

    with pytest.raises(VoicechatError, match="ended without an answer"):
        call(hang_up, question)
