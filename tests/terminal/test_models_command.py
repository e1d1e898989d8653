"""The `models` commands as a shell sees them: of the folder here, and of a server that this process plays."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.tiny import piper, whisper
from voicechat.errors import AdapterUnavailable, EngineFailed, ModelBusy
from voicechat.library.catalogue import Catalogue
from voicechat.transport.http import explain
from voicechat.transport.rest.admin import Admin
from voicechat.transport.silence import SILENCE, Silence

ROOT = Path(__file__).parents[2]


async def models(*arguments: str, root: Path, **environ: str) -> tuple[int, str, str]:
    """Runs `voicechat models`; its status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "voicechat", "models", *arguments,
        cwd=ROOT, env={**os.environ, "VOICECHAT__MODELS__ROOT": str(root), "COLUMNS": "150", **environ},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 40)
    return process.returncode or 0, out.decode(), err.decode()


def row(out: str, name: str) -> list[str]:
    (line,) = [line for line in out.splitlines() if line.split()[:1] == [name]]
    return line.split()


async def test_list_shows_what_is_in_the_folder_without_a_server(tmp_path: Path) -> None:
    whisper.build(tmp_path / "whisper" / "tiny.en")
    piper.build(tmp_path / "piper" / "en_US-amy-medium.onnx", language="en_US").with_name(
        "en_US-amy-medium.MODEL_CARD"
    ).write_text("* License: CC0\n")
    piper.build(tmp_path / "piper" / "half.onnx").with_name("half.onnx.json").unlink()
    status, out, err = await models("list", root=tmp_path)
    assert (status, err) == (0, "")
    assert row(out, "whisper-tiny.en") == ["whisper-tiny.en", "asr", "1", "MB", "en", "ready"]
    assert row(out, "piper-en_US-amy-medium")[-3:] == ["en-US", "CC0", "ready"]
    assert row(out, "piper-half")[-4:] == ["incomplete:", "half.onnx.json", "is", "missing"]
    assert row(out, "espeak") == ["espeak", "tts", "ready"]


async def test_list_for_programs_is_json(tmp_path: Path) -> None:
    whisper.build(tmp_path / "whisper" / "tiny.en")
    status, out, err = await models("list", "--json", root=tmp_path)
    found = {model["name"]: model for model in json.loads(out)}
    assert (status, err) == (0, "")
    assert found["whisper-tiny.en"]["place"] == str(tmp_path / "whisper" / "tiny.en")
    assert {"espeak", "pocketsphinx"} < set(found) and "whisper" not in found


async def test_show_tells_every_mistake_of_a_pack(tmp_path: Path) -> None:
    folder = tmp_path / "voices" / "amy"
    folder.mkdir(parents=True)
    text = "{engine: pipr, model: none.onnx, languages: [en], sample_rate: 22050, licence: x}"
    (folder / "metadata.yaml").write_text(text.replace("22050", "1"))
    status, out, _ = await models("show", "voice-amy", root=tmp_path)
    assert status == 0
    assert f"{folder}/metadata.yaml: sample_rate: found 1; allowed: greater than or equal to 8000" in out
    (folder / "metadata.yaml").write_text(text)
    _, out, _ = await models("show", "voice-amy", root=tmp_path)
    assert [line.split()[:3] for line in out.splitlines() if line.startswith("faults")] == [
        ["faults", f"{folder}/metadata.yaml:", "engine:"],
        ["faults", f"{folder}/metadata.yaml:", "model:"],
    ]


async def test_show_knows_a_voice_by_its_speaker(tmp_path: Path) -> None:
    piper.build(tmp_path / "piper" / "en_US-amy-medium.onnx")
    status, out, _ = await models("show", "piper-amy", "--json", root=tmp_path)
    assert (status, json.loads(out)["name"]) == (0, "piper-en_US-amy-medium")


async def test_name_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    status, out, err = await models("show", "../secret", root=tmp_path)
    assert (status, out) == (1, "")
    assert err.startswith("there is no model '../secret'; there are ") and err.count("\n") == 1


class House:
    """Tells of one folder, and loads slowly."""

    def __init__(self, root: Path) -> None:
        self.catalogue = Catalogue(root)
        self.resident = {"espeak"}

    async def models(self) -> Sequence[Mapping[str, object]]:
        how = {"device": "cpu", "memory": 60_000_000, "users": 2, "error": ""}
        absent = {"device": "", "memory": 0, "users": 0, "error": ""}
        return [
            {
                **entry.told(),
                **(how if entry.name in self.resident else absent),
                "state": "resident" if entry.name in self.resident else "absent",
            }
            for entry in self.catalogue.entries()
        ]

    async def load(self, name: str) -> str:
        entry = self.catalogue.find(name)
        if entry.name == "scripted":
            raise EngineFailed("bad_model", "scripted: is broken")
        if entry.name == "pocketsphinx":
            raise AdapterUnavailable("library_missing", "asr pocketsphinx: the package is not installed")
        await asyncio.sleep(0.5)
        self.resident.add(entry.name)
        return entry.name

    async def unload(self, name: str) -> str:
        if name == "espeak":
            raise ModelBusy("model_in_use", "espeak is in use, 2 times")
        self.resident.discard(name)
        return name

    async def capabilities(self) -> Mapping[str, object]:
        return {}


