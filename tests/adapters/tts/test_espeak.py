"""The embedded voice: where words begin, how text is cut, and two lanes on one library."""

import sys
import threading

import numpy as np
import pytest

from voicechat.adapters.tts import espeak
from voicechat.audio import Samples, level
from voicechat.config import EspeakSettings, Settings, TtsSettings
from voicechat.errors import AdapterUnavailable


@pytest.fixture
def engine() -> espeak.Espeak:
    return espeak.load(Settings())


def _words(engine: espeak.Espeak, text: str) -> tuple[Samples, list[tuple[float, str]]]:
    """The sound, and when each piece of text begins, in seconds."""
    pieces, words, at = [], [], 0
    for speech in engine.synthesize(text, ""):
        if speech.text:
            words.append((at / engine.rate, speech.text))
        pieces.append(speech.samples)
        at += len(speech.samples)
    return np.concatenate(pieces), words


def test_each_word_begins_later_than_the_one_before(engine: espeak.Espeak) -> None:
    sound, words = _words(engine, "The train to Rotterdam leaves at 10:42, from platform number seven.")
    times = [time for time, _ in words]
    assert [word for _, word in words] == "The train to Rotterdam leaves at 10:42, from platform number seven.".split()
    assert times == sorted(set(times))
    assert times[0] == 0 and times[-1] < len(sound) / engine.rate


def test_a_word_is_marked_where_its_sound_begins(engine: espeak.Espeak) -> None:
    sound, words = _words(engine, "Stop, go, stop, go.")
    for time, word in words[1:]:
        mark = round(time * engine.rate)
        before, after = sound[mark - engine.rate // 20 : mark], sound[mark : mark + engine.rate // 5]
        assert level(before) < -50, f"the pause before {word!r}"
        assert level(after) > -35, f"the sound of {word!r}"


def test_a_clause_ends_with_its_pause(engine: espeak.Espeak) -> None:
    stopped, _ = _words(engine, "I am here.")
    running, _ = _words(engine, "I am here")
    assert level(stopped[-engine.rate // 5 :]) < -50
    assert len(stopped) > len(running) + engine.rate // 5


def test_words_per_minute_set_the_pace() -> None:
    calm, hasty = (
        espeak.load(Settings(tts=TtsSettings(espeak=EspeakSettings(words_per_minute=pace)))) for pace in (100, 300)
    )
    text = "This takes a while to say"
    assert len(_words(calm, text)[0]) > 2 * len(_words(hasty, text)[0])


def test_voices_sound_different(engine: espeak.Espeak) -> None:
    text = "Hello there, how are you?"
    sounds = [np.concatenate([speech.samples for speech in engine.synthesize(text, v.name)]) for v in engine.voices]
    shapes = {np.abs(np.fft.rfft(sound[: engine.rate].astype(float)))[:4000].argmax() for sound in sounds}
    assert len(shapes) > len(sounds) / 2


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("  Well,  yes: no\n", [["Well,"], ["yes:"], ["no"]]),
        ("“No!” he said", [["“No!”"], ["he", "said"]]),
        ('" ) end', [['"', ")", "end"]]),
        ("Mr. Smith came", [["Mr.", "Smith", "came"]]),
        ("x" * 70, [["x" * 60, "x" * 10]]),
        ("word " * 30, [["word"] * 24, ["word"] * 6]),
        ("This one is far beyond sixty characters before its full stop comes. Next", [
            "This one is far beyond sixty characters before its full stop comes.".split(), ["Next"],
        ]),
        ("a\0b \ud800", [["a", "b", "?"]]),
    ],
)  # fmt: skip
def test_text_is_cut_where_a_clause_ends(text: str, parts: list[list[str]]) -> None:
    assert espeak.clauses(text) == parts


@pytest.mark.parametrize(
    ("words", "marks", "stretches"),
    [
        ("one two", [(0, 0), (500, 4)], [(0, 500, "one"), (500, 900, "two")]),
        ("late two", [(90, 0), (500, 5)], [(0, 500, "late"), (500, 900, "two")]),
        ("25 people", [(0, 0), (200, 1), (500, 3)], [(0, 500, "25"), (500, 900, "people")]),
        ("of the king", [(0, 0), (500, 7)], [(0, 500, "of"), (500, 900, "the king")]),
        ("yes –", [(0, 0)], [(0, 900, "yes –")]),
        ("...", [], [(0, 900, "...")]),
        ("a b", [(0, 0), (0, 2)], [(0, 900, "a b")]),
        ("a b", [(0, 0), (900, 2)], [(0, 900, "a b")]),
        ("a b", [(0, 0), (500, 99)], [(0, 500, "a"), (500, 900, "b")]),
        ("a b c", [(0, 0), (500, 4), (600, 2)], [(0, 500, "a"), (500, 900, "b c")]),
    ],
)
def test_marks_cut_the_sound_into_words(
    words: str, marks: list[tuple[int, int]], stretches: list[tuple[int, int, str]]
) -> None:
    assert list(espeak.stretches(words.split(), marks, 900)) == stretches


def test_two_threads_get_their_own_sound(engine: espeak.Espeak) -> None:
    texts = ("The first caller hears about the weather.", "Der zweite Anrufer fragt etwas ganz anderes, und länger.")
    voices = ("en-gb", "de")
    engines = (engine, espeak.load(Settings()))
    alone = [sum(len(s.samples) for s in engine.synthesize(t, v)) for t, v in zip(texts, voices, strict=True)]
    lengths: tuple[list[int], list[int]] = ([], [])

    def speak(caller: int) -> None:
        for _ in range(25):
            speaking = engines[caller].synthesize(texts[caller], voices[caller])
            lengths[caller].append(sum(len(speech.samples) for speech in speaking))

    threads = [threading.Thread(target=speak, args=(caller,)) for caller in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for caller in (0, 1):
        assert lengths[caller] == pytest.approx([alone[caller]] * 25, rel=0.03)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(AdapterUnavailable, match="pip install espeakng-loader"):
        espeak._library.__wrapped__()
