"""What is kept of conversations, and for how long."""

import asyncio

from tests import virtual_time
from voicechat.conversation import Item, Role
from voicechat.transport.wyoming.memory import CONVERSATIONS, REST, TURNS, Memory


def said(items: list[Item]) -> list[str]:
    return [item.text for item in items]


def test_conversation_goes_on_until_it_has_rested_too_long() -> None:
    async def play() -> None:
        memory = Memory()
        memory.keep("kitchen", "one", "two")
        await asyncio.sleep(REST - 1)
        memory.keep("kitchen", "three", "four")
        await asyncio.sleep(REST - 1)
        items = memory.recall("kitchen")
        assert said(items) == ["one", "two", "three", "four"]
        assert [item.role for item in items] == [Role.USER, Role.ASSISTANT] * 2
        assert len({item.id for item in items}) == 4
        await asyncio.sleep(1)
        assert memory.recall("kitchen") == []

    virtual_time.run(play())


async def test_conversations_do_not_know_each_other() -> None:
    memory = Memory()
    memory.keep("kitchen", "one", "two")
    memory.keep("hall", "three", "four")
    memory.forget("kitchen")
    assert (said(memory.recall("kitchen")), said(memory.recall("hall"))) == ([], ["three", "four"])


async def test_latest_turns_of_the_latest_conversations_are_kept() -> None:
    memory = Memory()
    for number in range(CONVERSATIONS + 1):
        memory.keep(f"room {number}", "one", "two")
        memory.keep("room 0", f"question {number}", "two")
    assert memory.recall("room 1") == []
    assert said(memory.recall(f"room {CONVERSATIONS}")) == ["one", "two"]
    latest = said(memory.recall("room 0"))
    assert (len(latest), latest[-2]) == (2 * TURNS, f"question {CONVERSATIONS}")
