"""Histories as a chat server gets them."""

from typing import Any

import pytest

from voicechat.adapters.chat.messages import messages
from voicechat.conversation import Item, Picture, Role, ToolCall

ONE, TWO = ToolCall("c1", "f", "{}"), ToolCall("c2", "g", '{"x": 1}')
CALLED_ONE = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED_TWO = {"id": "c2", "type": "function", "function": {"name": "g", "arguments": '{"x": 1}'}}


def user(text: str) -> Item:
    return Item("u", Role.USER, text)


def assistant(text: str) -> Item:
    return Item("a", Role.ASSISTANT, text)


def shows(text: str, *addresses: str) -> Item:
    return Item("u", Role.USER, text, pictures=tuple(Picture(address, "low") for address in addresses))


def shown(address: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": address, "detail": "low"}}


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([], []),
        ([user("Hi"), assistant(""), user("there")], [{"role": "user", "content": "Hi\nthere"}]),
        ([shows("", "data:1", "data:2")], [{"role": "user", "content": [shown("data:1"), shown("data:2")]}]),
        (
            [user("Look:"), shows("A cat?", "data:1"), user("Well?")],
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Look:"},
                        {"type": "text", "text": "A cat?"},
                        shown("data:1"),
                        {"type": "text", "text": "Well?"},
                    ],
                }
            ],
        ),
        (
            [assistant("So."), ONE.item("1"), TWO.item("2"), ONE.result("3", "x"), TWO.result("4", "y")],
            [
                {"role": "assistant", "content": "So.", "tool_calls": [CALLED_ONE, CALLED_TWO]},
                {"role": "tool", "tool_call_id": "c1", "content": "x"},
                {"role": "tool", "tool_call_id": "c2", "content": "y"},
            ],
        ),
        (
            [ONE.item("1"), ONE.result("2", ""), assistant("Done."), assistant("Really.")],
            [
                {"role": "assistant", "content": None, "tool_calls": [CALLED_ONE]},
                {"role": "tool", "tool_call_id": "c1", "content": ""},
                {"role": "assistant", "content": "Done.\nReally."},
            ],
        ),
    ],
    ids=["empty", "unheard", "pictures alone", "pictures and neighbours", "two calls at once", "call alone"],
)
def test_history_becomes_messages(history: list[Item], expected: list[dict[str, Any]]) -> None:
    assert messages("", history) == expected


def test_instructions_come_first_and_join_those_of_the_history() -> None:
    history = [Item("s", Role.SYSTEM, "Speak slowly."), user("Hi")]
    assert messages("Be brief.", history) == [
        {"role": "system", "content": "Be brief.\nSpeak slowly."},
        {"role": "user", "content": "Hi"},
    ]
