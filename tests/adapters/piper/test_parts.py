import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicechat.adapters.piper.parts import LAST, PAUSES, SHORTEST, parts


def cut(sentence: str) -> list[str]:
    return ["".join(part) for part in parts(sentence)]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("", [""]),
        ("jes.", ["jes."]),
        ("a sentence without any pause is never cut, no.", ["a sentence without any pause is never cut, no."]),
        (
            "well, i think that it is fine, and you may go.",
            ["well, i think that it is fine,", "and you may go."],
        ),
        (
            "it is said by all of us, and you, and you may go; or you may stay for as long as you like.",
            ["it is said by all of us,", "and you, and you may go; or you may stay for as long as you like."],
        ),
        (
            "it is said by all of us, and it is said by all of them, of whom i know many; or you may stay.",
            ["it is said by all of us,", "and it is said by all of them, of whom i know many;", "or you may stay."],
        ),
    ],
)
def test_a_sentence_is_cut_where_it_pauses(sentence: str, expected: list[str]) -> None:
    assert cut(sentence) == expected


@given(st.text(alphabet="ab ,;.", max_size=300))
def test_nothing_is_lost_and_no_part_is_too_short_or_comes_too_late(sentence: str) -> None:
    made = cut(sentence)
    assert "".join(made).replace(" ", "") == sentence.replace(" ", "")
    for before, part in zip(made, made[1:], strict=False):
        assert before[-1] in PAUSES and len(before) >= SHORTEST - 1
        assert len(part) >= LAST
    for first, second in zip(made[:-1], made[1:-1], strict=False):
        assert len(second) >= 2 * len(first) - 1
