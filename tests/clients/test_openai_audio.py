"""OpenAI's Python package, unchanged, at /v1/audio/speech, /v1/audio/transcriptions and /v1/models."""

import io
import re
import time
from pathlib import Path

import av
import numpy as np
import pytest

from tests.clients.conftest import Fact, Python
from tests.clients.house import KEY, QUESTION, House

LOSSLESS = {"wav", "flac", "pcm"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audio")


@pytest.fixture(scope="module")
def facts(python: Python, house: House, folder: Path) -> list[Fact]:
    return python("openai_audio.py", house.url, KEY, str(folder))


def all_of(facts: list[Fact], name: str) -> list[Fact]:
    return [fact for fact in facts if fact["fact"] == name]


def seconds(path: Path) -> float:
    """Of a file as FFmpeg decodes it."""
    if path.suffix == ".pcm":
        return path.stat().st_size / 2 / 24_000
    with av.open(io.BytesIO(path.read_bytes()), "r") as file:
        return sum(float(frame.samples / frame.sample_rate) for frame in file.decode(audio=0))


def loudness(path: Path) -> float:
    with av.open(io.BytesIO(path.read_bytes()), "r") as file:
        sound = np.concatenate([frame.to_ndarray()[0].astype(float) for frame in file.decode(audio=0)])
    return float(np.sqrt(np.mean(sound**2)))


def test_each_format_decodes_to_the_length_of_the_words(facts: list[Fact], folder: Path) -> None:
    assert [fact["format"] for fact in all_of(facts, "spoken")] == ["mp3", "opus", "aac", "flac", "wav", "pcm"]
    exact = seconds(folder / "speech.pcm")
    assert 3.0 < exact < 10.0, "fifteen words"
    for path in folder.glob("speech.*"):
        assert seconds(path) == pytest.approx(exact, abs=0.001 if path.suffix[1:] in LOSSLESS else 0.1), path.suffix
    assert loudness(folder / "speech.wav") > 500


def test_sound_comes_as_events_to_who_asks(facts: list[Fact]) -> None:
    (events,) = all_of(facts, "events")
    assert events["first"].startswith('{"type":"speech.audio.delta","audio":"')
    assert events["last"].startswith('{"type":"speech.audio.done","usage"')


def test_voice_that_nobody_has_is_told(facts: list[Fact]) -> None:
    assert [fact["warning"] for fact in all_of(facts, "warned")] == ["voice_unknown"]


def test_leaving_early_frees_the_voice(facts: list[Fact], house: House) -> None:
    (left,) = all_of(facts, "left")
    assert left["bytes"] == 4800

    def clauses(what: str) -> float:
        return house.measured(f"voicechat_synthesis_clauses_{what}") or 0.0

    deadline = time.monotonic() + 20
    made = -1.0
    while clauses('now{engine="espeak"}') or made < (made := clauses('total{engine="espeak",outcome="done"}')):
        assert time.monotonic() < deadline, "it is spoken to the end, or never"
        time.sleep(0.5)
    assert 0 < made < left["clauses"]


def test_each_format_is_understood(facts: list[Fact]) -> None:
    understood = all_of(facts, "understood")
    assert [fact["format"] for fact in understood] == ["mp3", "opus", "aac", "flac", "wav"]
    assert {fact["text"].replace(f" {QUESTION}", "") for fact in understood} == {QUESTION}, "in each passage, the same"


def test_times_and_subtitles_fit_the_recording(facts: list[Fact], folder: Path) -> None:
    (verbose,) = all_of(facts, "verbose")
    assert verbose["duration"] == pytest.approx(seconds(folder / "speech.wav"), abs=0.05)
    assert verbose["words"][: len(QUESTION.split())] == QUESTION.split()
    assert 0 < verbose["ends"][-1] <= verbose["duration"] + 0.2
    text, srt, vtt = (fact["text"] for fact in all_of(facts, "subtitles"))
    assert text.startswith(QUESTION)
    assert re.match(r"1\n00:00:0\d,\d{3} --> 00:00:0\d,\d{3}\n", srt)
    assert vtt.startswith("WEBVTT\n\n00:00:0")


def test_stream_ends_with_the_whole_text(facts: list[Fact]) -> None:
    (streamed,) = all_of(facts, "streamed")
    assert streamed["last"] == "transcript.text.done"
    assert streamed["deltas"] == streamed["text"]
    assert streamed["text"].startswith(QUESTION)


def test_models_are_listed_and_errors_have_their_codes(facts: list[Fact]) -> None:
    (models,) = all_of(facts, "models")
    assert {"espeak", "scripted"} <= set(models["ids"])
    assert [(fact["code"], fact["param"]) for fact in all_of(facts, "refused")] == [
        ("invalid_audio", "file"), ("model_not_found", None),
    ]  # fmt: skip
