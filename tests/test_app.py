"""The house: which engines it chooses, whom it lets in, and how it comes and goes."""

import asyncio
import os
import re
import signal
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import generate_latest

from tests.fakes import FakePeer
from tests.tiny import piper, whisper
from voicechat import adapters, app
from voicechat.audio import AudioFrame
from voicechat.commands import AddItem, Command, CreateReply, UpdateSettings
from voicechat.config import AgentSettings, AsrSettings, ModelSettings, ServerSettings, Settings, TtsSettings
from voicechat.conversation import Item, Role
from voicechat.errors import AdapterUnavailable, ConfigError, ModelBusy, NoRoom, VoicechatError
from voicechat.events import Failed, ReplyFinished, SessionEnded, SessionStarted, SettingsChanged
from voicechat.models.stock import State
from voicechat.placement import Device
from voicechat.terminal.caller import Caller

GIB = 1024**3

SMALL = Settings(
    agent=AgentSettings(engine="echo"), asr=AsrSettings(engine="pocketsphinx"), tts=TtsSettings(engine="tone")
)


@asynccontextmanager
async def house(settings: Settings) -> AsyncIterator[app.House]:
    open_house = app.House(settings)
    try:
        await open_house.open()
        yield open_house
    finally:
        await open_house.close()


def with_models(root: Path) -> Settings:
    return Settings(models=ModelSettings(root=root))


def test_without_models_the_embedded_engines_are_chosen(tmp_path: Path) -> None:
    settings = with_models(tmp_path)
    speaker = app.choose("tts", "auto", settings)
    listener = app.choose("asr", "auto", settings, ())
    assert (speaker.name, listener.name) == ("espeak", "pocketsphinx")
    speaker.close()
    listener.close()


def test_models_that_are_there_are_preferred(tmp_path: Path) -> None:
    (tmp_path / "piper").mkdir()
    piper.build(tmp_path / "piper" / "voice.onnx")
    whisper.build(tmp_path / "whisper" / "tiny.en", " Good morning.")
    settings = with_models(tmp_path)
    speaker = app.choose("tts", "auto", settings)
    listener = app.choose("asr", "auto", settings, ())
    assert (speaker.name, listener.name) == ("piper", "whisper")
    speaker.close()
    listener.close()


@pytest.mark.parametrize("kind", ["vad", "asr", "agent", "tts"])
def test_an_unknown_engine_is_told_with_those_there_are(kind: str) -> None:
    with pytest.raises(ConfigError, match=rf"{kind}.engine: found 'nonesuch'; allowed: .*{adapters.names(kind)[0]}"):
        app.choose(kind, "nonesuch")


def test_an_engine_without_its_model_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(AdapterUnavailable):
        app.choose("tts", "piper", with_models(tmp_path))


async def test_the_house_lends_its_places_and_takes_them_back() -> None:
    async with house(SMALL.model_copy(update={"server": ServerSettings(max_sessions=2)})) as open_house:
        with open_house.admit() as first, open_house.admit() as second:
            assert first != second
            with pytest.raises(NoRoom) as refused, open_house.admit():
                pass
            assert refused.value.retry_after > 0
        with open_house.admit():
            pass
        assert open_house.describe() == "asr pocketsphinx, tts tone, agent echo"


async def test_stopping_does_not_wait_for_an_engine_that_is_still_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    loading, release = threading.Event(), threading.Event()

    def choose(kind: str, wanted: str, *arguments: object) -> object:
        if kind == "asr":
            loading.set()
            release.wait(30)
            raise AdapterUnavailable("too_late", "nobody waits for it")
        return real(kind, wanted, *arguments)

    real = app.choose
    monkeypatch.setattr(app, "choose", choose)
    lines: list[str] = []
    stop = asyncio.Event()
    running = asyncio.create_task(app.run(SMALL, ready=lines.append, stop=stop))
    await asyncio.to_thread(loading.wait, 30)
    stop.set()
    async with asyncio.timeout(10):
        await running
    assert lines == []
    release.set()


async def test_closing_does_not_wait_for_an_engine_that_is_busy() -> None:
    release = threading.Event()
    loop = asyncio.get_running_loop()
    async with house(SMALL) as open_house:
        for lane in open_house.asr.loaded()[0].lanes:
            lane.post(lambda: release.wait(30))
        began = loop.time()
    release.set()
    assert loop.time() - began < 10, "far from the 20 s that a step of recognition may take"


class BrokenPeer(FakePeer):
    """Fails in a way nobody foresaw."""

    async def incoming(self) -> AsyncGenerator[AudioFrame | Command]:
        if self.events:
            raise RuntimeError("nobody foresaw this")
        yield  # type: ignore[misc]  # makes this a generator


async def test_a_bug_ends_its_session_and_not_the_house() -> None:
    async with house(SMALL) as open_house:
        broken, fine = BrokenPeer(), FakePeer()
        await open_house.serve("sess_broken", broken)
        assert isinstance(broken.events[-1], Failed)
        assert SessionEnded("sess_broken", "failed") in broken.events
        fine.hangs_up()
        await open_house.serve("sess_fine", fine)
        assert fine.events[-1] == SessionEnded("sess_fine", "hung_up")


async def test_ending_sessions_tells_their_reason() -> None:
    async with house(SMALL) as open_house:
        peer = FakePeer()
        serving = asyncio.create_task(open_house.serve("sess_one", peer))
        await peer.until(SessionStarted)
        open_house.end_sessions()
        await serving
        assert peer.events[-1] == SessionEnded("sess_one", "shutdown")


