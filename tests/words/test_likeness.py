import pytest

from voicechat.words.likeness import Likeness

GROUPS = [
    ["where are the toilets", "where is the nearest bathroom"],
    ["where can I park my car"],
    ["how old is this building", "who founded this museum"],
    ["can you call me a taxi"],
    ["is there free internet in the museum"],
]


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("Where are the toilets?", 0),
        ("Excuse me, where are the toilets please?", 0),
        ("whre are the toilts", 0),
        ("the nearest bathroom", 0),
        ("could you call a taxi", 3),
        ("How old is the building?", 2),
    ],
)
def test_the_same_question_in_other_words_is_alike(text: str, group: int) -> None:
    likeness, number = Likeness(GROUPS).best(text)
    assert number == group and likeness >= 78


@pytest.mark.parametrize(
    "text",
    ["where can I park my horse", "can you call me a liar", "how old is this cheese", "where is the exit", "", "?"],
)
def test_one_other_word_of_weight_makes_another_question(text: str) -> None:
    assert Likeness(GROUPS).best(text)[0] < 78


def test_the_same_words_are_entirely_alike() -> None:
    assert Likeness(GROUPS).best("please, who founded this museum?") == (100.0, 2)


def test_without_phrases_nothing_is_alike() -> None:
    assert Likeness([]).best("hello") == (0.0, -1)
