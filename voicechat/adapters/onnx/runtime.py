"""ONNX models, opened with the threads and the device that they are given and no others."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicechat.errors import AdapterUnavailable, EngineFailed

if TYPE_CHECKING:
    import onnxruntime


def open_session(path: Path, *, threads: int = 1, device: str = "cpu") -> "onnxruntime.InferenceSession":
    """A session on the CPU, or for "cuda" and "cuda:N" on that GPU. Blocks while the model loads.

    Raises AdapterUnavailable where CUDA is asked for and not to be had, EngineFailed for a broken model.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave the cores to others
    options.log_severity_level = 3
    provider = _provider(device)
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=[provider])
    except UnicodeDecodeError as error:  # of a name in a damaged file, within an error of onnxruntime
        raise EngineFailed("bad_model", f"{path}: holds a name that is no text") from error
    except errors() as error:
        raise EngineFailed("bad_model", f"{path}: {first_line(error)}") from error
    if provider[0] not in session.get_providers():  # it falls back to the CPU without a word
        raise AdapterUnavailable("no_device", f"{path}: onnxruntime cannot use {device} here")
    return session


def _provider(device: str) -> tuple[str, dict[str, Any]]:
    import onnxruntime

    kind, _, number = device.partition(":")
    if kind != "cuda":
        return "CPUExecutionProvider", {}
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise AdapterUnavailable(
            "no_device", f"no {device}: this onnxruntime is built without CUDA; install onnxruntime-gpu in its place"
        )
    if hasattr(onnxruntime, "preload_dlls"):  # since 1.21: CUDA's libraries from NVIDIA's packages, not found else
        onnxruntime.preload_dlls()
    # an exhaustive search for the fastest convolution is run again for every new length of input
    return "CUDAExecutionProvider", {"device_id": int(number or 0), "cudnn_conv_algo_search": "HEURISTIC"}


def errors() -> tuple[type[Exception], ...]:
    """What onnxruntime raises. Its errors share no base but Exception, so they are listed from its own module."""
    from onnxruntime.capi import onnxruntime_pybind11_state as native

    return tuple(kind for kind in vars(native).values() if isinstance(kind, type) and issubclass(kind, Exception))


def first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]
