"""Tools of a real MCP server, from a chat server's call to a WebSocket client: told, spoken of, and stopped."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, web

from tests.fakes_openai import Answer, FakeOpenai, serving
from tests.tiny import mcp_server
from voicechat.config import Settings
from voicechat.conversation import ToolCall
from voicechat.house import House
from voicechat.transport import http

PATIENCE = 20.0


@asynccontextmanager
async def connected(diary: Path, *script: Answer) -> AsyncIterator[tuple[FakeOpenai, ClientWebSocketResponse]]:
    """A client that has asked for text, and to be told of the server's tools; `script` is what the agent is told."""
    program = [sys.executable, mcp_server.__file__, str(diary)]
    async with serving(Answer(words=("Done.",))) as chat:
        chat.script = list(script)
        agent = {"engine": "openai", "openai": {"base_url": chat.url}, "tools": {"mcp": {"tiny": {"command": program}}}}
        settings = Settings.model_validate({"agent": agent, "asr": {"engine": "scripted"}, "tts": {"engine": "tone"}})
        house = House(settings)
        try:
            await house.open()
            runner = web.AppRunner(http.build(settings, house, registry=house.metrics.registry))
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/realtime"
                async with ClientSession() as client, client.ws_connect(url) as socket:
                    await update(socket, output_modalities=["text"], tools=[{"type": "mcp", "server_label": "tiny"}])
                    yield chat, socket
            finally:
                await runner.cleanup()
        finally:
            await house.close()


async def update(socket: ClientWebSocketResponse, **session: Any) -> None:
    await socket.send_json({"type": "session.update", "session": {"type": "realtime", **session}})


async def ask(socket: ClientWebSocketResponse) -> None:
    content = [{"type": "input_text", "text": "What is 40 and 2?"}]
    item = {"type": "message", "role": "user", "content": content}
    await socket.send_json({"type": "conversation.item.create", "item": item})
    await socket.send_json({"type": "response.create"})


async def until(socket: ClientWebSocketResponse, kind: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    async with asyncio.timeout(PATIENCE):
        while not messages or messages[-1]["type"] != kind:
            messages.append(await socket.receive_json())
    return messages


async def written(diary: Path, line: str) -> None:
    def there() -> bool:
        return diary.exists() and line in diary.read_text().splitlines()

    async with asyncio.timeout(PATIENCE):
        while not there():  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.02)


async def test_client_is_told_of_the_work_of_a_server_that_it_named(tmp_path: Path) -> None:
    add = ToolCall("c1", "add", '{"left": 40, "right": 2}')
    async with connected(tmp_path / "diary", Answer(words=(), calls=(add,))) as (chat, socket):
        await ask(socket)
        messages = await until(socket, "response.done")
    assert chat.requests[1]["messages"][-1] == {"role": "tool", "tool_call_id": "c1", "content": "42"}
    (listed,) = [
        message["item"]
        for message in messages
        if message["type"] == "conversation.item.done" and message["item"]["type"] == "mcp_list_tools"
    ]
    assert (listed["server_label"], "add" in [tool["name"] for tool in listed["tools"]]) == ("tiny", True)
    assert [message["type"] for message in messages if "mcp" in message["type"]] == [
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "response.mcp_call.in_progress",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.completed",
    ]
    (call,) = [
        message["item"]
        for message in messages
        if message["type"] == "response.output_item.done" and message["item"]["type"] == "mcp_call"
    ]
    assert (call["server_label"], call["name"], call["output"]) == ("tiny", "add", "42")
    assert messages[-1]["response"]["output"][-1]["content"] == [{"type": "output_text", "text": "Done."}]


async def test_cancelled_answer_cancels_its_tool_at_the_server(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    wait = ToolCall("c1", "wait", '{"seconds": 60}')
    async with connected(diary, Answer(words=(), calls=(wait,))) as (chat, socket):
        await ask(socket)
        await written(diary, "waiting")
        await socket.send_json({"type": "response.cancel"})
        messages = await until(socket, "response.done")
        await written(diary, "cancelled")
    assert messages[-1]["response"]["status"] == "cancelled"
    assert len(chat.requests) == 1


async def test_hanging_up_cancels_the_tool_at_the_server(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    wait = ToolCall("c1", "wait", '{"seconds": 60}')
    async with connected(diary, Answer(words=(), calls=(wait,))) as (_, socket):
        await ask(socket)
        await written(diary, "waiting")
        await socket.close()
        await written(diary, "cancelled")


@pytest.mark.parametrize("tool", [{"server_label": "nonesuch"}, {"server_label": "x", "server_url": "http://x.test"}])
async def test_servers_that_the_house_does_not_know_are_refused(tmp_path: Path, tool: dict[str, str]) -> None:
    async with connected(tmp_path / "diary") as (_, socket):
        await update(socket, tools=[{"type": "mcp", **tool}])
        refused = (await until(socket, "error"))[-1]["error"]
    assert refused["type"] == "invalid_request_error"
