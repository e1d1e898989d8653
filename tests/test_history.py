"""What a session remembers: so many items, and so much text."""

from voicechat.config import TurnSettings
from voicechat.conversation import Item, Kind, Role, SessionSettings
from voicechat.session import HISTORY_CHARACTERS, Session

HALF = "x" * (HISTORY_CHARACTERS // 2)


def remembered(*items: Item) -> list[str]:
    session = Session("sess_test", SessionSettings(), TurnSettings())
    for item in items:
        session.add(item)
    return [item.id for item in session.history]


def said(id: str, text: str) -> Item:
    return Item(id, Role.USER, text)


def test_as_much_text_as_fits_is_remembered() -> None:
    assert remembered(said("a", HALF), said("b", HALF), said("c", "")) == ["a", "b", "c"]


def test_oldest_items_are_forgotten_where_there_is_too_much_text() -> None:
    assert remembered(said("a", "one"), said("b", HALF), said("c", HALF), said("d", "four")) == ["c", "d"]


def test_newest_item_is_kept_however_long_it_is() -> None:
    assert remembered(said("a", "one"), said("b", f"{HALF}{HALF}!")) == ["b"]


def test_result_of_a_call_that_is_forgotten_goes_with_it() -> None:
    call = Item("a", Role.ASSISTANT, HALF, kind=Kind.CALL, call="call_1")
    output = Item("b", Role.USER, "two", kind=Kind.OUTPUT, call="call_1")
    assert remembered(call, output, said("c", HALF)) == ["c"]