@asynccontextmanager
async def served(root: Path) -> AsyncIterator[str]:
    """The address of a server with nothing but the operator's routes."""
    app = web.Application(middlewares=[explain])
    app[SILENCE] = Silence()
    admin = Admin(House(root))
    app.add_routes(admin.routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await admin.close()
        await runner.cleanup()


async def test_models_of_a_server_are_listed_loaded_and_unloaded(tmp_path: Path) -> None:
    piper.build(tmp_path / "server" / "piper" / "en_US-amy-medium.onnx")
    async with served(tmp_path / "server") as url:
        status, out, err = await models("list", "--url", url, root=tmp_path)
        assert (status, err) == (0, "")
        assert row(out, "espeak") == ["espeak", "tts", "resident", "cpu", "60", "MB", "2"]
        assert row(out, "piper-en_US-amy-medium")[-1] == "absent"
        loaded = await models("load", "piper-amy", "--url", url, root=tmp_path)
        assert loaded == (0, "piper-en_US-amy-medium: resident\n", "")
        status, out, _ = await models("show", "piper-en_US-amy-medium", "--url", url, "--json", root=tmp_path)
        assert (status, json.loads(out)["state"]) == (0, "resident")
        assert "place" not in json.loads(out)
        unloaded = await models("unload", "piper-en_US-amy-medium", "--url", f"{url}/", root=tmp_path)
        assert unloaded == (0, "piper-en_US-amy-medium: absent\n", "")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("load", "nothing"), "there is no model 'nothing'; there are "),
        (("load", "../../etc/passwd"), "there is no model '../../etc/passwd'; there are "),
        (("load", "scripted"), "scripted: is broken"),
        (("load", "pocketsphinx"), "asr pocketsphinx: the package is not installed"),
        (("unload", "espeak"), "espeak is in use, 2 times"),
        (("show", "nothing"), "there is no model 'nothing'"),
    ],
)
async def test_what_a_server_refuses_is_one_line(tmp_path: Path, arguments: tuple[str, ...], line: str) -> None:
    async with served(tmp_path) as url:
        status, out, err = await models(*arguments, "--url", url, root=tmp_path)
    assert (status, out) == (1, "")
    assert err.startswith(f"{url}: {line}") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("http://127.0.0.1:1", "no server answers there; start it, or give its --url"),
        ("nonsense", "is no address of a server, such as http://127.0.0.1:8080"),
    ],
)
async def test_no_server_is_one_line(tmp_path: Path, url: str, line: str) -> None:
    for command in (("list",), ("load", "espeak"), ("unload", "espeak")):
        assert await models(*command, "--url", url, root=tmp_path) == (1, "", f"{url}: {line}\n")


async def test_server_of_another_kind_is_one_line(tmp_path: Path) -> None:
    runner = web.AppRunner(web.Application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        answer = await models("list", "--url", url, root=tmp_path)
    finally:
        await runner.cleanup()
    assert answer == (1, "", f"{url}: what answers there is no voicechat that is new enough\n")


async def test_real_server_loads_what_it_is_told_and_keeps_its_default(tmp_path: Path) -> None:
    piper.build(tmp_path / "piper" / "en_US-amy-medium.onnx", language="en_US")
    (tmp_path / "piper" / "bad.onnx").write_bytes(b"no model at all")
    (tmp_path / "piper" / "bad.onnx.json").write_text("{}")
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "voicechat", "serve", "--port", "0",
        cwd=ROOT,
        env={
            **os.environ, "VOICECHAT__MODELS__ROOT": str(tmp_path), "VOICECHAT__TTS__ENGINE": "espeak",
            "VOICECHAT__ASR__ENGINE": "scripted",
        },
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        ready = await asyncio.wait_for(server.stdout.readline(), 40)
        url = ready.decode().split()[3]
        loaded = await models("load", "piper-amy", "--url", url, root=tmp_path)
        assert loaded == (0, "piper-en_US-amy-medium: resident\n", "")
        status, _, err = await models("load", "piper-bad", "--url", url, root=tmp_path)
        assert status == 1 and err.startswith(f"{url}: piper") and err.count("\n") == 1
        status, _, err = await models("unload", "espeak", "--url", url, root=tmp_path)
        assert status == 1 and "espeak cannot be unloaded" in err
        _, out, _ = await models("list", "--url", url, "--json", root=tmp_path)
        states = {model["name"]: model["state"] for model in json.loads(out)}
        assert (states["piper-en_US-amy-medium"], states["espeak"]) == ("resident", "resident")
        assert (states["piper-bad"], states["tone"]) == ("failed", "absent")
    finally:
        server.terminate()
        await asyncio.wait_for(server.communicate(), 40)
    assert server.returncode == 0
