"""Sessions have the threads they were given, and broken models say which file is broken."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny import piper
from voicechat.adapters.onnx.runtime import open_session
from voicechat.errors import AdapterUnavailable, EngineFailed


def test_a_session_has_the_threads_it_was_given(tmp_path: Path) -> None:
    options = open_session(piper.build(tmp_path / "tiny.onnx"), threads=2).get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (2, 1)


@pytest.mark.parametrize("content", [b"", b"junk" * 50])
def test_a_broken_model_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(EngineFailed, match=r"broken\.onnx"):
        open_session(path)


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineFailed, match=r"none\.onnx"):
        open_session(tmp_path / "none.onnx")


def test_cuda_is_refused_where_there_is_none(tmp_path: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    with pytest.raises(AdapterUnavailable, match="onnxruntime-gpu"):
        open_session(piper.build(tmp_path / "tiny.onnx"), device="cuda:0")


def test_onnxruntime_reports_nothing_to_its_maker(tmp_path: Path) -> None:
    code = "import sys, voicechat.adapters.vad, onnxruntime"
    kept = {key: value for key, value in os.environ.items() if key not in ("ORT_DISABLE_TELEMETRY", "CI")}
    environment = {**kept, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, check=True, timeout=50)
    assert list(tmp_path.iterdir()) == []
