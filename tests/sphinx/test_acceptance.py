import pytest

from voicechat.sphinx.acceptance import ACCEPTED, Hearing, probability, weakest
from voicechat.sphinx.decoder import Hypothesis, Segment

WORDS = {"nap": ("N", "AE", "P"), "sofa": ("S", "OW", "F", "AH")}


def hypothesis(text: str, *parts: tuple[str, int, float]) -> Hypothesis:
    """Parts are names, lengths in frames and scores a frame."""
    segments, start = [], 0
    for name, length, score in parts:
        segments.append(Segment(name, start, start + length - 1, length * score))
        start += length
    return Hypothesis(text, sum(part.score for part in segments), start, tuple(segments))


def loop(names: str = "N AE P S OW F AH") -> Hypothesis:
    """Free phones of ten frames each, with 15 frames of silence around them."""
    parts = [(name, 70 // len(names.split()), -2.0) for name in names.split()]
    return hypothesis(names, ("SIL", 15, -1.0), *parts, ("SIL", 15, -1.0))


def phrase(first: float = -2.0, second: float = -2.0) -> Hypothesis:
    return hypothesis("nap sofa", ("<sil>", 15, -1.0), ("nap", 30, first), ("sofa", 40, second), ("<sil>", 15, -1.0))


def said(phrase: Hypothesis, phones: Hypothesis | None = None, speech: float = -2.0) -> float:
    free = hypothesis("nap sofa", ("nap", 100, speech))
    return probability(Hearing(phrase, phones or loop(), free), WORDS)


def test_a_phrase_as_likely_as_free_speech_and_phones_was_said() -> None:
    assert said(phrase()) > 0.99


def test_a_phrase_far_from_the_sound_was_not_said() -> None:
    assert said(phrase(-12.0, -12.0)) < 0.01


def test_a_phrase_that_free_speech_beats_was_not_said() -> None:
    assert said(phrase(-6.0, -6.0), speech=-0.5) < ACCEPTED < said(phrase(-6.0, -6.0), speech=-4.0)


def test_a_phrase_of_other_phones_was_not_said() -> None:
    middling = phrase(-6.0, -6.0)
    assert said(middling, loop("K IY K L IY NG EH"), speech=-3.5) < ACCEPTED < said(middling, speech=-3.5)


def test_one_wrong_word_weighs_more_than_its_share() -> None:
    wrong = phrase(-2.0, -11.0)
    assert weakest(wrong, loop()) == pytest.approx(-9.0)
    assert said(wrong) < said(phrase(-7.2, -7.2))


def test_silence_is_not_a_weak_word() -> None:
    loud = hypothesis("nap", ("<sil>", 40, -20.0), ("nap", 80, -2.0))
    assert weakest(loud, hypothesis("N", ("N", 120, -2.0))) == pytest.approx(0.0)


def test_a_word_shorter_than_the_window_counts_whole() -> None:
    short = hypothesis("nap", ("<sil>", 10, -1.0), ("nap", 20, -5.0))
    assert weakest(short, hypothesis("N", ("N", 30, -2.0))) == pytest.approx(-3.0)


@pytest.mark.parametrize(
    "empty",
    [Hypothesis("", 0.0, 100, ()), Hypothesis("", 0.0, 0, ()), hypothesis("ghost", ("<sil>", 50, -1.0))],
)
def test_no_words_were_not_said(empty: Hypothesis) -> None:
    assert said(empty) == 0.0
