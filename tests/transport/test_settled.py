from hypothesis import given, settings
from hypothesis import strategies as st

from voicechat.transport.settled import Settled

SENTENCES = st.lists(st.sampled_from(["a", "an", "ant", "the", "then"]), max_size=6).map(" ".join)


def test_last_two_words_are_kept_back() -> None:
    settled = Settled()
    guesses = ("one two", "one two three", "one two three four")
    assert [settled.grow("i", guess) for guess in guesses] == ["", "one", " two"]


def test_utterances_do_not_mix() -> None:
    settled = Settled()
    assert settled.grow("i", "one two three") == "one"
    assert settled.grow("j", "six seven eight") == "six"
    assert settled.finish("i", "one two") == " two"
    assert settled.finish("j", "six") == ""


def test_only_the_latest_utterances_are_remembered() -> None:
    settled = Settled()
    for number in range(100):
        settled.grow(f"item_{number}", "one two three")
    assert settled.finish("item_99", "one two three") == " two three"
    assert settled.finish("item_0", "one") == "one"


@settings(deadline=None)
@given(st.lists(SENTENCES, max_size=6), SENTENCES)
def test_told_text_grows_and_ends_in_the_transcript_or_in_what_was_told(guesses: list[str], transcript: str) -> None:
    settled, told = Settled(), ""
    for guess in guesses:
        told += settled.grow("i", guess)
    assert told + settled.finish("i", transcript) in (transcript, told)
