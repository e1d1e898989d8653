"""What every recogniser must do. A new file in adapters/asr is found by itself, and needs an entry in SETTINGS."""

import importlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Final, cast

import numpy as np
import pytest

from tests.tiny import whisper
from voicechat.adapters import names
from voicechat.adapters.tts import espeak
from voicechat.audio import LISTEN_RATE, AudioFrame, Samples, resample, silence
from voicechat.config import Settings
from voicechat.conversation import Transcript
from voicechat.protocols import AsrEngine, AsrStream

SENTENCE: Final = "Where can I see the dinosaurs?"
PHRASES: Final = (SENTENCE, "How do I get out of the museum?", "What is a flurblewock?")
FRAME: Final = LISTEN_RATE // 50

ADAPTERS: Final = names("asr")


def _default(_: Path) -> Settings:
    return Settings()


def _with_tiny_whisper(folder: Path) -> Settings:
    model = whisper.build(folder / "whisper" / "tiny", f" {SENTENCE}")
    return Settings.model_validate({"asr": {"device": "cpu", "whisper": {"model": str(model), "threads": 1}}})


SETTINGS: Final[dict[str, Callable[[Path], Settings]]] = {
    "pocketsphinx": _default,
    "scripted": _default,
    "whisper": _with_tiny_whisper,
    "whisperx": _with_tiny_whisper,
}
"""How to give each adapter its model, in a folder that is gone after the test."""

KNOW_THE_END: Final = {"scripted", "whisper", "whisperx"}
"""Their words are written in a script, whatever they hear."""


@pytest.fixture(scope="module", params=ADAPTERS)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsrEngine]:
    name = request.param
    assert name in SETTINGS, f"say in SETTINGS how the adapter {name} gets its model"
    settings = SETTINGS[name](tmp_path_factory.mktemp(name))
    engine = cast(AsrEngine, importlib.import_module(f"voicechat.adapters.asr.{name}").load(settings, PHRASES))
    assert engine.name == name
    yield engine
    engine.close()


@pytest.fixture
def engine(shared: AsrEngine) -> AsrEngine:
    return shared


@cache
def speech() -> Samples:
    """The sentence by the bundled voice, with the quiet around it that a detector leaves."""
    voice = espeak.load(Settings())
    try:
        sound = np.concatenate([part.samples for part in voice.synthesize(SENTENCE, "")])
        rate = voice.rate
    finally:
        voice.close()
    quiet = silence(0.3, LISTEN_RATE)
    return np.concatenate((quiet, resample(sound, rate, LISTEN_RATE), quiet))


def hear(stream: AsrStream, samples: Samples, size: int = 5 * FRAME) -> list[str]:
    """Feeds it all; the partial texts."""
    frames = (AudioFrame(samples[start : start + size], LISTEN_RATE) for start in range(0, len(samples), size))
    return [text for frame in frames if (text := stream.accept(frame)) is not None]


def understood(engine: AsrEngine, samples: Samples, size: int = 5 * FRAME) -> Transcript:
    stream = engine.open(None)
    try:
        hear(stream, samples, size)
        return stream.finish()
    finally:
        stream.close()


def bare(text: str) -> str:
    return text.lower().strip(" ?.")


def test_every_adapter_is_found() -> None:
    assert set(SETTINGS) == set(ADAPTERS)


def test_a_sentence_is_understood(engine: AsrEngine) -> None:
    transcript = understood(engine, speech())
    assert bare(transcript.text) == bare(SENTENCE)
    assert 0.4 <= transcript.confidence <= 1.0
    assert transcript.language == "en"


def test_partial_texts_come_only_when_they_change(engine: AsrEngine) -> None:
    stream = engine.open(None)
    partials = hear(stream, np.concatenate((speech(), silence(1.0, LISTEN_RATE))))
    stream.close()
    assert all(before != after for before, after in zip(partials, partials[1:], strict=False))


@pytest.mark.parametrize("size", [FRAME, 10 * FRAME, 10 * LISTEN_RATE])
def test_pieces_of_any_size_give_the_same_words(engine: AsrEngine, size: int) -> None:
    assert understood(engine, speech(), size).text == understood(engine, speech()).text


def test_the_same_sound_gives_the_same_answer_whoever_spoke_before(engine: AsrEngine) -> None:
    alone = understood(engine, speech())
    noise = (9000 * np.random.default_rng(1).standard_normal(3 * LISTEN_RATE)).astype(np.int16)
    understood(engine, noise)
    assert understood(engine, speech()) == alone


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.2, 2.0])
def test_silence_is_no_speech(engine: AsrEngine, seconds: float) -> None:
    transcript = understood(engine, silence(seconds, LISTEN_RATE))
    assert transcript.text == ""
    assert 0.0 <= transcript.confidence <= 1.0


def test_a_peek_changes_nothing(engine: AsrEngine) -> None:
    stream = engine.open(None)
    for start in range(0, len(speech()), 20 * FRAME):
        hear(stream, speech()[start : start + 20 * FRAME])
        stream.peek()
    assert stream.finish() == understood(engine, speech())
    stream.close()


def test_what_is_seen_in_a_peek_is_the_transcript_if_only_quiet_comes(engine: AsrEngine) -> None:
    stream = engine.open(None)
    hear(stream, np.concatenate((speech(), silence(0.3, LISTEN_RATE))))
    peeked = stream.peek()
    hear(stream, silence(0.3, LISTEN_RATE))
    assert peeked is None or peeked.text == stream.finish().text  # none on a machine that has no time
    stream.close()


def test_a_peek_at_half_a_sentence_is_no_more_than_was_said(engine: AsrEngine) -> None:
    stream = engine.open(None)
    hear(stream, speech()[: round(1.1 * LISTEN_RATE)])
    peeked = stream.peek()
    stream.close()
    assert engine.name in KNOW_THE_END or peeked is None or bare(peeked.text) != bare(SENTENCE)


def test_a_peek_at_silence_sees_nothing(engine: AsrEngine) -> None:
    stream = engine.open(None)
    peeks = [stream.peek()]
    hear(stream, silence(1.5, LISTEN_RATE))
    peeks.append(stream.peek())
    stream.close()
    assert [peek.text for peek in peeks if peek is not None] in ([], [""], ["", ""])


def test_callers_who_speak_at_the_same_time_are_kept_apart(engine: AsrEngine) -> None:
    first, second = engine.open(None), engine.open("en")
    for start in range(0, len(speech()), 5 * FRAME):
        first.accept(AudioFrame(speech()[start : start + 5 * FRAME], LISTEN_RATE))
        second.accept(AudioFrame(silence(0.1, LISTEN_RATE), LISTEN_RATE))
    texts = [second.finish().text, first.finish().text]
    first.close()
    second.close()
    assert [bare(text) for text in texts] == ["", bare(SENTENCE)]


def test_a_caller_who_leaves_takes_nothing_along(engine: AsrEngine) -> None:
    for seconds in (0.0, 0.5, 1.5):
        stream = engine.open(None)
        hear(stream, speech()[: round(seconds * LISTEN_RATE)])
        stream.close()
        stream.close()
    assert bare(understood(engine, speech()).text) == bare(SENTENCE)


def test_any_language_may_be_asked_for(engine: AsrEngine) -> None:
    for language in (None, "en", "en-GB", "de"):
        engine.open(language).close()
