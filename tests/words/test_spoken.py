import pytest

from voicechat.words.spoken import core, number, plain


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Where's the gift shop?", "where's the gift shop"),
        ("Where’s the café?!", "where's the cafe"),
        ("Is there free Wi-Fi?", "is there free wi fi"),
        ("12 dollars & 50%", "twelve dollars and fifty percent"),
        ("Room 101, 1,250 steps", "room one hundred one one thousand two hundred fifty steps"),
        ("agent 007", "agent zero zero seven"),
        ("'quoted' -- text_with_underscores", "quoted text with underscores"),
        ("  \n ", ""),
        ("…", ""),
    ],
)
def test_text_becomes_what_is_spoken(text: str, spoken: str) -> None:
    assert plain(text) == spoken


@pytest.mark.parametrize(
    ("digits", "words"),
    [("0", "zero"), ("19", "nineteen"), ("40", "forty"), ("99", "ninety nine"), ("300", "three hundred"),
     ("1872", "one thousand eight hundred seventy two"), ("1234567", "one two three four five six seven")],
)  # fmt: skip
def test_digits_are_spoken_as_words(digits: str, words: str) -> None:
    assert number(digits) == words


@pytest.mark.parametrize(
    ("polite", "question"),
    [
        ("excuse me where are the toilets please", "where are the toilets"),
        ("hello can you tell me where the exit is thank you", "where the exit is"),
        ("hello please", "hello please"),
        ("thank you", "thank you"),
        ("do you know any jokes", "any jokes"),
        ("hellos", "hellos"),
    ],
)
def test_politeness_is_stripped_but_never_all_of_it(polite: str, question: str) -> None:
    assert core(polite) == question
