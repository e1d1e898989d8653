"""What is loaded at start, and what is a mistake in the configuration."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import piper
from voicechat import adapters
from voicechat.config import AgentSettings, AsrSettings, ModelSettings, Settings, TtsSettings
from voicechat.errors import ConfigError, ModelBusy
from voicechat.house import House
from voicechat.models.stock import State
from voicechat.placement import Device

GIB = 1024**3

SMALL = Settings(
    agent=AgentSettings(engine="echo"), asr=AsrSettings(engine="pocketsphinx"), tts=TtsSettings(engine="tone")
)


@asynccontextmanager
async def house(settings: Settings) -> AsyncIterator[House]:
    open_house = House(settings)
    try:
        await open_house.open()
        yield open_house
    finally:
        await open_house.close()


async def test_models_of_the_folder_are_preloaded_by_name_and_told_to_operators(tmp_path: Path) -> None:
    piper.build(tmp_path / "piper" / "en_US-amy-medium.onnx")
    settings = SMALL.model_copy(
        update={
            "models": ModelSettings(root=tmp_path),
            "tts": TtsSettings(engine="tone", interim="espeak", preload=("piper-en_US-amy-medium",)),
        }
    )
    async with house(settings) as open_house:
        states = {model["name"]: model["state"] for model in await open_house.engines.desk.models()}
        loaded = {"tone", "espeak", "piper-en_US-amy-medium", "pocketsphinx"}
        assert {name for name, state in states.items() if state == "resident"} == loaded
        for name in ("tone", "espeak"):
            with pytest.raises(ModelBusy, match="cannot be unloaded"):
                await open_house.engines.desk.unload(name)
        piper.build(tmp_path / "piper" / "en_US-joe-medium.onnx")
        assert await open_house.engines.desk.load("piper-joe") == "piper-en_US-joe-medium"
        assert await open_house.engines.desk.unload("piper-amy") == "piper-en_US-amy-medium"


async def test_default_that_is_a_model_of_the_folder_is_called_by_its_name(tmp_path: Path) -> None:
    piper.build(tmp_path / "piper" / "en_US-amy-medium.onnx")
    settings = SMALL.model_copy(
        update={"models": ModelSettings(root=tmp_path), "tts": TtsSettings(engine="piper", preload=("piper-amy",))}
    )
    async with house(settings) as open_house:
        told = [model for model in await open_house.engines.desk.models() if model["engine"] == "piper"]
        assert [(model["name"], model["state"]) for model in told] == [("piper-en_US-amy-medium", "resident")]
        assert open_house.engines.tts.default == "piper-en_US-amy-medium"


async def test_model_that_cannot_be_preloaded_is_no_reason_not_to_serve(tmp_path: Path) -> None:
    piper.build(tmp_path / "piper" / "bad.onnx").write_bytes(b"no model at all")
    tts = TtsSettings(engine="tone", preload=("piper-bad",))
    settings = SMALL.model_copy(update={"models": ModelSettings(root=tmp_path), "tts": tts})
    async with house(settings) as open_house:
        (bad,) = [info for info in open_house.engines.tts.list() if info.name == "piper-bad"]
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

    real = adapters.choose
    monkeypatch.setattr(adapters, "choose", choose)
    settings = SMALL.model_copy(
        update={"models": ModelSettings(root=tmp_path), "tts": TtsSettings(engine="piper", copies=2)}
    )
    open_house = House(settings, survey=survey)
    try:
        await open_house.open()
        models = open_house.engines.tts.loaded()
        assert [(model.name, model.device) for model in models] == [("piper", "cuda:0"), ("piper#2", "cuda:1")]
        assert not {lane.name for lane in models[0].lanes} & {lane.name for lane in models[1].lanes}
        assert sorted(taken) == ["cuda:0", "cuda:1"]
    finally:
        await open_house.close()
