import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from tests.tiny import whisper as tiny
from voicechat.adapters import whisper_models
from voicechat.adapters.asr import whisper
from voicechat.audio import AudioFrame, Samples, read_wav, resample, silence
from voicechat.config import Settings
from voicechat.errors import AdapterUnavailable, EngineFailed
from voicechat.protocols import AsrEngine, AsrStream

RATE = 16_000
SENTENCE = "Hello, how are you?"


@pytest.fixture(autouse=True)
def no_models_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build(tmp_path_factory.mktemp("whisper"))


def settings(model: object = "", root: Path = Path("/nowhere"), **asr: object) -> Settings:
    section = {"device": "cpu", "whisper": {"model": str(model), "threads": 1}, **asr}
    return Settings.model_validate({"asr": section, "models": {"root": root}})


def load(model: Path, language: str = "en", device: str = "cpu") -> whisper.WhisperEngine:
    return whisper.load(settings(model, language=language, device=device), ())


def noise(seconds: float) -> Samples:
    return (3000 * np.random.default_rng(0).standard_normal(round(seconds * RATE))).astype(np.int16)


def hear(stream: AsrStream, samples: Samples, step: float = 0.02) -> Iterator[str]:
    size = round(step * RATE)
    for start in range(0, len(samples), size):
        partial = stream.accept(AudioFrame(samples[start : start + size], RATE))
        if partial is not None:
            yield partial


def test_what_was_said_is_understood(model: Path) -> None:
    engine: AsrEngine = load(model)
    stream = engine.open(None)
    list(hear(stream, noise(1.5)))
    transcript = stream.finish()
    stream.close()
    engine.close()
    assert (transcript.text, transcript.language) == (SENTENCE, "en")
    assert transcript.confidence == pytest.approx(1.0, abs=0.01)


def test_human_speech_passes_through_the_whole_decoder(model: Path, speech: Path) -> None:
    clip = read_wav(speech / "jfk.wav")
    stream = load(model).open("en")
    list(hear(stream, resample(clip.samples, clip.rate, RATE)))
    assert stream.finish().text == SENTENCE


def test_guessed_words_have_little_confidence(tmp_path: Path) -> None:
    stream = load(tiny.build(tmp_path, certainty=0.14)).open("en")
    list(hear(stream, noise(1.0)))
    transcript = stream.finish()
    assert transcript.text == SENTENCE
    assert 0.4 < transcript.confidence < 0.8


def test_several_callers_share_the_model(model: Path) -> None:
    engine = load(model)
    streams = [engine.open("en") for _ in range(3)]
    for stream in streams:
        list(hear(stream, noise(0.5)))
    assert [stream.finish().text for stream in streams] == [SENTENCE] * 3


