"""Silero: windows out of frames, the model's place, human speech and real noise."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from voicechat.adapters.vad import silero
from voicechat.audio import Framer, read_wav
from voicechat.config import Settings
from voicechat.errors import AdapterUnavailable


def _speech_share(clip: Path) -> float:
    """How much of the clip is taken for speech."""
    stream = silero.load(Settings()).open()
    return float(np.mean([stream.probability(frame) >= 0.5 for frame in Framer(320).push(read_wav(clip).samples)]))


@pytest.mark.parametrize("clip", ["LJ001-0002", "lamp", "leopard_en", "vctk_noisy_002", "sb_spk1_snt3", "vosk_digits"])
def test_human_speech_is_heard(speech: Path, clip: str) -> None:
    assert _speech_share(speech / f"{clip}.wav") > 0.3


@pytest.mark.parametrize("clip", ["sbnoise_1", "sbnoise_2", "sbnoise_4", "koala_noise", "esc_dog"])
def test_real_noise_is_not(speech: Path, clip: str) -> None:
    assert _speech_share(speech / f"{clip}.wav") < 0.05


def test_frames_of_any_size_make_the_same_windows() -> None:
    sound = (np.random.default_rng(3).standard_normal(512 * 20) * 3000).astype(np.int16)
    engine = silero.load(Settings())
    small, whole = engine.open(), engine.open()
    by_frames = [small.probability(frame) for frame in Framer(320).push(sound)]
    by_windows = [whole.probability(window) for window in Framer(512).push(sound)]
    assert list(dict.fromkeys(by_frames[1:])) == by_windows


def test_it_does_not_import_faster_whisper() -> None:
    code = (
        "import sys; from voicechat.adapters.vad import silero; from voicechat.config import Settings;"
        "silero.load(Settings()).open(); sys.exit('faster_whisper' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], timeout=50).returncode == 0


def test_without_the_model_it_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silero, "MODEL", Path("assets") / "none.onnx")
    with pytest.raises(AdapterUnavailable, match="faster-whisper"):
        silero.load(Settings())
