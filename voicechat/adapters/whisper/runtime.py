"""A Whisper model in memory: on which device, in which numbers, with how many threads."""

import ctypes
import importlib.util
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from voicechat.adapters.whisper import models
from voicechat.config import Settings
from voicechat.errors import AdapterError, AdapterUnavailable, EngineFailed

COMPUTE_TYPES: Final = {"cpu": ("int8", "float32"), "cuda": ("float16", "int8_float16", "int8", "float32")}
"""Best first; what a device can do is asked of CTranslate2."""

CUBLAS: Final = ("libcublasLt.so.12", "libcublas.so.12")
"""What CTranslate2 opens by name when it first computes on a GPU; its wheels do not bring it."""

_UNUSABLE: Final = ("is not found or cannot be loaded", "CUDA failed with error", "CUDA driver version")
"""In what it says of a GPU that it cannot use, for want of a library, of memory or of a driver that is new enough."""

ERRORS: Final[tuple[type[Exception], ...]] = (
    EngineFailed, RuntimeError, ValueError, TypeError, KeyError, OSError, MemoryError,
)  # fmt: skip
"""What CTranslate2, faster-whisper and our first reading raise for a model that is broken."""


def find(settings: Settings) -> Path:
    """The wanted model's directory, its files checked. Raises AdapterUnavailable or EngineFailed."""
    directory = models.find(settings)
    if importlib.util.find_spec("faster_whisper") is None:
        raise AdapterUnavailable("library_missing", "asr whisper: the package faster-whisper is not installed")
    models.check(directory)
    return directory


def open_model(directory: Path, settings: Settings) -> Any:
    """A faster_whisper.WhisperModel. Blocking for seconds. Raises AdapterUnavailable or EngineFailed."""
    import faster_whisper

    faster_whisper.transcribe.tqdm.monitor_interval = 0  # or a thread watches progress bars that nobody sees
    wanted = settings.asr.whisper
    device, index = _device(settings.asr.device)
    if device == "cuda":
        _open_cublas()
    compute_type = _compute_type(wanted.compute_type, device, index)
    try:
        return faster_whisper.WhisperModel(
            str(directory),
            device=device,
            device_index=index,
            compute_type=compute_type,
            cpu_threads=wanted.threads,
            num_workers=wanted.workers,
            local_files_only=True,
        )
    except ERRORS as error:
        raise bad_model(directory, error) from error


def bad_model(directory: Path, error: Exception) -> AdapterError:
    """AdapterUnavailable where it is the GPU that cannot be used: another device may do."""
    if any(words in str(error) for words in _UNUSABLE):
        advice = "; pip install nvidia-cublas-cu12" if "libcublas" in str(error) else ""
        return AdapterUnavailable("no_device", f"{directory}: CTranslate2 cannot use the GPU: {line(error)}{advice}")
    return EngineFailed("bad_model", f"{directory}: cannot be loaded: {line(error)}")


def line(error: BaseException) -> str:
    """What went wrong, in one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def known(languages: frozenset[str], language: str) -> str | None:
    """Whisper's code for a language such as en-GB; None, which means listen for it, for any it does not know."""
    code = language.lower().partition("-")[0]
    return code if code in languages else None


def _open_cublas() -> None:
    """From the package of NVIDIA where that is installed: its folder is not one that is looked into by itself."""
    with suppress(ModuleNotFoundError):
        found = importlib.util.find_spec("nvidia.cublas")
        for folder in found.submodule_search_locations or () if found is not None else ():
            for name in CUBLAS:
                with suppress(OSError):  # not there; then it says so itself
                    ctypes.CDLL(str(Path(folder) / "lib" / name), ctypes.RTLD_GLOBAL)


def _device(wanted: str) -> tuple[str, int]:
    """CTranslate2's name and number of the wanted device."""
    import ctranslate2

    count = ctranslate2.get_cuda_device_count()
    name, _, number = wanted.partition(":")
    if name == "auto":
        return ("cuda" if count else "cpu"), 0
    index = int(number or 0)
    if name == "cuda" and index >= count:
        raise AdapterUnavailable("no_device", f"asr.device: found {wanted!r}; CTranslate2 sees {count} CUDA devices")
    return name, index


def _compute_type(wanted: str, device: str, index: int) -> str:
    import ctranslate2

    supported = ctranslate2.get_supported_compute_types(device, index)
    if wanted == "default":
        return next((name for name in COMPUTE_TYPES[device] if name in supported), "default")
    if wanted not in {*supported, "auto"}:
        allowed = ", ".join(["default", "auto", *sorted(supported)])
        raise AdapterUnavailable(
            "no_compute_type", f"asr.whisper.compute_type: found {wanted!r}; allowed on {device} here: {allowed}"
        )
    return wanted
