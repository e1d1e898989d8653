"""Whisper understands a long recording: each passage is read once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tiny import whisper
from voicechat.adapters.whisper.window import Hearing, Window
from voicechat.audio import LISTEN_RATE, AudioFrame, Samples, silence
from voicechat.config import Settings
from voicechat.house import House

PASSAGES = 5


def noise(seconds: float) -> Samples:
    return np.random.default_rng(3).normal(0, 3000, round(seconds * LISTEN_RATE)).astype(np.int16)


async def test_whisper_reads_each_passage_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whisper.build(tmp_path / "whisper" / "tiny.en", say=" hello there")
    settings = Settings.model_validate({
        "models": {"root": tmp_path},
        "asr": {"engine": "whisper", "whisper": {"model": "tiny.en", "threads": 1}},
        "tts": {"engine": "tone"},
    })
    read: list[float] = []
    hear = Window.hear

    def counted(self: Window, samples: Samples, language: str | None, **options: Any) -> Hearing:
        read.append(len(samples) / LISTEN_RATE)
        return hear(self, samples, language, **options)

    house = House(settings)
    try:
        await house.open()
        assert house.studio is not None
        monkeypatch.setattr(Window, "hear", counted)
        sounds: Sequence[Samples] = [silence(2.0, LISTEN_RATE), noise(6.0)] * PASSAGES
        hearer = house.studio.listen("en")
        await hearer.hear(AudioFrame(np.concatenate(sounds), LISTEN_RATE))
        transcript = await hearer.finish()
        await hearer.close()
    finally:
        await house.close()
    assert len(hearer.passages) == PASSAGES
    assert transcript.text == " ".join(["hello there"] * PASSAGES)
    assert len(read) == PASSAGES, read
