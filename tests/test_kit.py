"""Toolboxes joined."""

import asyncio
from collections.abc import Sequence

import pytest

from voicechat.conversation import Tool, ToolCall
from voicechat.errors import ConfigError, ToolFailed
from voicechat.kit import Kit


class Box:
    """Says its label and what it is called with."""

    def __init__(self, label: str, *names: str) -> None:
        self.label = label
        self.tools: Sequence[Tool] = tuple(Tool(name) for name in names)
        self.closed = asyncio.Event()

    async def call(self, call: ToolCall) -> str:
        return f"{self.label}: {call.name}"

    async def close(self) -> None:
        self.closed.set()


async def test_each_tool_is_its_own_boxs() -> None:
    kit = Kit([Box("one", "add", "find"), Box("two", "wait")])
    assert [tool.name for tool in kit.tools] == ["add", "find", "wait"]
    assert (kit.label("find"), kit.label("wait"), kit.label("nonesuch")) == ("one", "two", "")
    assert await kit.call(ToolCall("c", "wait", "{}")) == "two: wait"


async def test_an_unknown_tool_fails() -> None:
    with pytest.raises(ToolFailed, match="there is no tool 'nonesuch'"):
        await Kit([Box("one", "add")]).call(ToolCall("c", "nonesuch", "{}"))


async def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="agent.tools: one and two both have a tool named add"):
        Kit([Box("one", "add"), Box("two", "add")])


async def test_a_name_that_is_taken_later_stays_the_firsts() -> None:
    one, two = Box("one", "add"), Box("two")
    kit = Kit([one, two])
    two.tools = (Tool("add", "another"), Tool("find"))
    assert kit.tools == (Tool("add"), Tool("find"))
    assert await kit.call(ToolCall("c", "add", "{}")) == "one: add"
    one.tools = ()
    assert await kit.call(ToolCall("c", "add", "{}")) == "two: add"


async def test_all_boxes_are_closed() -> None:
    boxes = [Box("one"), Box("two")]
    await Kit(boxes).close()
    assert all(box.closed.is_set() for box in boxes)