async def test_engines_are_lent_only_while_a_session_lasts() -> None:
    async with house(SMALL) as open_house:
        peer = FakePeer()
        peer.hangs_up()
        await open_house.serve("sess_one", peer)
        assert [model.users for model in open_house.asr.loaded()] == [0]
        assert [model.users for model in open_house.tts.loaded()] == [0]


async def test_who_asks_for_a_voice_of_another_model_gets_it_in_the_next_answer() -> None:
    settings = SMALL.model_copy(update={"agent": AgentSettings(engine="echo", greeting="Hello there.")})
    async with house(settings) as open_house:
        peer = FakePeer()
        wire = asyncio.create_task(peer.speak())
        serving = asyncio.create_task(open_house.serve("sess_one", peer))
        await peer.until(ReplyFinished)
        peer.asks(UpdateSettings({"voice": "espeak-en-gb"}))
        await peer.until(SettingsChanged)
        async with open_house.tts.lend("espeak"):
            pass  # it has been loaded
        peer.asks(AddItem(Item("item_mine", Role.USER, "Say it again")))
        peer.asks(CreateReply())
        await peer.until(ReplyFinished, 2)
        in_use = {model.name: model.users for model in open_house.tts.loaded()}
        peer.hangs_up()
        await serving
        wire.cancel()
        await asyncio.wait({wire})
        assert in_use == {"tone": 0, "espeak": 1}
        spoken = 'voicechat_synthesis_clauses_total{engine="%s",outcome="done"}'
        metrics = generate_latest(open_house.metrics.registry).decode()
        assert all(f"{spoken % engine} 1.0" in metrics for engine in ("tone", "espeak"))
        assert 'voicechat_models{kind="tts"} 2.0' in metrics
        assert not [event for event in peer.events if isinstance(event, Failed)]


async def test_models_of_the_folder_are_preloaded_by_name_and_told_to_operators(tmp_path: Path) -> None:
    piper.build(tmp_path / "piper" / "en_US-amy-medium.onnx")
    settings = SMALL.model_copy(
        update={
            "models": ModelSettings(root=tmp_path),
            "tts": TtsSettings(engine="tone", interim="espeak", preload=("piper-en_US-amy-medium",)),
        }
    )
    async with house(settings) as open_house:
        states = {model["name"]: model["state"] for model in await open_house.desk.models()}
        loaded = {"tone", "espeak", "piper-en_US-amy-medium", "pocketsphinx"}
        assert {name for name, state in states.items() if state == "resident"} == loaded
        for name in ("tone", "espeak"):
            with pytest.raises(ModelBusy, match="cannot be unloaded"):
                await open_house.desk.unload(name)
        piper.build(tmp_path / "piper" / "en_US-joe-medium.onnx")
        assert await open_house.desk.load("piper-joe") == "piper-en_US-joe-medium"
        assert await open_house.desk.unload("piper-amy") == "piper-en_US-amy-medium"


async def test_model_that_cannot_be_preloaded_is_no_reason_not_to_serve(tmp_path: Path) -> None:
    piper.build(tmp_path / "piper" / "bad.onnx").write_bytes(b"no model at all")
    tts = TtsSettings(engine="tone", preload=("piper-bad",))
    settings = SMALL.model_copy(update={"models": ModelSettings(root=tmp_path), "tts": tts})
    async with house(settings) as open_house:
        (bad,) = [info for info in open_house.tts.list() if info.name == "piper-bad"]
        assert (bad.state, bool(bad.error)) == (State.FAILED, True)


@pytest.mark.parametrize("key", ["engine", "interim", "preload"])
async def test_model_that_does_not_exist_is_a_mistake_in_the_configuration(tmp_path: Path, key: str) -> None:
    wanted: Any = ("nonesuch",) if key == "preload" else "nonesuch"
    tts = TtsSettings(engine="tone").model_copy(update={key: wanted})
    settings = SMALL.model_copy(update={"models": ModelSettings(root=tmp_path), "tts": tts})
    with pytest.raises((ConfigError, ExceptionGroup)) as caught:
        async with house(settings):
            pass
    error = caught.value.exceptions[0] if isinstance(caught.value, ExceptionGroup) else caught.value
    assert f"tts.{key}: found 'nonesuch'; allowed: " in str(error)


async def test_copies_of_a_voice_go_to_different_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    taken: list[str] = []

    def choose(kind: str, wanted: str, settings: Settings, *arguments: object) -> object:
        if (kind, wanted) == ("tts", "piper"):
            taken.append(settings.tts.device)
            return real("tts", "tone", settings)
        return real(kind, wanted, settings, *arguments)

    def survey() -> list[Device]:
        free = {f"cuda:{number}": 8 * GIB * (f"cuda:{number}" not in taken) for number in range(2)}
        return [Device("cpu", 64 * GIB, 32 * GIB), *(Device(name, 8 * GIB, room) for name, room in free.items())]

    real = app.choose
    monkeypatch.setattr(app, "choose", choose)
    settings = SMALL.model_copy(
        update={"models": ModelSettings(root=tmp_path), "tts": TtsSettings(engine="piper", copies=2)}
    )
    open_house = app.House(settings, survey=survey)
    try:
        await open_house.open()
        models = open_house.tts.loaded()
        assert [(model.name, model.device) for model in models] == [("piper", "cuda:0"), ("piper#2", "cuda:1")]
        assert not {lane.name for lane in models[0].lanes} & {lane.name for lane in models[1].lanes}
        assert sorted(taken) == ["cuda:0", "cuda:1"]
    finally:
        await open_house.close()


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
