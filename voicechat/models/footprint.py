"""How much memory is in use on a device: before and after a model was loaded, the difference is the model's."""

import importlib
import os
import sys
from pathlib import Path
from typing import Final

from voicechat.models import hardware

STATM: Final = Path("/proc/self/statm")


def used(device: str) -> int:
    """Bytes in use: of this process for cpu, of everybody for cuda:N. 0 where it cannot be told. Blocking."""
    return _resident() if device == "cpu" else _taken(device)


def _resident() -> int:
    try:
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _taken(device: str) -> int:
    """PyTorch knows it in no time, if a model has imported it; the driver's own program takes some 50 ms."""
    if "torch" in sys.modules:
        try:
            free, total = importlib.import_module("torch").cuda.mem_get_info(device)
            return int(total) - int(free)
        except (AttributeError, AssertionError, OSError, RuntimeError, ValueError):
            pass  # it is built without CUDA, or was not told of this device
    return next((found.total - found.free for found in hardware.devices() if found.name == device), 0)
