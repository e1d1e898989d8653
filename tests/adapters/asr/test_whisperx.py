"""WhisperX's way of reading: words with times, long recordings, confidence, and the aligner where it is installed."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.tiny import wav2vec2
from tests.tiny import whisper as tiny
from voicechat.adapters.asr import whisperx
from voicechat.adapters.tts import espeak
from voicechat.adapters.whisper import aligner
from voicechat.audio import LISTEN_RATE, AudioFrame, Samples, resample, silence
from voicechat.config import Settings
from voicechat.conversation import TimedWord, Transcript
from voicechat.errors import AdapterUnavailable, EngineFailed

SENTENCE = "Where can I see the dinosaurs?"


def settings(model: Path, **whisperx: object) -> Settings:
    whisper = {"model": str(model), "threads": 1}
    return Settings.model_validate({"asr": {"device": "cpu", "whisper": whisper, "whisperx": whisperx}})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build(tmp_path_factory.mktemp("whisper"), f" {SENTENCE}")


@cache
def speech() -> Samples:
    voice = espeak.load(Settings())
    try:
        sound = np.concatenate([part.samples for part in voice.synthesize(SENTENCE, "")])
        return resample(sound, voice.rate, LISTEN_RATE)
    finally:
        voice.close()


def transcript(engine: whisperx.WhisperXEngine, sound: Samples) -> Transcript:
    stream = engine.open("en")
    for start in range(0, len(sound), LISTEN_RATE):
        stream.accept(AudioFrame(sound[start : start + LISTEN_RATE], LISTEN_RATE))
    try:
        return stream.finish()
    finally:
        stream.close()


def test_each_word_has_its_time_and_confidence(model: Path) -> None:
    lead = silence(1.0, LISTEN_RATE)
    heard = transcript(whisperx.load(settings(model), ()), np.concatenate((lead, speech())))
    assert heard.text == SENTENCE
    assert " ".join(word.text for word in heard.words) == SENTENCE
    assert all(0 <= word.start <= word.end for word in heard.words)
    assert all(0.0 <= word.confidence <= 1.0 for word in heard.words)
    starts = [word.start for word in heard.words]
    assert starts == sorted(starts)
    assert "".join(word.text for word in heard.weighed).strip() == SENTENCE
    likely = [math.exp(word.logprob) for word in heard.weighed]
    assert likely == pytest.approx([word.confidence for word in heard.words])


def test_a_recording_longer_than_whispers_window_is_read_to_its_end(model: Path) -> None:
    part = np.concatenate((speech(), silence(0.5, LISTEN_RATE)))
    sound = np.tile(part, round(100 * LISTEN_RATE / len(part)))
    heard = transcript(whisperx.load(settings(model, batch=2), ()), sound)
    windows = heard.text.count(SENTENCE)  # the tiny model says it once for each
    assert windows >= 3
    assert len(heard.words) == windows * len(SENTENCE.split())
    assert heard.words[-1].end > 30.0
    assert 0.9 < heard.confidence <= 1.0


def test_silence_of_any_length_says_nothing(model: Path) -> None:
    engine = whisperx.load(settings(model), ())
    for seconds in (0.5, 40.0):
        assert transcript(engine, silence(seconds, LISTEN_RATE)) == Transcript("", 0.0, "en")


@dataclass
class Segment:
    start: float
    end: float
    avg_logprob: float


def test_confidence_is_weighted_by_the_segments_length() -> None:
    assert whisperx.confidence([]) == 0.0
    assert whisperx.confidence([Segment(0, 3, -0.1), Segment(5, 6, -0.9)]) == pytest.approx(math.exp(-1.2 / 4))
    assert whisperx.confidence([Segment(2, 2, 0.0)]) == 1.0


def test_what_whisper_makes_up_is_dropped(tmp_path: Path) -> None:
    circles = whisperx.load(settings(tiny.build(tmp_path / "circles", " Thank you." * 20)), ())
    assert transcript(circles, speech()).text == ""
    nobody = tiny.build(tmp_path / "nobody", " Thank you.", certainty=0.14, speech=False)
    assert transcript(whisperx.load(settings(nobody), ()), speech()).text == ""


class Counting:
    """Reads nothing but how much there is; each reading takes `cost` seconds of the test's clock."""

    languages = frozenset({"en"})

    def __init__(self, cost: float) -> None:
        self.cost, self.now = cost, 0.0
        self.read_seconds: list[float] = []

    def read(self, samples: Samples, language: str | None, *, finds_speech: bool = True) -> Transcript:
        self.now += self.cost
        self.read_seconds.append(len(samples) / LISTEN_RATE)
        return Transcript(f"{len(samples)} samples", 1.0, language or "en")

    def close(self) -> None:
        """Nothing to give back."""


def stream_of(reader: Counting) -> whisperx.WhisperXStream:
    return whisperx.WhisperXEngine(reader, "en", lambda: reader.now).open(None)


