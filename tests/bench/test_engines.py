"""The engines' benchmark: what it takes for direct is the same work, and its arithmetic."""

from pathlib import Path

import numpy as np
import pytest

from bench.engines import ECHO, ONE_READING, SCRIPT, SHORT, Bench, Pairs, direct_piper, direct_whisper, models
from voicechat.adapters.asr import whisper
from voicechat.adapters.tts import piper
from voicechat.audio import LISTEN_RATE, AudioFrame
from voicechat.config import Settings


def test_overhead_is_the_median_difference_within_a_pair() -> None:
    pairs = Pairs([0.1, 0.2, 0.1], [0.11, 0.21, 0.5])
    assert pairs.extra == pytest.approx(0.01)
    assert pairs.overhead == pytest.approx(0.1)
    assert pairs.as_json()["server"] == [0.11, 0.21, 0.5]


def test_both_sides_say_and_hear_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.engines.HEAVY", {"work": 1, "width": 64, "layers": 1})
    voice, model = models(tmp_path, None, None)
    bench = Bench(tmp_path, voice, model, 1)
    settings = Settings.model_validate(
        {
            "asr": {"device": "cpu", "whisper": {"model": str(model), "threads": 1}},
            "tts": {"piper": {"model": str(voice)}},
        }
    )
    [theirs] = direct_piper(voice)(ECHO + SHORT)
    ours = np.concatenate([piece.samples for piece in piper.load(settings).synthesize(ECHO + SHORT, "")])
    assert np.allclose(ours, theirs, atol=1)
    heard = bench.short
    assert len(heard) == round(ONE_READING * LISTEN_RATE)
    stream = whisper.load(settings, ()).open("en")
    partials = [stream.accept(AudioFrame(part, LISTEN_RATE)) for part in np.array_split(heard, 9)]
    assert partials == [None] * 9
    assert stream.finish().text == direct_whisper(model)(heard).strip() == SCRIPT
