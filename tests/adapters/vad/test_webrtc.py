"""The gate before the WebRTC detector: what it learns, what it lets pass."""

from pathlib import Path

import numpy as np
import pytest
import webrtcvad

from voicechat.adapters.vad import webrtc
from voicechat.audio import LISTEN_RATE, Framer, Samples, read_wav
from voicechat.config import Settings, VadSettings, WebrtcVadSettings


def _gated(sound: Samples, **settings: float) -> float:
    """The share of frames taken for voice."""
    vad = VadSettings(webrtc=WebrtcVadSettings.model_validate(settings))
    stream = webrtc.load(Settings(vad=vad)).open()
    return float(np.mean([stream.probability(frame) for frame in Framer(320).push(sound)]))


def _alone(sound: Samples) -> float:
    """The same of the detector without the gate."""
    detector = webrtcvad.Vad(WebrtcVadSettings().aggressiveness)
    return float(np.mean([detector.is_speech(f.tobytes(), LISTEN_RATE) for f in Framer(320).push(sound)]))


def _hum(seconds: float, peak: float) -> Samples:
    clock = np.arange(round(seconds * LISTEN_RATE))
    return (peak * np.sin(2 * np.pi * 120 * clock / LISTEN_RATE)).astype(np.int16)


def test_the_background_falls_at_once_and_rises_after_two_seconds() -> None:
    background = webrtc.Background(-60.0)
    for _ in range(200):
        background.hear(-30.0)
    assert background.level == pytest.approx(-30.0, abs=0.1)
    for _ in range(8):
        background.hear(-50.0)
    assert background.level == pytest.approx(-50.0, abs=0.2)
    for _ in range(webrtc.MEMORY - 8):
        background.hear(-30.0)
    assert background.level == pytest.approx(-50.0, abs=0.2)
    for _ in range(14):
        background.hear(-30.0)
    assert background.level == pytest.approx(-30.0, abs=0.2)


def test_the_background_never_lies_below_the_floor() -> None:
    background = webrtc.Background(-60.0)
    for _ in range(300):
        background.hear(-100.0)
    assert background.level == -60.0


def test_a_hum_that_fools_the_detector_is_learnt() -> None:
    hum = _hum(20.0, 1400)
    assert _alone(hum) > 0.9
    assert _gated(hum) < 0.15


def test_nothing_below_the_floor_is_voice() -> None:
    assert _gated(_hum(1.0, 1400), floor_db=-60.0) > 0.9
    assert _gated(_hum(1.0, 1400), floor_db=-20.0) == 0.0


def test_human_speech_passes_the_gate(speech: Path) -> None:
    clips = ("LJ001-0002", "lamp", "leopard_en", "vctk_noisy_002", "sb_spk1_snt3", "vosk_digits")
    sounds = [read_wav(speech / f"{clip}.wav").samples for clip in clips]
    assert all(_gated(sound) > 0.35 for sound in sounds)
    assert np.mean([_gated(sound) for sound in sounds]) > 0.85 * np.mean([_alone(sound) for sound in sounds])


def test_the_gate_halves_the_false_alarms_on_real_noise(speech: Path) -> None:
    clips = ("sbnoise_1", "sbnoise_2", "sbnoise_4", "koala_noise")
    sounds = [read_wav(speech / f"{clip}.wav").samples for clip in clips]
    assert np.mean([_gated(sound) for sound in sounds]) < 0.5 * np.mean([_alone(sound) for sound in sounds])
