"""What operators are told of models, by real managers over a real folder."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.tiny import piper
from voicechat.adapters.tts import piper as piper_adapter
from voicechat.adapters.tts import tone
from voicechat.config import ModelSettings, Settings
from voicechat.errors import AdapterUnavailable, EngineFailed, ModelBusy
from voicechat.lane import ThreadLane
from voicechat.library.catalogue import Catalogue
from voicechat.models.desk import Desk
from voicechat.models.evictor import Evictor
from voicechat.models.machine import Machine
from voicechat.models.manager import ModelManager
from voicechat.models.residency import Limits
from voicechat.models.stock import Recipe
from voicechat.placement import Device
from voicechat.protocols import Lane, TtsEngine

DEVICES = (Device("cpu", 8 * 1024**3, 4 * 1024**3),)
AMY = "piper-en_US-amy-medium"


@dataclass
class Counter:
    """A desk, and the manager behind it."""

    desk: Desk
    voices: ModelManager[TtsEngine]

    async def model(self, name: str) -> dict[str, object]:
        (found,) = [model for model in await self.desk.models() if model["name"] == name]
        return found


async def nothing(engine: TtsEngine, lane: Lane) -> None:
    """No warm-up."""


@asynccontextmanager
async def opened(root: Path) -> AsyncIterator[Counter]:
    catalogue = Catalogue(root, {"tone": "tts", "broken": "tts"})
    settings = Settings(models=ModelSettings(root=root))

    def make(name: str, device: str) -> TtsEngine:
        if name == "broken":
            raise EngineFailed("bad_model", "broken: cut short")
        entry = catalogue.find(name)
        load = tone.load if entry.engine == "tone" else piper_adapter.load
        return load(entry.chosen(settings))

    recipes: dict[str, Recipe[TtsEngine]] = {
        entry.name: Recipe(entry.engine, partial(make, entry.name)) for entry in catalogue.entries() if entry.complete
    }
    lanes = [ThreadLane("maker", 30.0), ThreadLane("tts", 30.0)]
    machine = Machine(
        lanes=lambda kind, device: (lanes[1],), makers=lanes[:1], survey=lambda: DEVICES, measure=lambda device: 0
    )
    voices = ModelManager[TtsEngine]("tts", recipes, machine, Evictor(Limits()), warm_up=nothing)
    try:
        yield Counter(Desk(catalogue, {"tts": voices}, lambda: DEVICES), voices)
    finally:
        await voices.close()
        await machine.close()
        await asyncio.gather(*(lane.close() for lane in lanes))


async def test_absent_and_loaded_models_are_told_together(tmp_path: Path) -> None:
    piper.build(tmp_path / "piper" / "en_US-amy-medium.onnx", language="en_US")
    piper.build(tmp_path / "piper" / "half.onnx").with_name("half.onnx.json").unlink()
    async with opened(tmp_path) as counter:
        assert await counter.desk.load("piper-amy") == AMY
        amy = await counter.model(AMY)
        assert (amy["state"], amy["device"], amy["users"], amy["loads"]) == ("resident", "cpu", 0, 1)
        assert (amy["languages"], amy["complete"], amy["error"]) == (["en-US"], True, "")
        tone = await counter.model("tone")
        assert (tone["state"], tone["device"], tone["loads"]) == ("absent", "", 0)
        half = await counter.model("piper-half")
        assert (half["state"], half["faults"]) == ("absent", ["half.onnx.json is missing"])


async def test_loaded_models_tell_what_they_can_do(tmp_path: Path) -> None:
    piper.build(tmp_path / "piper" / "en_US-amy-medium.onnx", language="en_US", speakers=2)
    async with opened(tmp_path) as counter:
        assert await counter.desk.capabilities() == {
            "models": [], "devices": [{"name": "cpu", "total": 8 * 1024**3, "free": 4 * 1024**3}],
        }  # fmt: skip
        await counter.desk.load("tone")
        await counter.desk.load(AMY)
        models = (await counter.desk.capabilities())["models"]
    assert isinstance(models, list)
    told = {model["name"]: model for model in models}
    assert (told["tone"]["engine"], told["tone"]["streaming"], told["tone"]["rate"]) == ("tone", True, 48_000)
    assert [voice["language"] for voice in told[AMY]["voices"]] == ["en-US"] * 3


async def test_model_in_use_is_not_unloaded(tmp_path: Path) -> None:
    async with opened(tmp_path) as counter:
        async with counter.voices.lend("tone"):
            with pytest.raises(ModelBusy) as caught:
                await counter.desk.unload("tone")
            assert (caught.value.code, (await counter.model("tone"))["users"]) == ("model_in_use", 1)
        assert await counter.desk.unload("tone") == "tone"
        assert (await counter.model("tone"))["state"] == "absent"
        assert await counter.desk.unload("tone") == "tone"


async def test_failed_load_is_told_with_the_engines_words(tmp_path: Path) -> None:
    (piper.build(tmp_path / "piper" / "bad.onnx")).write_bytes(b"no model at all")
    async with opened(tmp_path) as counter:
        with pytest.raises(EngineFailed, match="broken: cut short"):
            await counter.desk.load("broken")
        broken = await counter.model("broken")
        assert (broken["state"], broken["error"]) == ("failed", "broken: cut short")
        with pytest.raises(EngineFailed) as caught:
            await counter.desk.load("piper-bad")
        assert caught.value.code == "bad_model"
        assert await counter.desk.load("tone") == "tone"


async def test_names_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    piper.build(tmp_path / "piper" / "half.onnx").with_name("half.onnx.json").unlink()
    async with opened(tmp_path) as counter:
        codes = {"nothing": "model_not_found", "../x": "model_not_found", "piper-half": "model_incomplete"}
        for name, code in codes.items():
            with pytest.raises(AdapterUnavailable) as caught:
                await counter.desk.load(name)
            assert caught.value.code == code


async def test_loaded_model_whose_files_are_gone_is_still_told_and_unloaded(tmp_path: Path) -> None:
    path = piper.build(tmp_path / "piper" / "amy.onnx")
    async with opened(tmp_path) as counter:
        await counter.desk.load("piper-amy")
        path.unlink()
        assert (await counter.model("piper-amy"))["state"] == "resident"
        assert await counter.desk.unload("piper-amy") == "piper-amy"
        assert "piper-amy" not in [model["name"] for model in await counter.desk.models()]
