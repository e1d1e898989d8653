"""An end-of-turn model of the Smart Turn family: hears from the sound alone whether the caller has finished.

Such a model (github.com/pipecat-ai/smart-turn, version 3 and later, 8 MB) is an ONNX file that the operator puts in
place. It takes Whisper's features of the turn's last eight seconds, `input_features` (1, 80, 800), and gives the
probability that the turn is over, (1, 1): its sigmoid is inside.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from voicechat.adapters.onnx import runtime
from voicechat.adapters.whisper.features import FRAMES, MELS, features
from voicechat.audio import Samples
from voicechat.config import Settings
from voicechat.errors import AdapterUnavailable, EngineFailed

if TYPE_CHECKING:
    import onnxruntime

SHAPE: Final = (1, MELS, FRAMES)


class SmartTurn:
    name = "smart_turn"

    def __init__(self, session: "onnxruntime.InferenceSession", path: Path) -> None:
        """Raises EngineFailed for a model that is no such detector; tries it once."""
        self._session, self._path = session, path
        inputs = session.get_inputs()
        self._input: str = inputs[0].name
        fits = len(inputs) == 1 and len(inputs[0].shape) == len(SHAPE) and inputs[0].type == "tensor(float)"
        if not fits or any(isinstance(n, int) and n != m for n, m in zip(inputs[0].shape, SHAPE, strict=True)):
            found = ", ".join(f"{put.name} {put.shape} {put.type}" for put in inputs)
            raise EngineFailed("bad_model", f"{path}: takes {found}; one input of floats {list(SHAPE)} is expected")
        self.finished(np.zeros(0, np.int16))

    def finished(self, sound: Samples) -> float:
        """How likely the turn is over, 0 to 1, of its (n,) samples at 16 kHz, the last eight seconds of them.

        Blocking, for some tens of milliseconds: runs on a lane. Raises EngineFailed.
        """
        try:
            outputs = self._session.run(None, {self._input: features(sound)})
        except runtime.errors() as error:
            raise EngineFailed("engine_failed", f"{self._path}: {runtime.first_line(error)}") from error
        probability: NDArray[np.float32] = np.asarray(outputs[0])
        if probability.size != 1 or not 0.0 <= float(probability.reshape(-1)[0]) <= 1.0:
            raise EngineFailed("bad_model", f"{self._path}: gives {probability.shape}; one probability is expected")
        return float(probability.reshape(-1)[0])

    def close(self) -> None:
        pass


def load(settings: Settings) -> SmartTurn:
    """Blocking while the model loads. Raises AdapterUnavailable without the file, EngineFailed for a broken one."""
    path = _find(settings)
    return SmartTurn(runtime.open_session(path), path)


def _find(settings: Settings) -> Path:
    """`turn.detector` as a path, or as a name in the models' folder."""
    wanted, folder = settings.turn.detector, settings.models.root / "turn"
    for path in (Path(wanted).expanduser(), folder / f"{wanted}.onnx", folder / wanted):
        if wanted and path.is_file():
            return path
    raise AdapterUnavailable("model_missing", f"turn.detector: no file {wanted!r}, and no {wanted}.onnx in {folder}")