def accept(stream: whisperx.WhisperXStream, *sounds: Samples) -> Iterator[str]:
    sound = np.concatenate(sounds)
    for start in range(0, len(sound), LISTEN_RATE // 10):
        text = stream.accept(AudioFrame(sound[start : start + LISTEN_RATE // 10], LISTEN_RATE))
        if text is not None:
            yield text


def voice(seconds: float) -> Samples:
    return (3000 * np.random.default_rng(0).standard_normal(round(seconds * LISTEN_RATE))).astype(np.int16)


def quiet(seconds: float) -> Samples:
    return np.full(round(seconds * LISTEN_RATE), 10, np.int16)


def test_after_a_pause_the_transcript_is_there_without_another_reading() -> None:
    reader = Counting(0.1)
    stream = stream_of(reader)
    [told] = accept(stream, quiet(0.3), voice(2.0), quiet(0.5))
    assert stream.peek() == stream.finish() and stream.finish().text == told
    assert len(reader.read_seconds) == 1


@pytest.mark.parametrize("cost", [0.1, 0.4, 3.0])
def test_readings_before_the_end_take_no_more_than_half_of_the_time(cost: float) -> None:
    reader = Counting(cost)
    stream = stream_of(reader)
    sounds = [part for _ in range(10) for part in (voice(0.8), quiet(0.4))]
    list(accept(stream, *sounds))
    assert cost * len(reader.read_seconds) <= 0.5 * 12 or len(reader.read_seconds) == 1
    stream.finish()
    assert reader.read_seconds[-1] >= 11.0


def test_a_long_recording_is_read_once_at_its_end() -> None:
    reader = Counting(0.1)
    stream = stream_of(reader)
    list(accept(stream, voice(31.0)))
    list(accept(stream, *(part for _ in range(20) for part in (voice(1.0), quiet(1.0)))))
    assert (stream.peek(), reader.read_seconds) == (None, [])
    assert stream.finish() == stream.finish()
    assert reader.read_seconds == [pytest.approx(71.0)]


def test_a_closed_stream_and_a_closed_engine_read_nothing(model: Path) -> None:
    engine = whisperx.load(settings(model), ())
    closed, late = engine.open("en"), engine.open("en")
    for stream in (closed, late):
        stream.accept(AudioFrame(speech()[:LISTEN_RATE], LISTEN_RATE))
    closed.close()
    closed.close()
    assert closed.finish().text == ""
    engine.close()
    with pytest.raises(EngineFailed) as caught:
        late.finish()
    assert caught.value.code == "recognition_failed"


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json", "config.json"])
def test_a_broken_model_is_an_error(tmp_path: Path, name: str) -> None:
    (tiny.build(tmp_path) / name).write_bytes(b"junk")
    with pytest.raises(EngineFailed) as caught:
        whisperx.load(settings(tmp_path), ())
    assert caught.value.code == "bad_model"
    assert "\n" not in caught.value.message


def test_an_aligner_that_is_not_there_is_told_before_the_model_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(AdapterUnavailable) as caught:
        whisperx.load(settings(tmp_path / "nowhere", aligner="nonesuch"), ())
    assert caught.value.code == "no_model" and "nonesuch" in caught.value.message


def test_an_aligner_without_its_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(AdapterUnavailable, match="pip install") as caught:
        aligner.load(settings(tmp_path, aligner=str(tmp_path)))
    assert caught.value.code == "library_missing"


def test_whispers_times_stay_where_the_aligner_knows_none() -> None:
    words = [TimedWord("one", 1.0, 1.4), TimedWord("2", 1.5, 1.8)]
    asked = []

    def align(segments: list[dict[str, object]], *_: object) -> dict[str, list[dict[str, object]]]:
        asked.append(segments)
        return {"word_segments": [{"word": "one", "start": 1.02, "end": 1.38, "score": 0.9}, {"word": "2"}]}

    sound = np.zeros(2 * LISTEN_RATE, np.float32)
    assert aligner._aligned(align, (None, None), " one 2", words, sound) == words
    assert asked == [[{"text": " one 2", "start": 0.8, "end": pytest.approx(2.0)}]]


@pytest.mark.filterwarnings("ignore")  # torch and transformers have many
def test_the_aligner_times_each_word(tmp_path: Path) -> None:
    pytest.importorskip("whisperx", reason="the aligner's package is not installed")
    model = wav2vec2.build(tmp_path)
    align = aligner.load(settings(tmp_path, aligner=str(model)))
    words = [[TimedWord("hello", 0.0, 1.0), TimedWord("there", 1.0, 3.0)]]
    [timed] = align([" hello there"], words, 0.1 * np.random.default_rng(0).standard_normal(48_000).astype(np.float32))
    assert [word.text for word in timed] == ["hello", "there"]
    assert 0.0 <= timed[0].start <= timed[0].end <= timed[1].start <= timed[1].end <= 3.0
