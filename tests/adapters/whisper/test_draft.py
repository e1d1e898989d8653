import math

import pytest

from voicechat.adapters.whisper.draft import Draft
from voicechat.adapters.whisper.window import Hearing, Piece
from voicechat.conversation import Transcript, Weighed


def reading(*pieces: tuple[str, float | None], logprob: float = -0.1) -> Hearing:
    return Hearing(tuple(Piece(*piece) for piece in pieces), logprob, "en")


def test_newest_reading_is_the_text_until_something_is_kept() -> None:
    draft = Draft("en")
    assert (draft.transcript(), draft.keep()) == (Transcript("", 0.0), 0.0)
    draft.take(reading((" One", None)), 1.0)
    draft.take(reading((" Won two.", None)), 2.0)
    assert (draft.text, draft.keep()) == ("Won two.", 0.0)


def test_pieces_of_agreed_words_are_kept_but_for_the_last() -> None:
    draft = Draft("en")
    draft.take(reading((" One two.", 2.0), (" Three four.", 4.0), (" Fife", None)), 5.0)
    assert draft.keep() == 0.0
    draft.take(reading((" One, two.", 2.04), (" Three four.", 4.1), (" Five six", 5.8)), 6.0)
    assert draft.keep() == 4.1
    assert (draft.kept, draft.text) == (" One, two. Three four.", "One, two. Three four. Five six")
    assert draft.reading.pieces == (Piece(" Five six", 5.8 - 4.1),)


def test_what_follows_is_agreed_on_anew() -> None:
    draft = Draft("en")
    for seconds in (5.0, 6.0):
        draft.take(reading((" One.", 2.0), (" Two", 4.0), (" three", None)), seconds)
    assert draft.keep() == 4.0
    draft.take(reading((" three.", 1.0), (" Four", None)), 3.0)
    assert draft.keep() == 1.0
    draft.take(reading((" Four.", None)), 2.0)
    assert draft.text == "One. Two three. Four."


@pytest.mark.parametrize("end", [None, 7.0])
def test_a_piece_that_does_not_know_its_end_is_not_kept(end: float | None) -> None:
    draft = Draft("en")
    for _ in range(2):
        draft.take(reading((" One", end), (" two", None)), 6.0)
    assert draft.keep() == 0.0


def test_confidence_is_weighted_by_time() -> None:
    draft = Draft("en")
    for _ in range(2):
        draft.take(reading((" One", 3.0), (" two", None), logprob=-0.5), 4.0)
    assert draft.keep() == 3.0
    draft.take(reading((" two", None), logprob=-0.1), 1.0)
    assert draft.transcript().confidence == pytest.approx(math.exp(-(3 * 0.5 + 0.1) / 4))


def test_weights_of_what_is_kept_stay_with_it() -> None:
    draft = Draft("en")
    one, two, three = Weighed(" One.", -0.1), Weighed(" Two.", -0.2), Weighed(" Free", -3.0)
    for _ in range(2):
        pieces = (Piece(" One.", 1.0, (one,)), Piece(" Two.", 2.0, (two,)), Piece(" Free", None, (three,)))
        draft.take(Hearing(pieces, -0.1, "en"), 3.0)
    assert draft.keep() == 2.0
    draft.take(Hearing((Piece(" Three", None, (Weighed(" Three", -0.3),)),), -0.1, "en"), 1.0)
    transcript = draft.transcript()
    assert transcript.weighed == (one, two, Weighed(" Three", -0.3))
    assert "".join(word.text for word in transcript.weighed).strip() == transcript.text
