"""Calls and their outputs as an agent reads them."""

import pytest

from voicechat.conversation import Item, Kind, Role, ToolCall
from voicechat.turntaking.interruptions import joined
from voicechat.turntaking.pairs import awaited, paired

USER = Item("u", Role.USER, "what is the weather")
MORE = Item("m", Role.USER, "hello?")


def call(name: str) -> Item:
    return ToolCall(f"call_{name}", name, "{}").item(f"item_{name}")


def output(name: str, text: str = "sunny") -> Item:
    return ToolCall(f"call_{name}", name, "{}").result(f"output_{name}", text)


@pytest.mark.parametrize(
    ("history", "read"),
    [
        ([USER, call("a"), output("a")], ["u", "item_a", "output_a"]),
        ([USER, call("a"), call("b"), output("b"), output("a")], ["u", "item_a", "item_b", "output_a", "output_b"]),
        ([USER, call("a"), output("a"), call("b"), output("b")], ["u", "item_a", "output_a", "item_b", "output_b"]),
        ([USER, call("a"), MORE, output("a")], ["u", "item_a", "output_a", "m"]),
        ([USER, call("a"), MORE], ["u", "item_a", "item_a_pending", "m"]),
        ([output("a"), USER], ["u"]),
    ],
    ids=["in order", "two calls", "one after another", "a word between", "no output yet", "the call is forgotten"],
)
def test_output_stands_right_after_its_call(history: list[Item], read: list[str]) -> None:
    assert [item.id for item in paired(history)] == read


def test_tools_are_not_joined_with_what_the_caller_said() -> None:
    items = joined([USER, MORE, call("a"), output("a", ""), MORE, USER])
    assert [item.kind for item in items] == [Kind.MESSAGE, Kind.CALL, Kind.OUTPUT, Kind.MESSAGE]
    assert items[2].text == "", "an empty output is one, too"


def test_output_is_awaited_until_every_call_has_one() -> None:
    assert not awaited([USER])
    assert awaited([USER, call("a"), call("b"), output("a")])
    assert not awaited([USER, call("a"), call("b"), output("a"), output("b")])
