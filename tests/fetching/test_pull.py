"""Models fetched from a hub that runs here, with everything that goes wrong on the way; nothing leaves this machine."""

import asyncio
import fcntl
import hashlib
import json
import os
import resource
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import faster_whisper.utils
import pytest
from aiohttp import web
from piper import download_voices

from tests.tiny import piper, whisper
from voicechat.adapters.tts import piper as piper_adapter
from voicechat.adapters.whisper import models as whisper_models
from voicechat.config import ModelSettings, PiperSettings, Settings, TtsSettings
from voicechat.errors import VoicechatError
from voicechat.fetching import hub, pull
from voicechat.fetching.hub import Hub, RemoteFile
from voicechat.library.catalogue import Catalogue

ROOT = Path(__file__).parents[2]
VOICE = "piper-en_US-amy-medium"
VOICE_FOLDER = "rhasspy/piper-voices", "en/en_US/amy/medium"
SMALL = "Systran/faster-whisper-small.en"
LARGE = 100_000
"""Bytes from which on the fake hub keeps a file apart, as the real one does from 10 MB."""


class FakeHub:
    """Plays the hub: lists folders, leads to where files are kept, and resumes.

    As the real one does it: small files a step further on the hub, large ones at another host, by an address that is
    good for one request. Checksums are in its headers, too.
    """

    def __init__(self) -> None:
        self.files: dict[tuple[str, str], bytes] = {}
        self._signed: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        """Path and Range of each request for a file's content."""
        self.cuts: list[int] = []
        """The next answers with model.bin end after so many bytes."""
        self.failing: list[int] = []
        """The next requests get these statuses."""
        self.corrupt = False
        self.resumes = True
        self.stalls: asyncio.Event | None = None
        """Files' answers wait for it halfway."""

    def put(self, repository: str, folder: str, name: str, content: bytes) -> None:
        self.files[repository, f"{folder}/{name}".strip("/")] = content

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get(r"/api/models/{repository:[^/]+/[^/]+}/tree/main{folder:(?:/.*)?}", self._tree)
        app.router.add_get(r"/{repository:[^/]+/[^/]+}/resolve/main/{path:.*}", self._resolve)
        app.router.add_get(r"/api/resolve-cache/models/{repository:[^/]+/[^/]+}/{path:.*}", self._cached)
        app.router.add_get("/stored/{digest}", self._stored)
        return app

    async def _tree(self, request: web.Request) -> web.Response:
        if self.failing:
            return web.Response(status=self.failing.pop(0))
        repository, folder = request.match_info["repository"], request.match_info["folder"].strip("/")
        if all(known != repository for known, _ in self.files):
            return web.json_response({"error": "Invalid username or password."}, status=401)
        inside = {path: content for (known, path), content in self.files.items() if known == repository}
        nodes = [
            self._node(path, content) for path, content in inside.items() if path.rpartition("/")[0] == folder
        ]
        nodes.append({"type": "directory", "oid": "0" * 40, "size": 0, "path": f"{folder}/samples".strip("/")})
        if len(nodes) == 1:
            return web.json_response({"error": "Entry not found"}, status=404)
        return web.json_response(nodes)

    def _node(self, path: str, content: bytes) -> dict[str, object]:
        git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        node: dict[str, object] = {"type": "file", "oid": git, "size": len(content), "path": path}
        if len(content) >= LARGE:
            node |= {"lfs": {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}}
        return node

    async def _resolve(self, request: web.Request) -> web.StreamResponse:
        repository, path = request.match_info["repository"], request.match_info["path"]
        content = self.files[repository, path]
        if len(content) < LARGE:
            raise web.HTTPTemporaryRedirect(f"/api/resolve-cache/models/{repository}/{path}")
        digest = hashlib.sha256(content).hexdigest()
        signature = secrets.token_hex(8)
        self._signed.add(signature)
        elsewhere = f"http://localhost:{request.url.port}/stored/{digest}?name={path}&Signature={signature}"
        linked = {"X-Linked-Size": str(len(content)), "X-Linked-Etag": f'"{digest}"', "X-Repo-Commit": "0" * 40}
        raise web.HTTPFound(elsewhere, headers=linked)

    async def _cached(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        return await self._send(request, path, self.files[request.match_info["repository"], path])

    async def _stored(self, request: web.Request) -> web.StreamResponse:
        if request.query["Signature"] not in self._signed:
            return web.Response(status=403, text="<Error><Code>AccessDenied</Code></Error>")
        self._signed.remove(request.query["Signature"])
        digest = request.match_info["digest"]
        content = next(one for one in self.files.values() if hashlib.sha256(one).hexdigest() == digest)
        return await self._send(request, request.query["name"], content)

    async def _send(self, request: web.Request, path: str, content: bytes) -> web.StreamResponse:
        wanted = request.headers.get("Range", "")
        self.asked.append((path.rpartition("/")[2], wanted))
        if self.failing:
            return web.Response(status=self.failing.pop(0))
        if self.corrupt:
            content = b"?" + content[1:]
        begin, status, headers = 0, 200, {}
        if wanted and self.resumes:
            begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if begin >= len(content):
                return web.Response(status=416, headers={"Content-Range": f"bytes */{len(content)}"})
            status, headers = 206, {"Content-Range": f"bytes {begin}-{len(content) - 1}/{len(content)}"}
        headers |= {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "Accept-Ranges": "bytes"}
        answer = web.StreamResponse(status=status, headers=headers)
        answer.content_length = len(content) - begin
        await answer.prepare(request)
        rest = content[begin:]
        if self.cuts and path == "model.bin":
            await answer.write(rest[: self.cuts.pop(0)])
            assert request.transport is not None
            request.transport.close()
            return answer
        if self.stalls is not None:
            await answer.write(rest[: len(rest) // 2])
            await self.stalls.wait()
            rest = rest[len(rest) // 2 :]
        await answer.write(rest)
        return answer


@asynccontextmanager
async def running(fake: FakeHub) -> AsyncIterator[str]:
    runner = web.AppRunner(fake.app(), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


Pull = Callable[..., Coroutine[Any, Any, Path]]


@asynccontextmanager
async def pulling(fake: FakeHub, root: Path, pauses: tuple[float, ...] = (0.0, 0.0, 0.0)) -> AsyncIterator[Pull]:
    """A function that pulls a model by name from the fake hub."""
    async with running(fake) as address, aiohttp.ClientSession() as client:

        async def fetch(
            name: str,
            told: Callable[[RemoteFile, int], None] = lambda file, there: None,
            free: Callable[[Path], int] = lambda folder: 1 << 40,
        ) -> Path:
            return await pull.pull(pull.order(name), root, Hub(client, address, pauses), told, free)

        yield fetch


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    path = piper.build(tmp_path_factory.mktemp("voice") / "en_US-amy-medium.onnx", language="en_US")
    return {
        "en_US-amy-medium.onnx": path.read_bytes(),
        "en_US-amy-medium.onnx.json": path.with_name(f"{path.name}.json").read_bytes(),
        "MODEL_CARD": b"# Model card\n\n* License: CC BY 4.0\n",
    }


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = whisper.build(tmp_path_factory.mktemp("whisper") / "small.en")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return {**files, "README.md": b"---\nlicense: mit\n---\n", ".gitattributes": b"*.bin filter=lfs\n"}


@pytest.fixture
def fake(voice: dict[str, bytes], small: dict[str, bytes]) -> FakeHub:
    fake = FakeHub()
    for name, content in voice.items():
        fake.put(*VOICE_FOLDER, name, content)
    for name, content in small.items():
        fake.put(SMALL, "", name, content)
    return fake


def left(root: Path) -> list[str]:
    """Names of all files under the root."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


async def test_voice_of_piper_comes_with_its_licence_and_speaks(tmp_path: Path, fake: FakeHub) -> None:
    async with pulling(fake, tmp_path) as fetch:
        path = await fetch(VOICE)
    assert path == tmp_path / "piper" / "en_US-amy-medium.onnx"
    names = ("MODEL_CARD", "onnx", "onnx.json")
    assert left(tmp_path) == [f"piper/en_US-amy-medium.{name}" for name in names]
    entry = Catalogue(tmp_path).find(VOICE)
    assert (entry.complete, entry.licence, entry.languages) == (True, "CC BY 4.0", ("en-US",))
    settings = Settings(models=ModelSettings(root=tmp_path), tts=TtsSettings(piper=PiperSettings(threads=1)))
    engine = piper_adapter.load(entry.chosen(settings))
    assert sum(len(piece.samples) for piece in engine.synthesize("Hello.", "")) > 0
    engine.close()


async def test_whisper_model_comes_whole_and_nothing_else_does(
    tmp_path: Path, fake: FakeHub, small: dict[str, bytes]
) -> None:
    seen: dict[str, list[int]] = {}
    async with pulling(fake, tmp_path) as fetch:
        path = await fetch("small.en", lambda file, there: seen.setdefault(file.name, []).append(there))
    assert path == tmp_path / "whisper" / "small.en"
    wanted = {name: content for name, content in small.items() if name != ".gitattributes"}
    assert {name: (path / name).read_bytes() for name in wanted} == wanted
    assert left(tmp_path) == sorted(f"whisper/small.en/{name}" for name in wanted)
    assert {name: told[-1] for name, told in seen.items()} == {name: len(content) for name, content in wanted.items()}
    assert all(told == sorted(told) for told in seen.values())
    entry = Catalogue(tmp_path).find("whisper-small.en")
    assert (entry.complete, entry.licence) == (True, "mit")


async def test_model_that_is_there_is_not_fetched_again(tmp_path: Path, fake: FakeHub) -> None:
    async with pulling(fake, tmp_path) as fetch:
        first = await fetch(VOICE)
        asked = len(fake.asked)
        assert await fetch("en_US-amy-medium") == first
    assert len(fake.asked) == asked


async def test_model_that_was_incomplete_is_replaced(tmp_path: Path, fake: FakeHub) -> None:
    broken = tmp_path / "whisper" / "small.en"
    broken.mkdir(parents=True)
    (broken / "model.bin").write_bytes(b"half of it")
    async with pulling(fake, tmp_path) as fetch:
        await fetch("whisper-small.en")
    assert Catalogue(tmp_path).find("whisper-small.en").complete
    assert all(name.startswith("whisper/small.en/") for name in left(tmp_path))


async def test_cut_connection_is_resumed_where_it_broke(tmp_path: Path, fake: FakeHub, small: dict[str, bytes]) -> None:
    fake.cuts = [300_000, 100_000]
    async with pulling(fake, tmp_path) as fetch:
        path = await fetch("whisper-small.en")
    ranges = [wanted for name, wanted in fake.asked if name == "model.bin"]
    assert ranges == ["", "bytes=300000-", "bytes=400000-"]
    assert (path / "model.bin").read_bytes() == small["model.bin"]


async def test_next_pull_goes_on_where_the_last_one_gave_up(tmp_path: Path, fake: FakeHub) -> None:
    fake.cuts = [300_000]
    async with pulling(fake, tmp_path, pauses=()) as fetch:
        with pytest.raises(VoicechatError, match="the connection was cut"):
            await fetch("whisper-small.en")
        assert Catalogue(tmp_path).entries() == Catalogue(tmp_path / "nowhere").entries()
        before = len(fake.asked)
        await fetch("whisper-small.en")
    assert fake.asked[before:] == [("model.bin", "bytes=300000-")]
    assert Catalogue(tmp_path).find("whisper-small.en").complete


async def test_cancelled_pull_leaves_what_has_come_and_no_model(tmp_path: Path, fake: FakeHub) -> None:
    fake.stalls = asyncio.Event()
    came = asyncio.Event()
    async with pulling(fake, tmp_path) as fetch:
        task = asyncio.create_task(fetch(VOICE, lambda file, there: came.set() if there else None))
        await asyncio.wait_for(came.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert any(name.endswith(".part") for name in left(tmp_path))
        assert Catalogue(tmp_path).entries() == Catalogue(tmp_path / "nowhere").entries()
        fake.stalls.set()
        await fetch(VOICE)
    assert not any(name.endswith(".part") for name in left(tmp_path))


async def test_server_that_does_not_resume_sends_all_again(
    tmp_path: Path, fake: FakeHub, small: dict[str, bytes]
) -> None:
    fake.cuts, fake.resumes = [300_000], False
    async with pulling(fake, tmp_path) as fetch:
        path = await fetch("whisper-small.en")
    assert (path / "model.bin").read_bytes() == small["model.bin"]


@pytest.mark.parametrize("name", [VOICE, "whisper-small.en"])
async def test_wrong_checksum_is_thrown_away_and_told(tmp_path: Path, fake: FakeHub, name: str) -> None:
    fake.corrupt = True
    async with pulling(fake, tmp_path) as fetch:
        with pytest.raises(VoicechatError, match="not what the hub says it is, and was thrown away") as caught:
            await fetch(name)
        assert caught.value.code == "wrong_checksum"
        assert Catalogue(tmp_path).entries() == Catalogue(tmp_path / "nowhere").entries()
        fake.corrupt = False
        await fetch(name)
    assert Catalogue(tmp_path).find(name).complete


async def test_model_that_changed_on_the_hub_is_begun_anew(tmp_path: Path, fake: FakeHub) -> None:
    fake.cuts = [300_000]
    async with pulling(fake, tmp_path, pauses=()) as fetch:
        with pytest.raises(VoicechatError):
            await fetch("whisper-small.en")
        newer = b"a newer model" * 50_000
        fake.put(SMALL, "", "model.bin", newer)
        path = await fetch("whisper-small.en")
    assert fake.asked[-1] == ("model.bin", "")
    assert (path / "model.bin").read_bytes() == newer
    assert not any(name.endswith(".part") for name in left(tmp_path))


async def test_hub_that_is_busy_is_asked_again(tmp_path: Path, fake: FakeHub) -> None:
    fake.failing = [503, 429, 500]
    async with pulling(fake, tmp_path) as fetch:
        await fetch(VOICE)
    assert Catalogue(tmp_path).find(VOICE).complete


async def test_hub_that_stays_busy_is_told(tmp_path: Path, fake: FakeHub) -> None:
    fake.failing = [503] * 9
    async with pulling(fake, tmp_path) as fetch:
        with pytest.raises(VoicechatError) as caught:
            await fetch(VOICE)
    assert "cannot be reached: it answers 503 Service Unavailable; put " in caught.value.message
    assert caught.value.code == "hub_unreachable"


@pytest.mark.parametrize("name", ["piper-de_DE-nobody-low", "whisper-tiny"])
async def test_model_that_the_hub_lacks_is_told(tmp_path: Path, fake: FakeHub, name: str) -> None:
    async with pulling(fake, tmp_path) as fetch:
        with pytest.raises(VoicechatError, match="the hub has no such thing for everybody") as caught:
            await fetch(name)
    assert caught.value.code == "model_not_found"
    assert left(tmp_path) == []


@pytest.mark.parametrize("lost", ["tokenizer.json", "vocabulary.json", "model.bin"])
async def test_repository_without_a_needed_file_is_told_before_anything_is_fetched(
    tmp_path: Path, fake: FakeHub, lost: str
) -> None:
    del fake.files[SMALL, lost]
    async with pulling(fake, tmp_path) as fetch:
        with pytest.raises(VoicechatError, match=f"the hub has no {lost} there"):
            await fetch("whisper-small.en")
    assert fake.asked == []


async def test_slow_hub_is_given_up_after_its_silence(
    tmp_path: Path, fake: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "TIMEOUT", aiohttp.ClientTimeout(total=None, sock_read=0.2))
    fake.stalls = asyncio.Event()
    async with pulling(fake, tmp_path, pauses=()) as fetch:
        with pytest.raises(VoicechatError, match="cannot be reached: nothing came in time"):
            await fetch(VOICE)
        fake.stalls.set()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            VOICE,
            "put en_US-amy-medium.onnx and en_US-amy-medium.onnx.json of"
            " {hub}/rhasspy/piper-voices/tree/main/en/en_US/amy/medium into {root}/piper",
        ),
        (
            "whisper-small.en",
            "put model.bin, tokenizer.json, config.json and vocabulary.json or vocabulary.txt of"
            " {hub}/Systran/faster-whisper-small.en into {root}/whisper/small.en",
        ),
    ],
)
async def test_hub_out_of_reach_is_one_line_that_says_what_to_do(tmp_path: Path, name: str, words: str) -> None:
    async with running(FakeHub()) as address:
        pass
    async with aiohttp.ClientSession() as client:
        with pytest.raises(VoicechatError) as caught:
            await pull.pull(pull.order(name), tmp_path, Hub(client, address), lambda file, there: None)
    expected = f"{address} cannot be reached: Connection refused; {words.format(hub=address, root=tmp_path)}"
    assert (caught.value.code, caught.value.message) == ("hub_unreachable", expected)


async def test_hub_whose_name_is_not_known_is_told(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as client:
        away = Hub(client, "https://no.such.hub.invalid")
        with pytest.raises(VoicechatError, match=r"https://no\.such\.hub\.invalid cannot be reached: ") as caught:
            await pull.pull(pull.order(VOICE), tmp_path, away, lambda file, there: None)
    assert "Unknown error" not in caught.value.message and "\n" not in caught.value.message


async def test_answer_that_is_none_of_a_hubs_is_told(tmp_path: Path) -> None:
    async def greet(request: web.Request) -> web.Response:
        return web.Response(text="<html>Welcome to the hotel's network</html>")

    app = web.Application()
    app.router.add_get("/{path:.*}", greet)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession() as client:
            portal = Hub(client, f"http://127.0.0.1:{runner.addresses[0][1]}", ())
            with pytest.raises(VoicechatError, match="the answer is none of a hub's"):
                await pull.pull(pull.order(VOICE), tmp_path, portal, lambda file, there: None)
    finally:
        await runner.cleanup()


async def test_names_on_the_hub_cannot_lead_out_of_the_folder(tmp_path: Path, fake: FakeHub) -> None:
    for path in ("../../escaped", "/etc/escaped", "..", "model.bin/../../escaped"):
        fake.files[SMALL, path] = b"x"
    async with pulling(fake, tmp_path / "root") as fetch:
        await fetch("whisper-small.en")
    assert all(name.startswith("root/whisper/small.en/") and "escaped" not in name for name in left(tmp_path))


async def test_disk_without_room_is_told_before_anything_is_fetched(tmp_path: Path, fake: FakeHub) -> None:
    async with pulling(fake, tmp_path) as fetch:
        with pytest.raises(VoicechatError, match="1 MB are needed, and 268 MB to spare; there are 269 MB") as caught:
            await fetch("whisper-small.en", free=lambda folder: 269_000_000)
        assert caught.value.code == "disk_full"
        assert fake.asked == []
        await fetch("whisper-small.en", free=lambda folder: 270_000_000)


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """A disk that is full after so many bytes of each file, as far as this process is concerned."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


async def test_disk_that_fills_up_on_the_way_is_told_and_resumed_later(tmp_path: Path, fake: FakeHub) -> None:
    async with pulling(fake, tmp_path) as fetch:
        with files_no_larger_than(500_000), pytest.raises(VoicechatError, match="cannot be written: File too large"):
            await fetch("whisper-small.en")
        await fetch("whisper-small.en")
    last = [wanted for name, wanted in fake.asked if name == "model.bin"][-1]
    assert last == "bytes=500000-"
    assert Catalogue(tmp_path).find("whisper-small.en").complete


async def test_folder_that_cannot_be_made_is_told(tmp_path: Path, fake: FakeHub) -> None:
    (tmp_path / "piper").write_text("a file where a folder should be")
    async with pulling(fake, tmp_path) as fetch:
        with pytest.raises(VoicechatError, match="cannot be"):
            await fetch(VOICE)


async def test_two_pulls_of_one_model_do_not_meet(tmp_path: Path, fake: FakeHub) -> None:
    staging = tmp_path / "piper" / ".en_US-amy-medium.pull"
    staging.mkdir(parents=True)
    other = os.open(staging, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    async with pulling(fake, tmp_path) as fetch:
        with pytest.raises(VoicechatError, match=f"{VOICE} is being fetched already") as caught:
            await fetch(VOICE)
        assert caught.value.code == "being_pulled"
        os.close(other)
        await fetch(VOICE)


@pytest.mark.parametrize(
    "name",
    ["", "nothing", "../piper-en_US-amy-medium", "https://hub.example/model", "Systran/faster-whisper-small.en",
     "whisper-../../etc", "piper-en_US-amy-medium/..", "piper-en_US-../..-medium", "espeak", "piper-piper-x",
     "en_US-amy-medium\n"],
)  # fmt: skip
def test_only_known_names_are_asked_for(name: str) -> None:
    with pytest.raises(VoicechatError) as caught:
        pull.order(name)
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("name", "repository", "folder"),
    [
        ("whisper-small.en", "Systran/faster-whisper-small.en", ""),
        ("large-v3-turbo", "mobiuslabsgmbh/faster-whisper-large-v3-turbo", ""),
        ("whisper-distil-large-v3.5", "distil-whisper/distil-large-v3.5-ct2", ""),
        ("piper-de_DE-thorsten_emotional-medium", *(VOICE_FOLDER[0], "de/de_DE/thorsten_emotional/medium")),
        ("es_419-someone-x_low", VOICE_FOLDER[0], "es/es_419/someone/x_low"),
    ],
)
def test_names_lead_to_their_place_on_the_hub(name: str, repository: str, folder: str) -> None:
    wanted = pull.order(name)
    assert (wanted.repository, wanted.folder) == (repository, folder)


def test_whisper_models_lie_where_faster_whisper_has_them() -> None:
    theirs = faster_whisper.utils._MODELS
    assert {name: whisper_models.repository(name) for name in theirs if name in whisper_models.KNOWN} == {
        name: place for name, place in theirs.items() if name in whisper_models.KNOWN
    }
    aliases = set(theirs) - set(whisper_models.KNOWN)
    assert {theirs[name] for name in aliases} <= {whisper_models.repository(name) for name in whisper_models.KNOWN}


@pytest.mark.parametrize("name", ["en_US-amy-medium", "de_DE-thorsten_emotional-medium", "es_419-someone-x_low"])
def test_voices_of_piper_lie_where_piper_has_them(name: str) -> None:
    match = download_voices.VOICE_PATTERN.match(name)
    assert match is not None
    named = match.groupdict()
    theirs = download_voices.URL_FORMAT.format(
        lang_family=named["lang_family"], lang_code=f"{named['lang_family']}_{named['lang_region']}",
        voice_name=named["voice_name"], voice_quality=named["voice_quality"], extension=".onnx",
    )  # fmt: skip
    wanted = pull.order(name)
    ours = f"https://huggingface.co/{wanted.repository}/resolve/main/{wanted.folder}/{name}.onnx"
    assert ours == theirs.partition("?")[0]


async def voicechat(*arguments: str, **environ: str) -> tuple[int, str, str]:
    """Runs the command while this process plays the hub; its status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "voicechat", *arguments,
        cwd=ROOT, env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 40)
    return process.returncode or 0, out.decode(), err.decode()


async def test_command_pulls_a_voice_and_lists_it(tmp_path: Path, fake: FakeHub) -> None:
    async with running(fake) as address:
        run = partial(voicechat, VOICECHAT__MODELS__ROOT=str(tmp_path), VOICECHAT__MODELS__HUB=address)
        status, out, err = await run("models", "pull", VOICE)
        assert (status, out, err) == (0, f"{VOICE}: {tmp_path}/piper/en_US-amy-medium.onnx, licence CC BY 4.0\n", "")
        status, out, err = await run("models", "list", "--json")
        assert (status, err) == (0, "")
        assert VOICE in [model["name"] for model in json.loads(out)]


async def test_command_tells_in_a_line_that_the_hub_has_no_such_voice(tmp_path: Path, fake: FakeHub) -> None:
    async with running(fake) as address:
        status, out, err = await voicechat(
            "models", "pull", "piper-de_DE-nobody-low",
            VOICECHAT__MODELS__ROOT=str(tmp_path), VOICECHAT__MODELS__HUB=address,
        )  # fmt: skip
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "the hub has no such thing for everybody" in err
