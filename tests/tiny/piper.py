"""A real Piper voice of 3 KB: each phoneme is a tone of its own, as long as the hop and `length_scale` say."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP

RATE: Final = 22_050
SILENT: Final = "^$ !'(),-.:;?"
PAD: Final = "_"


def build(path: Path, *, speakers: int = 1, language: str = "en-us", hop: int = 512, work: int = 0) -> Path:
    """Writes `path` (.onnx) and its .json; returns the path. Each further speaker sounds a third higher.

    With `work` it multiplies 512 by 512 so many times for each 256 samples, and takes as long as a real voice: those of
    medium quality need a tenth of a second of one core for each second of sound, as this one does with about 200.

    The inputs are those of Piper's own exports: phoneme ids (1, n), their number, the scales for noise, length and
    width, and the speaker where there is more than one. The output is (1, 1, 1, n * hop * length).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(_model(speakers, hop, work), str(path))
    description = {
        "audio": {"sample_rate": RATE, "quality": "tiny"},
        "espeak": {"voice": language.lower().replace("_", "-")},
        "language": {"code": language},
        "phoneme_type": "espeak",
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
        "num_symbols": _symbols(),
        "num_speakers": speakers,
        "hop_length": hop,
        "speaker_id_map": {f"s{number}": number for number in range(speakers)} if speakers > 1 else {},
        "phoneme_id_map": {symbol: list(ids) for symbol, ids in DEFAULT_PHONEME_ID_MAP.items()},
    }
    path.with_name(f"{path.name}.json").write_text(json.dumps(description), encoding="utf-8")
    return path


def _symbols() -> int:
    return 1 + max(id for ids in DEFAULT_PHONEME_ID_MAP.values() for id in ids)


def _tones() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pitch in Hz and loudness of each phoneme id."""
    pitches = np.array([110.0 * 2 ** (id % 24 / 12) for id in range(_symbols())], np.float32)
    loudness = np.full(len(pitches), 0.6, np.float32)
    loudness[list(DEFAULT_PHONEME_ID_MAP[PAD])] = 0.25
    loudness[[id for symbol in SILENT for id in DEFAULT_PHONEME_ID_MAP.get(symbol, [])]] = 0.0
    return pitches, loudness


def _model(speakers: int, hop: int, work: int) -> onnx.ModelProto:
    pitches, loudness = _tones()
    constants = {
        "pitches": pitches,
        "loudness": loudness,
        "hop": np.float32(hop),
        "pi": np.float32(np.pi),
        "turn": np.float32(2 * np.pi / RATE),
        "third": np.float32(2 ** (1 / 3)),
        "0": np.int64(0),
        "1": np.int64(1),
        "flat": np.array([-1], np.int64),
        "shape": np.array([1, 1, 1, -1], np.int64),
    }
    steps = [
        ("Gather", "scales 1", "length_scale"),
        ("Mul", "hop length_scale", "samples_each"),
        ("Cast INT64", "samples_each", "each"),
        ("Gather", "input_lengths 0", "phonemes"),
        ("Mul", "phonemes each", "samples"),
        ("Range", "0 samples 1", "at"),
        ("Div", "at each", "which"),  # whole numbers: the phoneme that each sample belongs to
        ("Reshape", "input flat", "ids"),
        ("Gather", "ids which", "id"),
        ("Gather", "pitches id", "pitch"),
        ("Gather", "loudness id", "loud"),
        ("Mul", "which each", "begin"),
        ("Sub", "at begin", "since"),
        ("Cast FLOAT", "since", "since_float"),
        ("Cast FLOAT", "each", "each_float"),
        ("Div", "since_float each_float", "share"),
        ("Mul", "share pi", "half_turns"),
        ("Sin", "half_turns", "envelope"),  # no click where phonemes meet
        ("Gather", "sid 0", "speaker") if speakers > 1 else ("Identity", "0", "speaker"),
        ("Cast FLOAT", "speaker", "speaker_float"),
        ("Pow", "third speaker_float", "ratio"),
        ("Mul", "pitch ratio", "sung"),
        ("Mul", "sung since_float", "cycles"),
        ("Mul", "cycles turn", "angle"),
        ("Sin", "angle", "wave"),
        ("Mul", "wave envelope", "shaped"),
        ("Mul", "shaped loud", "sound"),
        ("Reshape", "sound shape", "output" if not work else "light"),
    ]
    if work:
        constants |= {
            "frame": np.int64(256),
            "square": (np.random.default_rng(0).standard_normal((512, 512)) / 23).astype(np.float32),
            "row": np.zeros((1, 512), np.float32),
            "nothing": np.float32(0),
            "column": np.array([1], np.int64),
        }
        steps += _toil(work)
    inputs = {"input": (TensorProto.INT64, ["batch", "n"]), "input_lengths": (TensorProto.INT64, ["batch"])}
    inputs["scales"] = (TensorProto.FLOAT, ["three"])
    if speakers > 1:
        inputs["sid"] = (TensorProto.INT64, ["batch"])
    graph = helper.make_graph(
        [_node(*step) for step in steps],
        "tiny-piper",
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", "one", "channel", "time"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)  # as Piper exports
    onnx.checker.check_model(model)
    return model


def _toil(times: int) -> Iterator[tuple[str, str, str]]:
    """Much work for one zero, which is added to the sound."""
    yield "Range", "0 samples frame", "frames"
    yield "Cast FLOAT", "frames", "frames_float"
    yield "Unsqueeze", "frames_float column", "frames_column"
    yield "Add", "frames_column row", "toil_0"
    for number in range(times):
        yield "MatMul", f"toil_{number} square", f"product_{number}"
        yield "Tanh", f"product_{number}", f"toil_{number + 1}"
    yield "ReduceMax", f"toil_{times}", "result"
    yield "Mul", "result nothing", "zero"
    yield "Add", "light zero", "output"


def _node(operation: str, inputs: str, output: str) -> onnx.NodeProto:
    kind, *to = operation.split()
    attributes = {"to": TensorProto.DataType.Value(to[0])} if to else {}
    return helper.make_node(kind, inputs.split(), [output], **attributes)
