"""What partial transcripts say of the end of a turn, by tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicechat.turntaking.completeness import Completeness, completeness, plain

OPEN, UNKNOWN, WHOLE = Completeness.OPEN, Completeness.UNKNOWN, Completeness.WHOLE
NUMBER, SURE = Completeness.NUMBER, Completeness.SURE


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", UNKNOWN),
        ("...", UNKNOWN),
        ("I would like a table and", OPEN),
        ("I would like a table because", OPEN),
        ("take me to the", OPEN),
        ("we are looking for", OPEN),
        ("is there a", OPEN),
        ("I want to", OPEN),
        ("could you", OPEN),
        ("could you um", OPEN),
        ("Could you, um...", OPEN),
        ("the one I saw was very", OPEN),
        ("please tell me", OPEN),
        ("Now,", OPEN),
        ("Printing, then, for our purpose,", OPEN),
        ("Well —", OPEN),
        ("so", OPEN),
        ("and then my sister in law", OPEN),  # it has begun, and has no verb yet
        ("I'd like the fish but not", OPEN),
        ("of course not", UNKNOWN),
        ("Why not?", WHOLE),
        ("turn on the living room lamp", UNKNOWN),
        ("Turn on the living room lamp.", WHOLE),
        ("Where can I see the dinosaurs?", WHOLE),
        ("turn it on", UNKNOWN),
        ("Turn it on.", WHOLE),
        ("Turn it on to.", OPEN),  # a recogniser's full stop is no proof
        ("yes it is", UNKNOWN),
        ("I think I can.", WHOLE),
        ("ten of clubs", UNKNOWN),
        ("hello", UNKNOWN),
        ("five", UNKNOWN),
        ("table four", UNKNOWN),
        ("one zero zero", NUMBER),
        ("my number is five five five", NUMBER),
        ("My number is 555", NUMBER),
        ("My number is 555.", NUMBER),
        ("it is spelled B R A", NUMBER),
        ("two four", NUMBER),
        ("at seven", UNKNOWN),
    ],
)
def test_text_tells_whether_more_will_come(text: str, found: Completeness) -> None:
    assert completeness(text) is found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("yes", SURE),
        ("no thanks", SURE),
        ("the blue one", SURE),
        ("yes I have been there once before", SURE),
        ("I went there with my mother last year", UNKNOWN),
        ("the blue one and", OPEN),
        ("um", OPEN),
        ("oh seven seven", NUMBER),
    ],
)
def test_a_short_answer_to_a_question_is_whole(text: str, found: Completeness) -> None:
    assert completeness(text, asked=True) is found


def test_an_expected_sentence_is_whole_however_it_is_written() -> None:
    phrases = {plain("Where can I go to?")}
    assert completeness("where can i go to", phrases=phrases) is SURE
    assert completeness("where can i go", phrases=phrases) is UNKNOWN


@pytest.mark.parametrize(
    ("text", "found"), [("Ich möchte ein", UNKNOWN), ("Ein Bier bitte.", WHOLE), ("Und dann,", OPEN), ("in", UNKNOWN)]
)
def test_of_other_languages_only_the_punctuation_counts(text: str, found: Completeness) -> None:
    assert completeness(text, english=False) is found


@given(st.text(max_size=80), st.booleans(), st.booleans())
def test_any_text_is_judged(text: str, asked: bool, english: bool) -> None:
    assert completeness(text, asked=asked, english=english) in Completeness
