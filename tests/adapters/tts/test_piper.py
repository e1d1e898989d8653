"""Piper: which voice is taken, what a broken one says, and speakers."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.tiny import piper as tiny
from voicechat.adapters.tts import piper
from voicechat.adapters.vad import silero
from voicechat.audio import Samples
from voicechat.config import ModelSettings, PiperSettings, Settings, TtsSettings
from voicechat.errors import AdapterError, AdapterUnavailable, EngineFailed


def _settings(root: Path, model: str = "") -> Settings:
    return Settings(models=ModelSettings(root=root), tts=TtsSettings(piper=PiperSettings(model=model)))


def _sound(engine: piper.Piper, voice: str) -> Samples:
    return np.concatenate([speech.samples for speech in engine.synthesize("Hello there.", voice)])


def test_the_first_voice_in_the_folder_is_taken(tmp_path: Path) -> None:
    for name in ("b", "a"):
        tiny.build(tmp_path / "piper" / f"{name}.onnx")
    assert [voice.name for voice in piper.load(_settings(tmp_path)).voices] == ["a"]


def test_a_voice_is_taken_by_name_or_by_path(tmp_path: Path) -> None:
    for name in ("a", "de_DE-b"):
        tiny.build(tmp_path / "piper" / f"{name}.onnx", language="de")
    path = tiny.build(tmp_path / "elsewhere" / "c.onnx")
    assert piper.load(_settings(tmp_path, "de_DE-b")).voices[0].name == "de_DE-b"
    assert piper.load(_settings(tmp_path, str(path))).voices[0].name == "c"


@pytest.mark.parametrize("model", ["", "amy", "nowhere/amy.onnx"])
def test_without_a_voice_it_is_unavailable_before_anything_is_imported(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "piper", None)
    with pytest.raises(AdapterUnavailable, match="no voice") as failure:
        piper.load(_settings(tmp_path, model))
    assert failure.value.code == "model_missing"


def _remove_description(voice: Path) -> None:
    voice.with_name("amy.onnx.json").unlink()


def _describe(text: str) -> Callable[[Path], None]:
    return lambda voice: _write(voice.with_name("amy.onnx.json"), text.encode())


def _change(**values: object) -> Callable[[Path], None]:
    def change(voice: Path) -> None:
        path = voice.with_name("amy.onnx.json")
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return change


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _another_model(voice: Path) -> None:
    model = silero.find_model()
    assert model is not None
    voice.write_bytes(model.read_bytes())


@pytest.mark.parametrize(
    "spoil",
    [
        _remove_description,
        _describe(""),
        _describe('{"audio": {"sample_ra'),
        _describe("[]"),
        _describe("{}"),
        _change(audio=None),
        _change(audio={"sample_rate": "fast"}),
        _change(audio={"sample_rate": 0}),
        _change(phoneme_type="pinyin"),
        _change(phoneme_type="runes"),
        _change(language=7),
        _change(espeak={"voice": "klingonese"}),
        _change(num_speakers=2, speaker_id_map={"a": 0, "b": 1}),
        _change(speaker_id_map=["a"]),
        lambda voice: _write(voice, b""),
        lambda voice: _write(voice, b"junk" * 100),
        lambda voice: _write(voice, voice.read_bytes()[:1500]),
        _another_model,
    ],
)
def test_a_broken_voice_says_so_in_one_line(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    spoil(tiny.build(tmp_path / "piper" / "amy.onnx"))
    with pytest.raises(EngineFailed) as failure:
        piper.load(_settings(tmp_path))
    assert "amy" in failure.value.message
    assert "\n" not in failure.value.message and len(failure.value.message) < 400


def test_each_speaker_is_a_voice(tmp_path: Path) -> None:
    tiny.build(tmp_path / "piper" / "two.onnx", speakers=2, language="en_US")
    engine = piper.load(_settings(tmp_path))
    assert [(voice.name, voice.language) for voice in engine.voices] == [
        ("two", "en-US"), ("two#s0", "en-US"), ("two#s1", "en-US"),
    ]  # fmt: skip
    assert np.array_equal(_sound(engine, "two"), _sound(engine, "two#s0"))
    assert not np.array_equal(_sound(engine, "two"), _sound(engine, "two#s1"))


def test_brackets_are_text_and_not_phonemes(tmp_path: Path) -> None:
    tiny.build(tmp_path / "piper" / "tiny.onnx")
    engine = piper.load(_settings(tmp_path))
    assert sum(len(speech.samples) for speech in engine.synthesize("[[hello there", "")) > engine.rate / 4


def test_a_gpu_that_is_not_there_is_said(tmp_path: Path) -> None:
    tiny.build(tmp_path / "piper" / "tiny.onnx")
    settings = _settings(tmp_path)
    settings = settings.model_copy(update={"tts": settings.tts.model_copy(update={"device": "cuda:99"})})
    with pytest.raises(AdapterError, match="cuda:99|device"):
        piper.load(settings)
