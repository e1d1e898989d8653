"""The rest of a text after what was heard of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicechat.turntaking.unheard import unheard


@pytest.mark.parametrize(
    ("text", "heard", "rest"),
    [
        ("one two three", "", "one two three"),
        ("one two three", "one two", "three"),
        ("one two three", "one two three", ""),
        ("It's 10:30, I think - really.", "Its 10 30 I think", "really."),
        ("Hello, world!", "hello,", "world!"),
        ("one two three", "uno dos", "three"),
        ("", "anything", ""),
    ],
)
def test_the_rest_begins_after_the_last_word_that_was_heard(text: str, heard: str, rest: str) -> None:
    assert unheard(text, heard) == rest


@given(st.lists(st.text("abcÄ1,.'", min_size=1, max_size=6), max_size=12), st.integers(0, 12))
def test_what_was_heard_and_the_rest_make_the_whole(words: list[str], heard: int) -> None:
    text = " ".join(words)
    rest = unheard(text, " ".join(words[:heard]))
    assert "".join(filter(str.isalnum, " ".join(words[:heard]) + rest)) == "".join(filter(str.isalnum, text))
