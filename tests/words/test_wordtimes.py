"""Where the words of a clause are put in its sound, and that none is lost whatever the sound is."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicechat.audio import Samples
from voicechat.words.envelope import Envelope
from voicechat.words.pace import Pace, length
from voicechat.words.wordtimes import WordTimes

RATE = 16_000


def hum(seconds: float) -> Samples:
    """A voice without syllables."""
    wave: Samples = (8000 * np.sin(2 * np.pi * 150 / RATE * np.arange(round(seconds * RATE)))).astype(np.int16)
    return wave


def quiet(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.int16)


def babble(syllables: int, seconds: float = 0.2) -> Samples:
    swell = np.sin(np.linspace(0, np.pi, round(seconds * RATE))) ** 2
    return np.concatenate([(hum(seconds) * swell).astype(np.int16)] * syllables)


def begins(clause: str, sound: Samples, *, pace: Pace | None = None) -> list[float]:
    """When each word begins, in seconds, when all of the sound is known."""
    times = WordTimes(clause, RATE, pace or Pace())
    times.hear(sound)
    times.finish()
    found, clock = [], 0
    for piece, words in times.split(sound):
        found += [clock / RATE] * len(words.split())
        clock += len(piece)
    return found


@pytest.mark.parametrize(
    ("shorter", "longer"),
    [
        ("a", "strength"),
        ("is", "information"),
        ("cat", "catalogue"),
        ("time", "timer"),
        ("eight", "1984"),
        ("an", "API"),
        ("seven", "$49.99"),
        ("-", "no"),
        ("die", "Straßenbahn"),
    ],
)
def test_longer_words_take_longer(shorter: str, longer: str) -> None:
    assert 0 < length(shorter) < length(longer)


def test_a_steady_voice_gives_each_word_its_share() -> None:
    assert begins("one one one one", hum(2.0)) == pytest.approx([0.0, 0.5, 1.0, 1.5], abs=0.08)


def test_silence_at_the_ends_has_no_words() -> None:
    sound = np.concatenate((quiet(0.5), hum(1.0), quiet(3.0)))
    assert begins("one one", sound) == pytest.approx([0.5, 1.0], abs=0.08)


def test_a_pause_lies_at_the_comma() -> None:
    sound = np.concatenate((hum(0.8), quiet(0.4), hum(0.6)))
    assert begins("one one, one one one", sound) == pytest.approx([0.0, 0.4, 1.2, 1.4, 1.6], abs=0.08)


def test_a_long_pause_without_a_mark_lies_between_two_words() -> None:
    sound = np.concatenate((hum(0.55), quiet(0.4), hum(0.45)))
    assert begins("one one one one", sound)[2] == pytest.approx(0.95, abs=0.08)


def test_words_follow_the_syllables_where_the_voice_slows_down() -> None:
    sound = np.concatenate((babble(4, 0.15), babble(4, 0.4)))
    third = begins("no no no no no no no no", sound)[4]
    assert 0.6 < third < 1.0, "it is at 0.6 s, and half of the time is at 1.1 s"


def test_syllables_are_counted() -> None:
    envelope = Envelope(RATE)
    envelope.push(babble(10, 0.1))
    quickly = envelope.scan().total
    envelope = Envelope(RATE)
    envelope.push(babble(5, 0.2))
    assert quickly > 1.3 * envelope.scan().total


def test_a_pace_is_learnt_clause_by_clause() -> None:
    pace = Pace()
    for _ in range(20):
        begins("one two three four five", hum(3.0), pace=pace)
    slow = WordTimes("one one one one", RATE, pace)
    slow.hear(hum(0.02))
    [(_, words)] = slow.split(hum(0.02))
    assert words == "one"
    assert pace.factor > 1.3


def test_words_that_are_not_due_when_the_sound_ends_are_the_rest() -> None:
    times = WordTimes("one two three four", RATE, Pace())
    times.hear(hum(0.1))
    assert [words for _, words in times.split(hum(0.1))] == ["one"]
    assert times.rest() == "two three four"
    assert times.rest() == ""


def test_a_clause_without_words_is_sound_alone() -> None:
    assert begins("", hum(0.3)) == []


@given(
    st.lists(st.sampled_from(["a", "word,", "1984", "—", "NASA", "é", "你好", "extraordinary."]), max_size=12),
    st.lists(st.tuples(st.booleans(), st.integers(0, 8000)), max_size=12),
    st.integers(0, 3),
)
def test_no_word_and_no_sample_is_lost(words: list[str], stretches: list[tuple[bool, int]], ahead: int) -> None:
    pieces = [hum(size / RATE) if loud else quiet(size / RATE) for loud, size in stretches]
    times = WordTimes(" ".join(words), RATE, Pace())
    found: list[tuple[Samples, str]] = []
    heard = 0
    for place, piece in enumerate(pieces):
        for coming in pieces[heard : place + ahead + 1]:
            times.hear(coming)
            heard += 1
        if heard == len(pieces):
            times.finish()
        found += times.split(piece)
    spoken = [part for _, part in found if part]
    assert " ".join([*spoken, times.rest()]).split() == words
    if pieces:
        assert np.concatenate([piece for piece, _ in found]).tolist() == np.concatenate(pieces).tolist()


def test_progress_never_goes_back() -> None:
    envelope = Envelope(RATE)
    envelope.push(np.concatenate((quiet(0.3), babble(6), quiet(0.2), hum(0.5), quiet(0.05), babble(3, 0.1))))
    steps = envelope.scan().steps.tolist()
    assert all(later >= earlier for earlier, later in pairwise(steps))
