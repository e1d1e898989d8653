"""The tuner: a grid of settings, tried on recordings, and what is told of it."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.turns import mixing
from tests.turns.voices import say
from voicechat.audio import LISTEN_RATE, silence, write_wav
from voicechat.config import Settings
from voicechat.errors import ConfigError, VoicechatError
from voicechat.rehearsal import tune

FIXED = "turn.endpointing.adaptive=false"


@pytest.fixture
def call(tmp_path: Path) -> Path:
    """Two utterances, the second with a pause of half a second, and their labels."""
    one = mixing.trimmed(say("Where can I see the dinosaurs?"))
    parts = [silence(0.5, LISTEN_RATE), one, silence(2.0, LISTEN_RATE), one, silence(0.5, LISTEN_RATE), one]
    ends = np.cumsum([len(part) for part in parts]) / LISTEN_RATE
    write_wav(tmp_path / "call.wav", LISTEN_RATE, np.concatenate(parts))
    labels = f"{ends[0]}\t{ends[1]}\tspeech\n{ends[2]}\t{ends[5]}\tspeech\n"
    (tmp_path / "call.labels.txt").write_text(labels)
    return tmp_path / "call.wav"


def test_a_grid_is_every_combination() -> None:
    assert tune.grid([]) == [{}]
    assert tune.grid(["a=1,2", "b=3"]) == [{"a": "1", "b": "3"}, {"a": "2", "b": "3"}]


@pytest.mark.parametrize("change", ["turn.silence", "=3", "turn.silence="])
def test_a_change_without_key_or_value_is_told(change: str) -> None:
    with pytest.raises(ConfigError, match="--set: found"):
        tune.grid([change])


def test_a_longer_silence_cuts_off_less_and_waits_longer(call: Path) -> None:
    tapes, tried = tune.run(Settings(), [call], None, [FIXED, "turn.silence=0.3,0.8"])
    quick, patient = (one.figures() for one in tried)
    assert (quick["utterances"], quick["cut_off_percent"], patient["cut_off_percent"]) == (2, 50.0, 0.0)
    assert quick["wait_median_ms"] == pytest.approx(300, abs=100)
    assert patient["wait_median_ms"] == pytest.approx(800, abs=100)
    assert tried[1].name == f"{FIXED} turn.silence=0.8"
    assert tune.notes(tapes, tried) == []


def test_without_labels_too_it_is_told_how_soon_an_answer_is_held(tmp_path: Path) -> None:
    said = mixing.trimmed(say("Where can I see the dinosaurs, and how do I get there?"))
    caller = np.concatenate([silence(3.0, LISTEN_RATE), said, silence(3.0, LISTEN_RATE)])
    bot = np.full(len(caller), 3000, np.int16)
    write_wav(tmp_path / "call.wav", LISTEN_RATE, caller, bot)
    tapes, (one,) = tune.run(Settings(), [tmp_path / "call.wav"], None, [])
    assert tapes[0].guessed
    figures = one.figures()
    assert figures["interruptions"] == 1
    assert figures["pause_p50_ms"] is not None and 20 <= figures["pause_p50_ms"] <= 200


def test_what_was_found_is_drawn_and_written(call: Path) -> None:
    tapes, tried = tune.run(Settings(), [call], None, [])
    assert "wait, median, ms" in "".join(ElementTree.fromstring(tune.plot(tried)).itertext())
    (row,) = json.loads(tune.as_json(tapes, tried))
    assert row["setting"] == "as configured"
    assert row["recordings"]["call.wav"][0][1] == "turn begins"
    assert [line.split()[-1] for line in tune.moments(tapes[0], tried[0].rehearsed[0])][0] == "call.wav"


def test_a_setting_that_is_none_is_told_before_anything_is_tried(call: Path) -> None:
    with pytest.raises(ConfigError, match=r"--set: turn\.silnce: no such setting"):
        tune.run(Settings(), [call], None, ["turn.silnce=0.3"])


def test_one_label_file_goes_with_one_recording(call: Path) -> None:
    with pytest.raises(VoicechatError, match="--labels goes with one recording"):
        tune.run(Settings(), [call, call], call, [])