@pytest.mark.parametrize("sound", [silence(2.0, RATE), noise(2.0) // 2000, silence(0.0, RATE)])
def test_silence_is_not_recognised_at_all(model: Path, sound: Samples) -> None:
    engine = load(model)
    engine.close()  # the model would fail now
    stream = engine.open("en")
    assert list(hear(stream, sound)) == []
    transcript = stream.finish()
    assert (transcript.text, transcript.confidence) == ("", 0.0)


def test_text_made_up_where_nobody_speaks_is_dropped(tmp_path: Path) -> None:
    stream = load(tiny.build(tmp_path, " Thank you for watching.", certainty=0.14, speech=False)).open("en")
    assert list(hear(stream, noise(1.5))) == []
    assert stream.finish().text == ""


def test_text_that_goes_round_in_circles_is_dropped(tmp_path: Path) -> None:
    stream = load(tiny.build(tmp_path, " Thank you." * 20)).open("en")
    list(hear(stream, noise(3.0)))
    assert stream.finish().text == ""


def test_partial_comes_about_once_a_second_and_only_when_changed(model: Path) -> None:
    stream = load(model).open("en")
    assert list(hear(stream, noise(0.9))) == []
    assert list(hear(stream, noise(0.2))) == [SENTENCE]
    assert list(hear(stream, noise(5.0))) == []


class Timed:
    """A model for which each recognition takes `cost` seconds of a clock that the test turns."""

    def __init__(self, model: Path, cost: float) -> None:
        self.now, self.asked, self.cost = 0.0, 0, cost
        self._model = load(model)._model
        self.engine = whisper.WhisperEngine(self, "en", 1, lambda: self.now)

    def __getattr__(self, name: str) -> object:
        if name == "transcribe":
            self.asked += 1
            self.now += self.cost
        return getattr(self._model, name)


def test_partials_take_no_more_than_half_of_the_engines_time(model: Path) -> None:
    timed = Timed(model, cost=0.4)
    streams = [timed.engine.open("en") for _ in range(3)]
    for start in range(0, 10 * RATE, RATE // 10):
        for stream in streams:
            stream.accept(AudioFrame(noise(0.1), RATE))
        timed.now = max(timed.now, start / RATE)
    assert timed.now / 2 / timed.cost - 2 <= timed.asked <= timed.now / 2 / timed.cost + 1


def test_slow_engine_gives_no_partials(model: Path) -> None:
    timed = Timed(model, cost=0.6)
    timed.engine.warm_up()
    stream = timed.engine.open("en")
    assert list(hear(stream, noise(5.0))) == []
    assert stream.finish().text == SENTENCE
    assert timed.asked == 2


def test_thirty_seconds_are_heard_at_once_and_no_more_is_kept(model: Path) -> None:
    engine = load(model)
    stream = engine.open("en")
    list(hear(stream, noise(70.0), step=0.1))
    assert len(stream._sound()) <= 30.1 * RATE
    assert stream.finish().text == SENTENCE  # a second window would say it twice


@pytest.mark.parametrize(
    ("wanted", "language"), [("de", "de"), ("de-AT", "de"), ("EN", "en"), ("tlh", "fr"), ("", "fr")]
)
def test_language_is_the_wanted_one_or_the_heard_one(tmp_path: Path, wanted: str, language: str) -> None:
    stream = load(tiny.build(tmp_path, language="fr"), language="auto").open(wanted)
    list(hear(stream, noise(1.0)))
    assert stream.finish().language == language


def test_english_model_hears_english(tmp_path: Path) -> None:
    stream = load(tiny.build(tmp_path, multilingual=False), language="de").open("de")
    list(hear(stream, noise(1.0)))
    transcript = stream.finish()
    assert (transcript.text, transcript.language) == (SENTENCE, "en")


def test_closed_stream_hears_and_says_nothing(model: Path) -> None:
    stream = load(model).open("en")
    list(hear(stream, noise(1.0)))
    stream.close()
    stream.close()
    assert list(hear(stream, noise(2.0))) == []
    assert stream.finish().text == ""


def test_closed_engine_is_an_error(model: Path) -> None:
    engine = load(model)
    stream = engine.open("en")
    list(hear(stream, noise(0.5)))
    engine.close()
    with pytest.raises(EngineFailed) as caught:
        stream.finish()
    assert caught.value.code == "recognition_failed"


def test_model_that_breaks_is_an_error_with_its_reason(model: Path) -> None:
    engine = load(model)
    engine._beam_size = 0  # CTranslate2 refuses it
    stream = engine.open("en")
    list(hear(stream, noise(0.5)))
    with pytest.raises(EngineFailed) as caught:
        stream.finish()
    assert caught.value.code == "recognition_failed"
    assert "beam" in caught.value.message


def test_processor_computes_in_integers_unless_told_otherwise(model: Path) -> None:
    assert load(model)._model.model.compute_type == "int8_float32"
    exact = whisper.load(settings(whisper={"model": str(model), "compute_type": "float32"}), ())
    assert exact._model.model.compute_type == "float32"


def test_device_that_is_not_there_is_unavailable(model: Path) -> None:
    with pytest.raises(AdapterUnavailable) as caught:
        load(model, device="cuda:97")
    assert caught.value.code == "no_device"
    assert "cuda:97" in caught.value.message


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json", "vocabulary.json"])
def test_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def connect(*_: object) -> NoReturn:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", connect)
    (tiny.build(tmp_path) / name).unlink()
    assert name.partition(".")[0] in broken(tmp_path)


def broken(model: Path) -> str:
    with pytest.raises(EngineFailed) as caught:
        load(model)
    assert caught.value.code == "bad_model"
    assert "\n" not in caught.value.message
    assert caught.value.message.startswith(f"{model}: ")
    return caught.value.message


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json", "vocabulary.json", "config.json"])
@pytest.mark.parametrize("part", [0.0, 0.00002, 0.1, 0.5, 0.99])
def test_file_that_is_cut_short_is_an_error(tmp_path: Path, name: str, part: float) -> None:
    path = tiny.build(tmp_path) / name
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    assert str(tmp_path) in broken(tmp_path)


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json"])
def test_file_of_garbage_is_an_error(tmp_path: Path, name: str) -> None:
    path = tiny.build(tmp_path) / name
    path.write_bytes(b'{"a": 1}' * 1000)
    broken(tmp_path)


def test_tokenizer_of_another_kind_is_an_error(tmp_path: Path) -> None:
    (tiny.build(tmp_path) / "tokenizer.json").write_text(json.dumps({"version": "1.0"}))
    assert "tokenizer" in broken(tmp_path)


def shelved(root: Path, *names: str) -> None:
    for name in names:
        directory = root / "whisper" / name
        directory.mkdir(parents=True)
        (directory / "model.bin").touch()


def cached(cache: Path, repository: str, *snapshots: str, main: str | None = None) -> Path:
    place = cache / f"models--{repository.replace('/', '--')}"
    for age, snapshot in enumerate(snapshots):
        directory = place / "snapshots" / snapshot
        directory.mkdir(parents=True)
        (directory / "model.bin").touch()
        os.utime(directory, (1_000_000 - age, 1_000_000 - age))
    if main is not None:
        (place / "refs").mkdir()
        (place / "refs" / "main").write_text(main)
    return place / "snapshots"


@pytest.mark.parametrize(
    ("names", "language", "best"),
    [
        (["tiny", "small", "large-v3-turbo"], "en", "large-v3-turbo"),
        (["tiny", "medium", "distil-large-v3"], "en", "distil-large-v3"),
        (["tiny", "medium", "distil-large-v3"], "de", "medium"),
        (["base", "base.en", "tiny"], "en-GB", "base.en"),
        (["base", "base.en", "tiny"], "fr", "base"),
        (["tiny", "my-own"], "en", "tiny"),
        (["my-own"], "en", "my-own"),
    ],
)
def test_best_model_for_the_language_is_taken(tmp_path: Path, names: list[str], language: str, best: str) -> None:
    shelved(tmp_path, *names)
    (tmp_path / "whisper" / "large-v3").mkdir()  # an unfinished download
    found = whisper_models.find(settings(root=tmp_path, language=language))
    assert found == tmp_path / "whisper" / best


def test_named_model_comes_from_the_shelf_or_the_cache(tmp_path: Path) -> None:
    cache = tmp_path / "home/.cache/huggingface/hub"
    snapshots = cached(cache, "Systran/faster-whisper-small.en", "old", "new", main="new")
    shelved(tmp_path, "tiny")
    assert whisper_models.find(settings("tiny", tmp_path)) == tmp_path / "whisper/tiny"
    assert whisper_models.find(settings("small.en", tmp_path)) == snapshots / "new"
    assert whisper_models.find(settings("Systran/faster-whisper-small.en", tmp_path)) == snapshots / "new"
    assert whisper_models.find(settings(root=tmp_path)) == snapshots / "new"


@pytest.mark.parametrize(("variable", "tail"), [("HF_HUB_CACHE", ""), ("HF_HOME", "hub")])
def test_cache_is_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, tail: str
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "cache"))
    turbo = "mobiuslabsgmbh/faster-whisper-large-v3-turbo"
    snapshots = cached(tmp_path / "cache" / tail, turbo, "newest", "older")
    assert whisper_models.find(settings()) == snapshots / "newest"


def test_model_from_the_cache_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    tiny.build(tmp_path / "models--Systran--faster-whisper-tiny/snapshots/abc")
    engine = whisper.load(settings(), ["How are you?"])
    stream = engine.open("en")
    list(hear(stream, noise(0.5)))
    assert stream.finish().text == SENTENCE


@pytest.mark.parametrize("wanted", ["", "small", "owner/name", "/no/such/directory"])
def test_absent_model_is_unavailable(tmp_path: Path, wanted: str) -> None:
    with pytest.raises(AdapterUnavailable) as caught:
        whisper.load(settings(wanted, tmp_path), ())
    assert caught.value.code == "no_model"
    assert wanted in caught.value.message
    assert str(tmp_path) in caught.value.message


def test_absent_model_is_noticed_before_anything_heavy_is_imported(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from voicechat.adapters.asr import whisper\n"
        "from voicechat.config import Settings\n"
        "from voicechat.errors import AdapterUnavailable\n"
        f"settings = Settings.model_validate({{'models': {{'root': {str(tmp_path)!r}}}}})\n"
        "try:\n"
        "    whisper.load(settings, ())\n"
        "except AdapterUnavailable:\n"
        "    assert not {'faster_whisper', 'ctranslate2', 'av'} & set(sys.modules)\n"
        "    sys.exit(7)\n"
    )
    environment = {**os.environ, "HOME": str(tmp_path)}
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == 7
