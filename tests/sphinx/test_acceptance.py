import pytest

from voicechat.sphinx.acceptance import ACCEPTED, probability, weakest
from voicechat.sphinx.decoder import Hypothesis, Segment


def hypothesis(text: str, *parts: tuple[str, int, float]) -> Hypothesis:
    """Parts are names, lengths in frames and scores a frame."""
    segments, start = [], 0
    for name, length, score in parts:
        segments.append(Segment(name, start, start + length - 1, length * score))
        start += length
    return Hypothesis(text, sum(part.score for part in segments), start, tuple(segments))


PHONES = hypothesis("SIL A B SIL", ("SIL", 20, -1.0), ("A", 40, -2.0), ("B", 40, -2.0), ("SIL", 20, -1.0))


def phrase(first: float, second: float) -> Hypothesis:
    return hypothesis("one two", ("<sil>", 20, -1.0), ("one", 40, first), ("two", 40, second), ("<sil>", 20, -1.0))


def test_a_phrase_as_likely_as_free_phones_was_said() -> None:
    assert probability(phrase(-2.0, -2.0), PHONES) > 0.99


def test_a_phrase_far_from_the_sound_was_not_said() -> None:
    assert probability(phrase(-12.0, -12.0), PHONES) < 0.01


def test_one_wrong_word_is_enough_to_refuse_the_phrase() -> None:
    wrong = phrase(-2.0, -11.0)
    assert weakest(wrong, PHONES) == pytest.approx(-9.0)
    assert probability(wrong, PHONES) < ACCEPTED < probability(phrase(-3.0, -3.0), PHONES)


def test_silence_is_not_a_weak_word() -> None:
    loud = hypothesis("one", ("<sil>", 40, -20.0), ("one", 80, -2.0))
    assert weakest(loud, hypothesis("A", ("A", 120, -2.0))) == pytest.approx(0.0)


def test_a_word_shorter_than_the_window_counts_whole() -> None:
    short = hypothesis("one", ("<sil>", 10, -1.0), ("one", 20, -5.0))
    assert weakest(short, hypothesis("A", ("A", 30, -2.0))) == pytest.approx(-3.0)


@pytest.mark.parametrize(
    "empty",
    [
        Hypothesis("", 0.0, 100, ()),
        Hypothesis("", 0.0, 0, ()),
        hypothesis("ghost", ("<sil>", 50, -1.0)),
    ],
)
def test_no_words_were_not_said(empty: Hypothesis) -> None:
    assert probability(empty, PHONES) == 0.0
