"""What CTranslate2 says of a GPU that it cannot use, as it says it."""

from pathlib import Path

import pytest

from voicechat.adapters.whisper import runtime
from voicechat.errors import AdapterUnavailable, EngineFailed


@pytest.mark.parametrize(
    "said",
    [
        "Library libcublas.so.12 is not found or cannot be loaded",
        "CUDA failed with error out of memory",
        "CUDA failed with error CUDA driver version is insufficient for CUDA runtime version",
    ],
)
def test_gpu_that_cannot_be_used_leaves_the_model_for_another_device(said: str) -> None:
    error = runtime.bad_model(Path("small.en"), RuntimeError(said))
    assert isinstance(error, AdapterUnavailable) and error.code == "no_device"
    assert said in error.message and ("pip install nvidia-cublas-cu12" in error.message) == ("cublas" in said)


def test_broken_model_is_broken_on_every_device() -> None:
    error = runtime.bad_model(Path("small.en"), RuntimeError("Unsupported model binary version"))
    assert isinstance(error, EngineFailed) and error.code == "bad_model"
