"""What every voice must do. A new file in voicechat/adapters/tts is found by itself, and needs an entry in SETTINGS."""

import importlib
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Final, cast

import numpy as np
import pytest

from tests.tiny import piper
from voicechat.adapters import names
from voicechat.audio import MAX_RATE, MIN_RATE, Samples, level
from voicechat.config import ModelSettings, Settings
from voicechat.errors import EngineFailed
from voicechat.protocols import TtsEngine

SENTENCE: Final = "Hello there, I can be interrupted at any time: it is 25 past three – try it!"

ADAPTERS: Final = names("tts")


def _default(_: Path) -> Settings:
    return Settings()


def _with_tiny_piper(folder: Path) -> Settings:
    piper.build(folder / "piper" / "tiny.onnx", speakers=2)
    return Settings(models=ModelSettings(root=folder))


SETTINGS: Final[dict[str, Callable[[Path], Settings]]] = {
    "espeak": _default,
    "piper": _with_tiny_piper,
    "tone": _default,
}
"""How to give each adapter its model, in a folder that is gone after the test."""


@pytest.fixture(params=ADAPTERS)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TtsEngine]:
    name = request.param
    assert name in SETTINGS, f"say in SETTINGS how the adapter {name} gets its model"
    engine = cast(TtsEngine, importlib.import_module(f"voicechat.adapters.tts.{name}").load(SETTINGS[name](tmp_path)))
    assert engine.name == name
    yield engine
    engine.close()


def _sound(engine: TtsEngine, text: str = SENTENCE, voice: str = "", speed: float = 1.0) -> Samples:
    pieces = [speech.samples for speech in engine.synthesize(text, voice, speed)]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)


def test_every_adapter_is_found() -> None:
    assert set(SETTINGS) == set(ADAPTERS)


def test_it_says_what_it_can_do(engine: TtsEngine) -> None:
    assert MIN_RATE <= engine.rate <= MAX_RATE
    names = [voice.name for voice in engine.voices]
    assert names and len(set(names)) == len(names) and "" not in names
    assert {voice.language for voice in engine.voices} <= set(engine.capabilities.languages)


def test_every_voice_is_heard(engine: TtsEngine) -> None:
    for voice in engine.voices:
        sound = _sound(engine, "Good morning.", voice.name)
        assert level(sound) > -40, voice.name


def test_sound_comes_in_short_mono_pieces_of_int16(engine: TtsEngine) -> None:
    pieces = [speech.samples for speech in engine.synthesize(SENTENCE, "")]
    assert len(pieces) > 3
    for samples in pieces:
        assert samples.dtype == np.int16 and samples.ndim == 1
        assert len(samples) <= engine.rate / 2


def test_words_come_in_order_and_none_is_lost(engine: TtsEngine) -> None:
    texts = [speech.text for speech in engine.synthesize(SENTENCE, "")]
    spoken = [text for text in texts if text is not None]
    assert len(spoken) in (0, len(texts)), "word times are known for all pieces or for none"
    if spoken:
        assert " ".join(text for text in spoken if text) == SENTENCE
        assert sum(1 for text in spoken if text) > 5, "words are marked where each of them begins"


def test_speed_changes_the_length(engine: TtsEngine) -> None:
    slow, normal, fast = (len(_sound(engine, speed=speed)) for speed in (0.5, 1.0, 2.0))
    assert slow > 1.5 * normal
    assert fast < 0.67 * normal


def test_closed_half_way_it_speaks_again(engine: TtsEngine) -> None:
    whole = len(_sound(engine))
    for steps in (0, 1, 3):
        speaking = engine.synthesize(SENTENCE, "")
        for _ in range(steps):
            next(speaking)
        speaking.close()  # type: ignore[attr-defined]  # all of them are generators
        assert next(speaking, None) is None
    assert len(_sound(engine)) == pytest.approx(whole, rel=0.03)


def test_dropped_half_way_it_speaks_again(engine: TtsEngine) -> None:
    whole = len(_sound(engine))
    next(engine.synthesize(SENTENCE, ""))
    assert len(_sound(engine)) == pytest.approx(whole, rel=0.03)


def test_two_callers_take_turns_on_one_thread(engine: TtsEngine) -> None:
    texts = (SENTENCE, "Another caller, another sentence; both are heard in full.")
    voices = (engine.voices[0].name, engine.voices[-1].name)
    alone = [len(_sound(engine, text, voice)) for text, voice in zip(texts, voices, strict=True)]
    speaking = [engine.synthesize(text, voice) for text, voice in zip(texts, voices, strict=True)]
    together = [0, 0]
    for pieces in zip_longest(*speaking):
        for caller, piece in enumerate(pieces):
            together[caller] += len(piece.samples) if piece else 0
    assert together == pytest.approx(alone, rel=0.03)


def test_a_voice_is_the_same_whoever_spoke_before(engine: TtsEngine) -> None:
    first = engine.voices[0].name
    lengths = {voice.name: len(_sound(engine, voice=voice.name)) for voice in engine.voices}
    for name, length in lengths.items():
        _sound(engine, "Hello.", first)
        assert len(_sound(engine, voice=name)) == pytest.approx(length, rel=0.03), name


def test_sound_that_was_given_stays_as_it_was(engine: TtsEngine) -> None:
    pieces = [speech.samples for speech in engine.synthesize(SENTENCE, "")]
    before = [piece.copy() for piece in pieces]
    _sound(engine, "Something else entirely.")
    assert all(np.array_equal(piece, copy) for piece, copy in zip(pieces, before, strict=True))


def test_an_unknown_voice_is_refused_by_name(engine: TtsEngine) -> None:
    with pytest.raises(EngineFailed, match="nobody") as failure:
        next(engine.synthesize(SENTENCE, "nobody"))
    assert failure.value.code == "unknown_voice"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t ",
        "...",
        "–",
        "?!",
        "😀",
        "👩‍👩‍👧 🇳🇱",
        "a\0b",
        "\ud800",
        "\x1b[0m",
        "<speak>&lt;</speak>",
        "[[a]]",
        "[[",
        "你好，世界",
        "مرحبا",
        "e\u0301" * 40,
        "7" * 80,
        "a" * 500,
        "word " * 300,
        "one, " * 100,
    ],
)
def test_no_text_breaks_it(engine: TtsEngine, text: str) -> None:
    assert len(_sound(engine, text)) < 200 * engine.rate
    assert level(_sound(engine, "Hello.")) > -40


def test_nothing_to_say_is_no_sound(engine: TtsEngine) -> None:
    assert len(_sound(engine, " ")) == 0


def test_closing_twice_is_closing_once(engine: TtsEngine) -> None:
    engine.close()
    engine.close()
