"""The house's tools: gathered from all that the settings name."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakePeer
from tests.fakes_openai import Answer, serving
from tests.tiny import mcp_server
from voicechat.commands import AddItem, CreateReply
from voicechat.config import Settings
from voicechat.conversation import Item, Role, ToolCall
from voicechat.errors import AdapterUnavailable
from voicechat.events import ReplyFinished, ReplyStatus, ToolEnded
from voicechat.house import House, tools
from voicechat.house.lanes import Lanes
from voicechat.kit import Kit
from voicechat.lane import ThreadLane


@asynccontextmanager
async def gathered(**wanted: Any) -> AsyncIterator[Kit]:
    lanes = Lanes(ThreadLane)
    try:
        kit = await tools.gathered(Settings.model_validate({"agent": {"tools": wanted}}), lanes.new)
        try:
            yield kit
        finally:
            await kit.close()
    finally:
        await lanes.close()


async def test_by_default_there_are_none() -> None:
    async with gathered() as kit:
        assert list(kit.tools) == []


async def test_every_kind_of_tool_is_found() -> None:
    functions = [
        {"name": "far", "url": "http://127.0.0.1:9/"},
        {"name": "weather", "python": "tests.tiny.tools:weather"},
        {"name": "theirs", "by": "client"},
    ]
    async with gathered(functions=functions) as kit:
        assert {tool.name: kit.label(tool.name) for tool in kit.tools} == {"far": "http", "weather": "python"}
        assert "Ulm" in await kit.call(ToolCall("c", "weather", '{"city": "Ulm"}'))


async def test_what_cannot_be_had_leaves_nothing_open() -> None:
    functions = [{"name": "far", "url": "http://127.0.0.1:9/"}, {"name": "near", "python": "no.such:function"}]
    with pytest.raises(AdapterUnavailable):
        async with gathered(functions=functions):
            pass
    await asyncio.sleep(0)


async def test_an_answer_uses_tools_of_every_kind_and_the_chat_server_reads_what_came_of_them(tmp_path: Path) -> None:
    weather = ToolCall("c1", "weather", '{"city": "Ulm"}')
    add = ToolCall("c2", "add", '{"left": 40, "right": 2}')
    wrong = ToolCall("c3", "weather", '{"city": "Atlantis"}')
    async with serving(Answer(words=("It is 42 degrees.",))) as server:
        server.script = [Answer(words=(), calls=(weather, add)), Answer(words=(), calls=(wrong,))]
        settings = Settings.model_validate(
            {
                "agent": {
                    "engine": "openai",
                    "openai": {"base_url": server.url},
                    "tools": {
                        "functions": [{"name": "weather", "python": "tests.tiny.tools:weather"}],
                        "mcp": {"tiny": {"command": [sys.executable, mcp_server.__file__, str(tmp_path / "diary")]}},
                    },
                },
                "asr": {"engine": "scripted"},
                "tts": {"engine": "tone"},
            }
        )
        house, peer = House(settings), FakePeer()
        try:
            await house.open()
            peer.asks(AddItem(Item("item_mine", Role.USER, "How warm is it?")))
            peer.asks(CreateReply(speaks=False))
            call = asyncio.create_task(house.serve("sess_one", peer))
            async with asyncio.timeout(20):
                await peer.until(ReplyFinished)
            peer.hangs_up()
            await call
        finally:
            await house.close()
    (finished,) = [event for event in peer.events if isinstance(event, ReplyFinished)]
    assert (finished.status, finished.text) == (ReplyStatus.COMPLETED, "It is 42 degrees.")
    ended = [event for event in peer.events if isinstance(event, ToolEnded)]
    assert {(event.name, event.failed) for event in ended[:2]} == {("weather", False), ("add", False)}
    assert [(event.name, event.failed) for event in ended[2:]] == [("weather", True)]
    assert {tool["function"]["name"] for tool in server.requests[0]["tools"]} >= {"weather", "add", "geo_find"}
    said = [(message["role"], message.get("content")) for message in server.requests[2]["messages"][1:]]
    assert [role for role, _ in said] == ["user", "assistant", "tool", "tool", "assistant", "tool"]
    assert '"Ulm"' in said[2][1] and said[3][1] == "42" and said[5][1] == '{"error": "no such city"}'
