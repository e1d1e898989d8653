import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicechat.words.agreement import Agreement, Caption, words

PIECES = ["the", "The", "cat,", "cat.", "sat", "-", "...", "I'm", "猫", "猫が座", "¿qué", ""]
GUESSES = st.lists(st.lists(st.sampled_from(PIECES), max_size=8).map(" ".join), max_size=8)


def captions(*guesses: str) -> list[Caption]:
    agreement = Agreement()
    return [agreement.hear(guess) for guess in guesses]


@pytest.mark.parametrize(
    ("guesses", "told"),
    [
        (["what time", "what time is it", "what time is it now"], ["", "what time", "what time is"]),
        (["a b c", "a b c", "a b c d"], ["", "a", "a b"]),
        (["Hello.", "Hello, how are", "hello, how are you?"], ["", "Hello", "Hello, how"]),
        (["two words", "too words", "too words or more"], ["", "", "too words"]),
        (["I scream", "ice cream is", "Ice cream is good"], ["", "", "Ice cream"]),
        (["猫が", "猫が座る", "猫が座る。"], ["", "猫が", "猫が"]),
        (["¿Qué hora", "¿Qué hora es, señor?"], ["", "¿Qué hora"]),
        (["", "", "yes"], ["", "", ""]),
        (["- well", "well - yes we", "Well – yes we do"], ["", "well", "well – yes"]),
    ],
)
def test_words_are_stable_once_two_guesses_have_them_and_two_words_follow(guesses: list[str], told: list[str]) -> None:
    assert [caption.stable for caption in captions(*guesses)] == told


def test_the_tail_is_the_rest_of_the_newest_guess() -> None:
    assert captions("what time", "What time, is it? Now")[-1] == Caption("What time", ", is it? Now")
    revised = captions("what time", "what time is it", "What's the time? Now")[-1]
    assert revised == Caption("what time", " time? Now", revised=True)


def test_a_revision_is_marked_and_what_was_told_stays() -> None:
    first, second, third, fourth = captions(
        "four candles", "four candles if you", "fork handles if you", "four candles please"
    )
    assert second == Caption("four candles", " if you")
    assert third == Caption("four candles", " if you", revised=True)
    assert fourth == Caption("four candles", " please")
    assert not first.revised


def test_guess_that_shrinks_below_what_was_told_is_a_revision() -> None:
    assert captions("one two", "one two three four", "one")[-1] == Caption("one two", "", revised=True)


@given(GUESSES)
def test_told_text_is_only_ever_added_to(guesses: list[str]) -> None:
    told = ""
    for caption in captions(*guesses):
        assert caption.stable.startswith(told)
        told = caption.stable


@given(GUESSES)
def test_stable_words_and_tail_are_the_guess_unless_it_is_a_revision(guesses: list[str]) -> None:
    for guess, caption in zip(guesses, captions(*guesses), strict=True):
        if not caption.revised:
            whole = [word.bare for word in words(caption.stable + caption.tail)]
            assert whole == [word.bare for word in words(guess)]
            assert len(caption.stable) <= sum(map(len, guesses))


@given(GUESSES)
def test_what_is_told_was_in_two_guesses_in_a_row(guesses: list[str]) -> None:
    said = [[word.bare for word in words(guess)] for guess in guesses]
    pairs = list(zip(said, said[1:], strict=False))
    for caption in captions(*guesses):
        told = [word.bare for word in words(caption.stable)]
        assert not told or any(one[: len(told)] == other[: len(told)] == told for one, other in pairs)
