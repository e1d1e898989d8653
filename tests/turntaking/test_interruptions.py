"""What the agent reads of a conversation in which people were interrupted, or thought to have finished."""

from dataclasses import replace

import pytest

from voicechat.conversation import Item, Role, SessionSettings
from voicechat.turntaking.interjections import Said
from voicechat.turntaking.interruptions import GO_ON, BrokenOff, Interruptions, joined

ROLES = {"u": Role.USER, "a": Role.ASSISTANT, "s": Role.SYSTEM}
WORDS = Said(words=2, others=2)


def items(*texts: str) -> list[Item]:
    """Each text begins with the letter of its role."""
    return [Item(str(number), ROLES[text[0]], text[1:].strip()) for number, text in enumerate(texts)]


def read(history: list[Item]) -> list[str]:
    return [f"{item.role.value[0]} {item.text}" for item in history]


@pytest.mark.parametrize(
    ("history", "seen"),
    [
        ([], []),
        (["u hi", "a hello", "u bye"], ["u hi", "a hello", "u bye"]),
        (["u tell me about the", "a", "u dinosaurs"], ["u tell me about the\ndinosaurs"]),
        (["u one", "u", "u two", "a", "a", "u three"], ["u one\ntwo\nthree"]),
        (["a", "u hi", "a  "], ["u hi"]),
        (["u one", "a heard", "u two", "u three"], ["u one", "a heard", "u two\nthree"]),
        (["u one", "s it rains", "u two"], ["u one", "s it rains", "u two"]),
        (["a one", "a two"], ["a one", "a two"]),
    ],
)
def test_what_no_heard_answer_separates_is_one_message(history: list[str], seen: list[str]) -> None:
    before = items(*history)
    assert read(joined(before)) == seen
    assert before == items(*history), "the caller's own history stays as it is"


def test_a_message_in_pieces_has_the_name_of_the_last() -> None:
    [message] = joined(items("u one", "u two"))
    assert message.id == "1"


def interrupted(note: str, *, heard: str = "we are open") -> tuple[Interruptions, list[Item]]:
    interruptions = Interruptions(note)
    history = items("u when are you open", f"a {heard}")
    interruptions.broken_off = BrokenOff("1", "we are open from nine", True, SessionSettings())
    return interruptions, history


def test_what_is_foretold_is_what_is_told_when_it_has_been_said() -> None:
    for note in ("", "You were interrupted."):
        interruptions, history = interrupted(note)
        said = Item("2", Role.USER, "and on Sundays")
        foretold = interruptions.foretold([*history, said])
        assert interruptions.hear(WORDS)
        assert interruptions.told([*history, said]) == foretold
        assert ("s You were interrupted." in read(foretold)) is bool(note)


def test_foretelling_decides_nothing() -> None:
    interruptions, history = interrupted("You were interrupted.")
    interruptions.foretold([*history, Item("2", Role.USER, "and on Sundays")])
    assert interruptions.broken_off is not None
    assert read(interruptions.told(history)) == ["u when are you open", "a we are open"]


def test_an_answer_goes_on_after_all_that_will_have_been_said() -> None:
    for heard in ("we are open", ""):
        interruptions, history = interrupted("note", heard=heard)
        interruptions.broken_off = replace(interruptions.broken_off or pytest.fail(), text="")
        seen = read(interruptions.going_on(history, "from nine"))
        assert seen == ["u when are you open", f"a {f'{heard} from nine'.strip()}", f"s {GO_ON}"]
