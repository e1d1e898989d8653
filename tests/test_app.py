"""The server: how it comes, and how it goes."""

import asyncio
import os
import re
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from voicechat import adapters, app
from voicechat.config import AgentSettings, AsrSettings, ServerSettings, Settings, TtsSettings
from voicechat.errors import AdapterUnavailable, VoicechatError
from voicechat.terminal import certificate
from voicechat.terminal.caller import Caller

SMALL = Settings(
    agent=AgentSettings(engine="echo"), asr=AsrSettings(engine="pocketsphinx"), tts=TtsSettings(engine="tone")
)


async def test_stopping_does_not_wait_for_an_engine_that_is_still_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    loading, release = threading.Event(), threading.Event()

    def choose(kind: str, wanted: str, *arguments: object) -> object:
        if kind == "asr":
            loading.set()
            release.wait(30)
            raise AdapterUnavailable("too_late", "nobody waits for it")
        return real(kind, wanted, *arguments)

    real = adapters.choose
    monkeypatch.setattr(adapters, "choose", choose)
    lines: list[str] = []
    stop = asyncio.Event()
    running = asyncio.create_task(app.run(SMALL, ready=lines.append, stop=stop))
    await asyncio.to_thread(loading.wait, 30)
    stop.set()
    async with asyncio.timeout(10):
        await running
    assert lines == []
    release.set()


async def test_connection_that_never_agrees_on_tls_is_cut(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(app, "HANDSHAKE_SECONDS", 0.3)
    made = certificate.make(tmp_path, [])
    tls = ServerSettings(port=0, tls_cert=made.certificate, tls_key=made.key)
    lines: asyncio.Queue[str] = asyncio.Queue()
    stop = asyncio.Event()
    settings = SMALL.model_copy(update={"server": tls})
    running = asyncio.create_task(app.run(settings, ready=lines.put_nowait, stop=stop))
    async with asyncio.timeout(30):
        port = re.search(r"https://127\.0\.0\.1:(\d+)", await lines.get())
        assert port is not None
        for said in (b"", b"\x16\x03", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(port.group(1)))
            writer.write(said)
            with suppress(ConnectionError):
                assert b"HTTP" not in await reader.read()
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        stop.set()
        await running


@asynccontextmanager
async def process(*arguments: str, **environment: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A server of its own process on a free port, and its URL."""
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "voicechat", "serve", "--port", "0", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    assert server.stdout is not None
    try:
        line = (await asyncio.wait_for(server.stdout.readline(), 30)).decode()
        url = re.fullmatch(r"voicechat ready at (http://127\.0\.0\.1:\d+) \(asr \w+, tts \w+, agent \w+\)\n", line)
        assert url is not None, line
        yield server, url.group(1)
    finally:
        if server.returncode is None:
            server.kill()
        await server.wait()
        server._transport.close()  # type: ignore[attr-defined]  # its pipes close at garbage collection otherwise


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_server_leaves_with_status_0_while_calls_are_open(number: signal.Signals) -> None:
    async with process() as (server, url), aiohttp.ClientSession() as http, Caller(url) as caller:
        socket = await http.ws_connect(f"{url}/v1/realtime")
        assert (await socket.receive_json())["type"] == "session.created"
        await caller.wait_for("session.created", timeout=10)
        server.send_signal(number)
        async for _ in socket:
            pass
        assert await asyncio.wait_for(server.wait(), 10) == 0
        assert socket.close_code == aiohttp.WSCloseCode.GOING_AWAY


async def test_the_caller_after_the_last_place_is_told_when_to_come_again() -> None:
    async with process(VOICECHAT__SERVER__MAX_SESSIONS="1") as (_, url), aiohttp.ClientSession() as http:
        async with http.ws_connect(f"{url}/v1/realtime"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(f"{url}/v1/realtime")
            assert refused.value.status == 503
            assert refused.value.headers is not None
            assert int(refused.value.headers["Retry-After"]) > 0
            with pytest.raises(VoicechatError, match="server_full"):
                async with Caller(url):
                    pass
        for _ in range(100):  # the place is free again a moment after the call
            async with http.get(f"{url}/metrics") as response:
                if "voicechat_sessions 0.0" in await response.text():
                    break
            await asyncio.sleep(0.02)
        async with http.ws_connect(f"{url}/v1/realtime") as socket:
            assert (await socket.receive_json())["type"] == "session.created"
