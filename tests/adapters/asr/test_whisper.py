import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from tests.tiny import whisper as tiny
from voicechat.adapters.asr import whisper
from voicechat.adapters.whisper import models
from voicechat.adapters.whisper.window import Hearing, Piece, Window
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


def window_of(engine: whisper.WhisperEngine) -> Window:
    window = engine._model
    assert isinstance(window, Window)
    return window


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


SPOKEN, GAP = 0.3, 0.1
"""Seconds of each word that a `Reader` reads, and of the quiet after it."""


def say(first: int, count: int) -> Samples:
    """Words by their numbers, as levels."""
    word = np.repeat(np.arange(first, first + count), round((SPOKEN + GAP) * RATE)) * 10 + 3000
    word.reshape(count, -1)[:, round(SPOKEN * RATE) :] = 10
    return word.astype(np.int16)


def quiet(seconds: float) -> Samples:
    return np.full(round(seconds * RATE), 10, np.int16)


class Reader:
    """A model that reads the words of `say`, five to a piece; each reading takes `cost` seconds of the test's clock."""

    languages = frozenset({"en"})

    def __init__(self, cost: float = 0.05) -> None:
        self.now, self.cost = 0.0, cost
        self.read: list[tuple[float, int]] = []  # seconds of sound and words written of each reading
        self.reminders: list[str] = []
        self.engine = whisper.WhisperEngine(self, "en", lambda: self.now)

    def hear(
        self,
        samples: Samples,
        language: str | None,
        *,
        before: str = "",
        times: bool = False,
        temperatures: Sequence[float] = (0.0,),
        weighs: bool = False,
    ) -> Hearing:
        self.now += self.cost
        numbers, counts = np.unique((samples[samples >= 3000] - 3000) // 10, return_counts=True)
        parts = counts / (SPOKEN * RATE)
        words = [f" w{number}" if part > 0.7 else f" v{number}" for number, part in zip(numbers, parts, strict=True)]
        self.read.append((len(samples) / RATE, len(words)))
        self.reminders.append(before)
        if not times:
            return Hearing((Piece("".join(words), None),) if words else (), -0.1, "en")
        pieces = []
        for start in range(0, len(words), 5):
            place = np.flatnonzero(samples == 3000 + 10 * int(numbers[start : start + 5][-1]))[-1]
            pieces.append(Piece("".join(words[start : start + 5]), round(place / RATE / 0.02) * 0.02))
        return Hearing(tuple(pieces), -0.1, "en")

    def close(self) -> None:
        """Nothing to give back."""

    def listen(self, stream: AsrStream, *sounds: Samples) -> list[str]:
        """The partials, in the time that the sound takes."""
        texts = []
        frames = np.concatenate(sounds)
        for start in range(0, len(frames), RATE // 10):
            self.now = self.now + 0.1
            text = stream.accept(AudioFrame(frames[start : start + RATE // 10], RATE))
            texts += [text] if text is not None else []
        return texts


def numbered(first: int, count: int) -> str:
    return " ".join(f"w{number}" for number in range(first, first + count))


def test_partial_comes_about_once_a_second_and_only_when_changed() -> None:
    reader = Reader()
    stream = reader.engine.open("en")
    assert reader.listen(stream, np.tile(say(1, 1), 2)) == []
    assert reader.listen(stream, np.tile(say(1, 1), 1)) == ["w1"]
    assert reader.listen(stream, np.tile(say(1, 1), 10)) == []
    assert 3 <= len(reader.read) <= 5


def test_words_come_while_they_are_spoken() -> None:
    reader = Reader()
    stream = reader.engine.open("en")
    texts = reader.listen(stream, quiet(0.3), say(0, 12), quiet(0.3))
    assert len(texts) >= 4 and texts[-1] == numbered(0, 12)
    assert stream.finish().text == numbered(0, 12)


@pytest.mark.parametrize("count", [1, 3, 10, 25, 60])
def test_after_a_pause_the_final_transcript_is_there_without_another_reading(count: int) -> None:
    reader = Reader()
    stream = reader.engine.open("en")
    reader.listen(stream, quiet(0.3), say(0, count), quiet(0.3))
    readings = len(reader.read)
    assert stream.finish().text == numbered(0, count)
    assert len(reader.read) == readings


def test_cut_off_without_a_pause_nothing_is_lost() -> None:
    for tenths in range(1, 30):
        reader = Reader()
        stream = reader.engine.open("en")
        heard = say(0, 8)[: tenths * RATE // 10]
        reader.listen(stream, quiet(0.3), heard)
        assert stream.finish().text == reader.hear(heard, "en").text.strip()


def test_only_what_is_not_agreed_on_is_read_again() -> None:
    reader = Reader()
    stream = reader.engine.open("en")
    reader.listen(stream, quiet(0.3), say(0, 70))
    assert stream.finish().text == numbered(0, 70)
    assert max(seconds for seconds, _ in reader.read) < 13.0
    seconds, written = reader.read[-1]
    assert written <= 0.4 * 70 and seconds <= 0.4 * 28
    assert len(reader.reminders[-1].split()) == 70 - written


@pytest.mark.parametrize("cost", [0.01, 0.1, 0.3, 0.45])
def test_reading_takes_no_more_than_half_of_the_time(cost: float) -> None:
    reader = Reader(cost)
    stream = reader.engine.open("en")
    sounds = [part for first in range(0, 60, 2) for part in (say(first, 2), quiet(0.3))]
    seconds = len(np.concatenate(sounds)) / RATE
    reader.listen(stream, *sounds)
    while stream.peek() is not None and len(reader.read) < 1000:
        reader.listen(stream, say(60, 1))
        seconds += SPOKEN + GAP
    assert 2 <= len(reader.read) <= 0.5 * seconds / cost
    stream.finish()


def test_callers_who_speak_at_once_share_half_of_the_engines_time() -> None:
    reader = Reader(cost=0.4)
    streams = [reader.engine.open("en") for _ in range(3)]
    for number in range(25):
        for stream in streams:
            for part in np.array_split(say(number, 1), 4):
                stream.accept(AudioFrame(part, RATE))
        reader.now = max(reader.now, number * (SPOKEN + GAP))
    assert 5 <= len(reader.read) <= reader.now / 2 / reader.cost + 1


def test_slow_engine_reads_nothing_while_the_caller_speaks_on() -> None:
    reader = Reader(cost=0.6)
    reader.engine.warm_up()
    reader.now += 1
    stream = reader.engine.open("en")
    assert reader.listen(stream, say(0, 10)) == []
    assert len(reader.read) == 1


def test_slow_engine_too_reads_in_a_pause_and_not_again_at_the_end() -> None:
    reader = Reader(cost=1.5)
    reader.engine.warm_up()
    reader.now += 2
    stream = reader.engine.open("en")
    assert reader.listen(stream, say(0, 2), quiet(0.5)) == [numbered(0, 2)]
    assert stream.finish().text == numbered(0, 2)
    assert len(reader.read) == 2


def test_slow_engine_keeps_half_of_its_time_for_finals() -> None:
    reader = Reader(cost=1.5)
    reader.engine.warm_up()
    reader.now += 2
    first, second = reader.engine.open("en"), reader.engine.open("en")
    assert reader.listen(first, say(0, 2), quiet(0.3)) == [numbered(0, 2)]
    assert reader.listen(second, say(0, 2), quiet(0.3)) == []
    assert second.peek() is None
    assert second.finish().text == numbered(0, 2)


def test_doubtful_words_before_a_pause_are_not_read_again_at_the_end(tmp_path: Path) -> None:
    engine = load(tiny.build(tmp_path, certainty=0.05))
    stream = engine.open("en")
    list(hear(stream, np.concatenate([noise(1.0), silence(0.3, RATE)])))
    engine.close()  # the model would fail now
    assert stream.finish().text == SENTENCE


def test_a_peek_costs_nothing_twice() -> None:
    reader = Reader()
    stream = reader.engine.open("en")
    reader.listen(stream, quiet(0.3), say(0, 3))
    first = stream.peek()
    readings = len(reader.read)
    reader.listen(stream, quiet(0.1))
    assert stream.peek() == first == stream.finish()
    assert first is not None and first.text == numbered(0, 3)
    assert len(reader.read) == readings


def test_what_a_peek_read_is_told_with_the_next_sound() -> None:
    reader = Reader()
    stream = reader.engine.open("en")
    reader.listen(stream, quiet(0.3), say(0, 3))
    stream.peek()
    readings = len(reader.read)
    assert reader.listen(stream, quiet(0.5)) == [numbered(0, 3)], "once, and without another reading"
    assert len(reader.read) == readings


def test_soft_words_at_the_end_are_not_taken_for_quiet() -> None:
    reader = Reader()
    stream = reader.engine.open("en")
    reader.listen(stream, quiet(0.3), say(2400, 5), quiet(0.3), say(0, 1), quiet(0.1))  # 19 dB softer
    assert "w0" in stream.finish().text.split()


@settings_of_hypothesis(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 12), st.sampled_from([0.0, 0.1, 0.2, 0.5, 1.2])), min_size=1, max_size=6))
def test_whatever_the_pauses_no_word_is_lost_or_doubled(parts: list[tuple[int, float]]) -> None:
    reader = Reader()
    stream = reader.engine.open("en")
    spoken = 0
    for count, pause in parts:
        reader.listen(stream, say(spoken, count), quiet(pause))
        stream.peek()
        spoken += count
    assert stream.finish().text == numbered(0, spoken)


def test_thirty_seconds_are_heard_at_once_and_no_more_is_kept(model: Path) -> None:
    engine = load(model)
    stream = engine.open("en")
    list(hear(stream, noise(70.0), step=0.1))
    assert len(stream._tail) <= 30 * RATE
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
    window_of(engine)._beam_size = 0  # CTranslate2 refuses it
    stream = engine.open("en")
    list(hear(stream, noise(0.5)))
    with pytest.raises(EngineFailed) as caught:
        stream.finish()
    assert caught.value.code == "recognition_failed"
    assert "beam" in caught.value.message


def test_processor_computes_in_integers_unless_told_otherwise(model: Path) -> None:
    assert window_of(load(model))._model.model.compute_type == "int8_float32"
    exact = whisper.load(settings(whisper={"model": str(model), "compute_type": "float32"}), ())
    assert window_of(exact)._model.model.compute_type == "float32"


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
def test_directory_in_place_of_a_file_is_an_error(tmp_path: Path, name: str) -> None:
    path = tiny.build(tmp_path) / name
    path.unlink()
    path.mkdir()
    assert name in broken(tmp_path)


def test_tensor_of_a_huge_shape_is_an_error(tmp_path: Path) -> None:
    path = tiny.build(tmp_path) / "model.bin"
    whole = bytearray(path.read_bytes())
    rank = whole.index(b"encoder/conv1/weight\0") + len(b"encoder/conv1/weight\0")
    whole[rank + 1 : rank + 13] = b"\xff\xff\xff\x7f" * 3
    path.write_bytes(whole)
    broken(tmp_path)


def test_model_that_translates_is_no_model_that_hears(tmp_path: Path) -> None:
    tiny.build(tmp_path)
    tiny.build_translator(tmp_path)
    broken(tmp_path)


def test_model_of_other_sounds_is_an_error(tmp_path: Path) -> None:
    mel = {"feature_size": 128, "sampling_rate": 16_000, "hop_length": 160, "n_fft": 400, "chunk_length": 30}
    (tiny.build(tmp_path) / "preprocessor_config.json").write_text(json.dumps(mel))
    broken(tmp_path)


def test_broken_model_leaves_the_good_one_its_hearing(tmp_path: Path, model: Path) -> None:
    engine = load(model)
    for name in ("model.bin", "tokenizer.json"):
        (tiny.build(tmp_path) / name).write_bytes(b"junk")
        broken(tmp_path)
    stream = engine.open("en")
    list(hear(stream, noise(1.0)))
    assert stream.finish().text == SENTENCE


def test_numbers_that_the_processor_cannot_compute_with_are_unavailable(model: Path) -> None:
    with pytest.raises(AdapterUnavailable) as caught:
        whisper.load(settings(whisper={"model": str(model), "compute_type": "int4"}), ())
    assert caught.value.code == "no_compute_type"
    assert "int8" in caught.value.message and "int4" in caught.value.message


@pytest.mark.parametrize("workers", [1, 2])
def test_readings_at_the_same_time_are_as_many_as_told(model: Path, workers: int) -> None:
    engine = whisper.load(settings(whisper={"model": str(model), "threads": 1, "workers": workers}), ())
    assert window_of(engine)._model.model.num_workers == workers
    with ThreadPoolExecutor(4) as lanes:
        texts = list(lanes.map(lambda _: engine.hear(noise(1.0), "en").text, range(8)))
    assert texts == [f" {SENTENCE}"] * 8


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
    found = models.find(settings(root=tmp_path, language=language))
    assert found == tmp_path / "whisper" / best


def test_named_model_comes_from_the_shelf_or_the_cache(tmp_path: Path) -> None:
    cache = tmp_path / "home/.cache/huggingface/hub"
    snapshots = cached(cache, "Systran/faster-whisper-small.en", "old", "new", main="new")
    shelved(tmp_path, "tiny")
    assert models.find(settings("tiny", tmp_path)) == tmp_path / "whisper/tiny"
    assert models.find(settings("small.en", tmp_path)) == snapshots / "new"
    assert models.find(settings("Systran/faster-whisper-small.en", tmp_path)) == snapshots / "new"
    assert models.find(settings(root=tmp_path)) == snapshots / "new"


@pytest.mark.parametrize(("variable", "tail"), [("HF_HUB_CACHE", ""), ("HF_HOME", "hub")])
def test_cache_is_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, tail: str
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "cache"))
    turbo = "mobiuslabsgmbh/faster-whisper-large-v3-turbo"
    snapshots = cached(tmp_path / "cache" / tail, turbo, "newest", "older")
    assert models.find(settings()) == snapshots / "newest"


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
