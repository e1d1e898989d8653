"""The detector adapter, with ONNX models of a few hundred bytes that the test makes itself."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from faster_whisper.feature_extractor import FeatureExtractor
from onnx import TensorProto, helper

from voicechat.adapters import names
from voicechat.adapters.turn import smart_turn
from voicechat.adapters.whisper.features import SAMPLES, features, log_mel
from voicechat.audio import LISTEN_RATE, Samples, silence
from voicechat.config import Settings
from voicechat.errors import AdapterUnavailable, EngineFailed


def build(path: Path, *, shape: tuple[int | str, ...] = ("batch", 80, 800), sigmoid: bool = True) -> Path:
    """A detector that finds a turn the more over, the lower the mean of its last 20 columns lies."""
    nodes = [
        helper.make_node("Slice", ["input_features", "from", "to", "axis"], ["last"]),
        helper.make_node("ReduceMean", ["last"], ["mean"], axes=list(range(1, len(shape))), keepdims=0),
        helper.make_node("Mul", ["mean", "steep"], ["scaled"]),
        helper.make_node("Sigmoid" if sigmoid else "Identity", ["scaled"], ["flat"]),
        helper.make_node("Unsqueeze", ["flat", "one"], ["logits"]),
    ]
    constants = [
        helper.make_tensor("from", TensorProto.INT64, [1], [-20]),
        helper.make_tensor("to", TensorProto.INT64, [1], [2**31]),
        helper.make_tensor("axis", TensorProto.INT64, [1], [len(shape) - 1]),
        helper.make_tensor("one", TensorProto.INT64, [1], [1]),
        helper.make_tensor("steep", TensorProto.FLOAT, [], [-20.0]),
    ]
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("input_features", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1])],
        constants,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path


def configured(detector: str, root: Path) -> Settings:
    return Settings.model_validate({"turn": {"detector": detector}, "models": {"root": str(root)}})


def hiss(seconds: float) -> Samples:
    sound = np.random.default_rng(3).standard_normal(round(seconds * LISTEN_RATE))
    return np.asarray(3000 * sound).astype(np.int16)


def test_the_adapter_is_found_by_its_name() -> None:
    assert names("turn") == ["smart_turn"]


def test_the_end_of_the_sound_decides(tmp_path: Path) -> None:
    build(tmp_path / "turn" / "tiny.onnx")
    detector = smart_turn.load(configured("tiny", tmp_path))
    over = detector.finished(np.concatenate((hiss(2.0), silence(0.3, LISTEN_RATE))))
    more = detector.finished(np.concatenate((silence(0.3, LISTEN_RATE), hiss(2.0))))
    assert over > 0.9 and more < 0.1


def test_a_path_is_as_good_as_a_name(tmp_path: Path) -> None:
    path = build(tmp_path / "elsewhere" / "mine.onnx")
    assert 0.0 <= smart_turn.load(configured(str(path), tmp_path)).finished(hiss(0.5)) <= 1.0


@pytest.mark.parametrize("wanted", ["", "missing", "/nowhere/missing.onnx"])
def test_a_missing_file_is_named(wanted: str, tmp_path: Path) -> None:
    with pytest.raises(AdapterUnavailable, match=r"turn\.detector: no file"):
        smart_turn.load(configured(wanted, tmp_path))


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no model at all")
    with pytest.raises(EngineFailed, match=r"broken\.onnx"):
        smart_turn.load(configured(str(path), tmp_path))


@pytest.mark.parametrize("shape", [("batch", 80, 3000), (1, 128, 800), ("batch", 128000)])
def test_a_model_for_other_features_is_refused(shape: tuple[int | str, ...], tmp_path: Path) -> None:
    path = build(tmp_path / "other.onnx", shape=shape)
    with pytest.raises(EngineFailed, match=r"\[1, 80, 800\] is expected"):
        smart_turn.load(configured(str(path), tmp_path))


def test_a_model_that_gives_no_probability_is_refused(tmp_path: Path) -> None:
    path = build(tmp_path / "scores.onnx", sigmoid=False)
    with pytest.raises(EngineFailed, match="one probability is expected"):
        smart_turn.load(configured(str(path), tmp_path))


@pytest.mark.parametrize("seconds", [0.0, 0.5, 8.0, 11.0])
def test_features_have_one_shape_and_are_numbers(seconds: float) -> None:
    found = features(hiss(seconds))
    assert found.shape == (1, 80, 800) and found.dtype == np.float32
    assert np.isfinite(found).all()


def test_features_are_of_the_end_of_the_sound() -> None:
    sound = hiss(9.0)
    assert np.array_equal(features(sound), features(sound[-SAMPLES:]))


def test_features_are_those_of_whisper() -> None:
    sound = np.random.default_rng(1).standard_normal(SAMPLES).astype(np.float32)
    sound[: SAMPLES // 3] = 0.0
    expected = FeatureExtractor(chunk_length=8)(sound, padding=0)
    assert np.abs(log_mel(sound) - expected).max() < 1e-4
