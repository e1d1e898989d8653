"""Piper: which voice is taken, what a broken one says, and speakers."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from piper import PiperVoice

from tests.tiny import piper as tiny
from voicechat.adapters.tts import piper
from voicechat.adapters.vad import silero
from voicechat.audio import Samples
from voicechat.config import ModelSettings, PiperSettings, Settings, TtsSettings
from voicechat.errors import AdapterUnavailable, EngineFailed


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


@pytest.mark.parametrize("name", ["en_US-amy-medium", "piper-en_US-amy-medium", "piper-amy", "amy"])
def test_a_voice_is_found_by_its_name_in_the_catalogue(tmp_path: Path, name: str) -> None:
    for quality in ("low", "medium"):
        tiny.build(tmp_path / "piper" / f"en_US-amy-{quality}.onnx")
    assert piper.load(_settings(tmp_path, name)).voices[0].name == "en_US-amy-medium"


@pytest.mark.parametrize("model", ["", "amy", "piper-amy", "../amy", "nowhere/amy.onnx"])
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


def _two_channels(voice: Path) -> None:
    """The inputs of Piper, and two rows of output."""
    _answer(voice, np.ones((2, 100), np.float32))


def _answer(voice: Path, output: np.ndarray[Any, Any]) -> None:
    _save(voice, [helper.make_node("Identity", ["constant"], ["output"])], {"constant": output})


def _save(voice: Path, nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray[Any, Any]]) -> None:
    kinds = {"input": TensorProto.INT64, "input_lengths": TensorProto.INT64, "scales": TensorProto.FLOAT}
    graph = helper.make_graph(
        nodes,
        "other",
        [helper.make_tensor_value_info(name, kind, None) for name, kind in kinds.items()],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8), str(voice))


def _huge_tensor(voice: Path) -> None:
    """Its weights are said to take 16 TB."""
    model = onnx.load(str(voice))
    model.graph.initializer[0].dims[:] = [1 << 21, 1 << 21]
    onnx.save(model, str(voice))


def _huge_output(voice: Path) -> None:
    nodes = [helper.make_node("Expand", ["one", "shape"], ["output"])]
    _save(voice, nodes, {"one": np.ones(1, np.float32), "shape": np.array([1 << 44], np.int64)})


def _damaged_name(voice: Path) -> None:
    """The error that onnxruntime has for it cannot be read as text."""
    voice.write_bytes(voice.read_bytes().replace(b"samples_each", b"samples\xf5each", 1))


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "spoil",
    [
        _two_channels,
        lambda voice: _answer(voice, np.zeros(0, np.float32)),
        lambda voice: _answer(voice, np.full(100, np.nan, np.float32)),
        lambda voice: _answer(voice, np.zeros((), np.float32)),
        _huge_tensor,
        _huge_output,
        _damaged_name,
        lambda voice: _directory(voice.with_name("amy.onnx.json")),
        lambda voice: _write(voice.with_name("amy.onnx.json"), b"\xff\xfe"),
        _change(inference={"length_scale": 0}),
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
    assert failure.value.code == "bad_model"
    assert "amy" in failure.value.message
    assert "\n" not in failure.value.message and len(failure.value.message) < 400


def test_a_directory_is_no_voice(tmp_path: Path) -> None:
    _directory(tiny.build(tmp_path / "piper" / "amy.onnx"))
    with pytest.raises(AdapterUnavailable) as failure:
        piper.load(_settings(tmp_path, "amy"))
    assert failure.value.code == "model_missing"


def test_a_broken_voice_leaves_the_good_one_its_voice(tmp_path: Path) -> None:
    tiny.build(tmp_path / "piper" / "good.onnx")
    good = piper.load(_settings(tmp_path, "good"))
    before = _sound(good, "")
    for spoil in (_another_model, _huge_output, lambda voice: _write(voice, b"junk")):
        spoil(tiny.build(tmp_path / "piper" / "amy.onnx"))
        with pytest.raises(EngineFailed):
            piper.load(_settings(tmp_path, "amy"))
    assert np.array_equal(_sound(good, ""), before)


LONG = (
    "I have looked at what you sent me, and it seems to me that each and every page of it is as good as it could be;"
    " thank you very much for all of it."
)


class _Counted:
    """An ONNX session that counts the phonemes it is given."""

    def __init__(self, inner: Any) -> None:
        self._inner, self.phonemes = inner, 0

    def run(self, names: None, inputs: dict[str, Any]) -> Any:
        self.phonemes += inputs["input"].shape[1]
        return self._inner.run(names, inputs)


def test_the_first_sound_of_a_sentence_comes_when_a_third_of_it_is_made(tmp_path: Path) -> None:
    tiny.build(tmp_path / "piper" / "tiny.onnx")
    engine = piper.load(_settings(tmp_path))
    engine._voice.session = counted = _Counted(engine._voice.session)
    next(engine.synthesize(LONG, ""))
    first, counted.phonemes = counted.phonemes, 0
    next(iter(engine._voice.synthesize(LONG)))
    assert 0 < first <= counted.phonemes / 3


@pytest.mark.parametrize("text", ["It is fine as it is. Really?", "Thank you for all that you have done for us"])
def test_a_sentence_without_a_pause_sounds_as_from_piper_itself(tmp_path: Path, text: str) -> None:
    path = tiny.build(tmp_path / "piper" / "tiny.onnx")
    ours = np.concatenate([speech.samples for speech in piper.load(_settings(tmp_path)).synthesize(text, "")])
    theirs = np.concatenate([sentence.audio_int16_array for sentence in PiperVoice.load(path).synthesize(text)])
    assert np.allclose(ours, theirs, atol=1)


def test_no_part_is_louder_than_the_sentence_would_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.build(tmp_path / "piper" / "tiny.onnx")
    engine = piper.load(_settings(tmp_path))
    factors = iter((0.2, 0.1, 0.4))
    speak = engine._voice.phoneme_ids_to_audio

    def softly(ids: list[int], how: Any) -> Any:
        return np.asarray(speak(ids, how)) * next(factors)

    monkeypatch.setattr(engine._voice, "phoneme_ids_to_audio", softly)
    sentence = engine._voice.phonemize(LONG)[0]
    peaks = [int(np.abs(samples).max()) for samples in engine._sounds(sentence, None)]
    assert peaks == [32767, pytest.approx(32767 / 2, rel=0.05), 32767]


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


def _on(device: str, root: Path) -> Settings:
    settings = _settings(root)
    return settings.model_copy(update={"tts": settings.tts.model_copy(update={"device": device})})


@pytest.mark.parametrize("device", ["cuda", "cuda:99"])
def test_a_gpu_that_is_not_there_is_said(tmp_path: Path, device: str) -> None:
    if device == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine may have it")
    tiny.build(tmp_path / "piper" / "tiny.onnx")
    with pytest.raises(AdapterUnavailable, match=device) as failure:
        piper.load(_on(device, tmp_path))
    assert failure.value.code == "no_device"


def test_left_to_itself_it_speaks_on_the_processor_with_the_threads_it_is_given(tmp_path: Path) -> None:
    tiny.build(tmp_path / "piper" / "tiny.onnx")
    session = piper.load(_on("auto", tmp_path))._voice.session
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert session.get_session_options().intra_op_num_threads == 1
