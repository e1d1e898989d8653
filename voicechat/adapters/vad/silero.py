"""Silero, a small neural detector: hears speech and lets noise pass. Its model comes inside the faster-whisper wheel.

The model looks at windows of 512 samples (32 ms at 16 kHz), each with the 64 samples before it, and carries two state
arrays from one to the next.
"""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from voicechat.adapters.onnx import runtime
from voicechat.audio import Framer, Samples
from voicechat.config import Settings
from voicechat.errors import AdapterUnavailable
from voicechat.protocols import VadStream

if TYPE_CHECKING:
    import onnxruntime

MODEL: Final = Path("assets") / "silero_vad_v6.onnx"
WINDOW: Final = 512
CONTEXT: Final = 64
STATE: Final = (1, 1, 128)


class SileroStream:
    """One caller's state beside the shared model."""

    _context: NDArray[np.float32]
    _hidden: NDArray[np.float32]
    _cell: NDArray[np.float32]

    def __init__(self, session: "onnxruntime.InferenceSession") -> None:
        self._session = session
        self._framer = Framer(WINDOW)
        self.reset()

    def probability(self, samples: Samples) -> float:
        """That of the last whole window; every second or third frame of 20 ms completes none."""
        for window in self._framer.push(samples):
            self._probability = self._look(window.astype(np.float32) / 32768.0)
        return self._probability

    def _look(self, window: NDArray[np.float32]) -> float:
        heard = np.concatenate((self._context, window))
        self._context = heard[-CONTEXT:]
        inputs = {"input": heard[np.newaxis], "h": self._hidden, "c": self._cell}
        output, self._hidden, self._cell = self._session.run(None, inputs)
        return float(output.item())

    def reset(self) -> None:
        self._framer.clear()
        self._context = np.zeros(CONTEXT, np.float32)
        self._hidden = np.zeros(STATE, np.float32)
        self._cell = np.zeros(STATE, np.float32)
        self._probability = 0.0


class Silero:
    """The model, shared by all callers."""

    def __init__(self, session: "onnxruntime.InferenceSession") -> None:
        self._session = session

    def open(self) -> VadStream:
        return SileroStream(self._session)


def load(settings: Settings) -> Silero:
    """Takes about 40 ms. Raises AdapterUnavailable without the model, EngineFailed for a broken one."""
    path = find_model()
    if path is None:
        raise AdapterUnavailable("model_missing", f"silero needs {MODEL} of the package faster-whisper 1.2.1 or newer")
    return Silero(runtime.open_session(path))


def find_model() -> Path | None:
    """Where the wheel keeps it, without importing faster_whisper, which takes seconds."""
    spec = importlib.util.find_spec("faster_whisper")
    folders = (spec.submodule_search_locations if spec else None) or []
    return next((path for folder in folders if (path := Path(folder) / MODEL).is_file()), None)
