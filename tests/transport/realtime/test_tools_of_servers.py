"""MCP servers of this house that a client names: their tools are listed, may be narrowed down, and can be asked for."""

import json
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse
from openai.types.realtime.realtime_mcp_list_tools import RealtimeMcpListTools
from openai.types.realtime.realtime_server_event import RealtimeServerEvent
from pydantic import TypeAdapter

from tests.fakes import ScriptedTools
from tests.realtime_house import SPEECH, Answering, calling, send, until
from tests.realtime_turns import MCP_CALL, STARTED, WORKED, say
from voicechat.commands import CreateReply
from voicechat.config import AgentSettings, McpSettings, Settings, ToolSettings
from voicechat.conversation import SessionSettings, Tool, ToolCall
from voicechat.events import SettingsChanged, ToolsListed
from voicechat.transport.realtime.unstored import REMEMBERED
from voicechat.transport.realtime.wire import RealtimeWire

THEIRS: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
HOUSE = Settings(agent=AgentSettings(tools=ToolSettings(mcp={"house": McpSettings(command=("house",))})))
FIND = Tool("find", "a street", '{"type": "object"}')


async def name(socket: ClientWebSocketResponse, **more: Any) -> list[dict[str, Any]]:
    """What is told to a client who names the server."""
    await until(socket, "conversation.created")
    tools = [{"type": "mcp", "server_label": "house", **more}]
    await send(socket, "session.update", session={"type": "realtime", "tools": tools})
    return await until(socket, "conversation.item.done")


def test_list_of_tools_is_told_as_openais_package_knows_it() -> None:
    messages = say([ToolsListed("item_7", "maps", (FIND,), "item_6")])
    assert [message["type"] for message in messages] == [
        "conversation.item.added",
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "conversation.item.done",
    ]
    for message in messages:
        assert THEIRS.validate_python(message, strict=True).type == message["type"]
    assert messages[0]["previous_item_id"] == messages[3]["previous_item_id"] == "item_6"
    assert messages[0]["item"]["tools"] == []
    known = RealtimeMcpListTools.model_validate(messages[3]["item"], strict=True)
    assert (known.id, known.server_label, known.tools[0].name) == ("item_7", "maps", "find")
    assert known.tools[0].input_schema == {"type": "object"}


def test_server_that_cannot_be_reached_is_told() -> None:
    messages = say([ToolsListed("item_7", "maps", (), None)])
    assert [message["type"] for message in messages][1:3] == ["mcp_list_tools.in_progress", "mcp_list_tools.failed"]


async def test_client_is_told_of_the_tools_of_a_server_that_it_names() -> None:
    async with calling(Answering(tools=ScriptedTools(weather=0.0, clock=0.0)), HOUSE) as socket:
        messages = await name(socket)
        listed = messages[-1]["item"]
        await send(socket, "conversation.item.retrieve", item_id=listed["id"])
        [retrieved] = await until(socket, "conversation.item.retrieved")
        await send(socket, "session.update", session={"type": "realtime", "instructions": "Be brief."})
        await send(socket, "conversation.item.retrieve", item_id="nobody")
        after = await until(socket, "error")
    assert [message["type"] for message in messages] == [
        "session.updated",
        "conversation.item.added",
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "conversation.item.done",
    ]
    assert (listed["server_label"], [tool["name"] for tool in listed["tools"]]) == ("house", ["weather", "clock"])
    assert retrieved["item"] == listed
    assert [message["type"] for message in after] == ["session.updated", "error"], "it is told once"


async def test_server_without_tools_is_told_and_the_session_goes_on() -> None:
    async with calling(Answering("hello", tools=ScriptedTools()), HOUSE) as socket:
        messages = await name(socket)
        await send(socket, "input_audio_buffer.append", audio=SPEECH)
        done = (await until(socket, "response.done"))[-1]["response"]
    assert [message["type"] for message in messages][2:4] == ["mcp_list_tools.in_progress", "mcp_list_tools.failed"]
    assert done["status"] == "completed"


async def test_only_tools_that_the_client_allows_are_listed_offered_and_run() -> None:
    calls = [ToolCall("call_1", "weather", "{}"), ToolCall("call_2", "clock", "{}")]
    reception = Answering([*calls], "it snows", tools=ScriptedTools(weather=0.0, clock=0.0))
    async with calling(reception, HOUSE) as socket:
        messages = await name(socket, allowed_tools=["weather"])
        await send(socket, "input_audio_buffer.append", audio=SPEECH)
        output = (await until(socket, "response.done"))[-1]["response"]["output"]
    assert messages[0]["session"]["tools"][0]["allowed_tools"] == ["weather"]
    assert [tool["name"] for tool in messages[-1]["item"]["tools"]] == ["weather"]
    assert [tool.name for tool in reception.agent.settings[0].tools] == ["weather"]
    assert [(item["type"], item.get("name")) for item in output] == [("mcp_call", "weather"), ("message", None)]
    read = [text for _, text in reception.agent.asked[1]]
    assert "weather of {}" in read and json.dumps({"error": "there is no tool 'clock'"}) in read


async def test_only_tools_that_one_answer_allows_are_offered_and_run_for_it() -> None:
    calls = [ToolCall("call_1", "weather", "{}"), ToolCall("call_2", "clock", "{}")]
    reception = Answering([*calls], "it snows", "hello", tools=ScriptedTools(weather=0.0, clock=0.0))
    async with calling(reception, HOUSE) as socket:
        await until(socket, "conversation.created")
        tools = [{"type": "mcp", "server_label": "house", "allowed_tools": ["weather"]}]
        await send(socket, "response.create", response={"tools": tools})
        await until(socket, "response.done")
        await send(socket, "response.create")
        await until(socket, "response.done")
    offered = [[tool.name for tool in settings.tools] for settings in reception.agent.settings]
    assert (offered[0], offered[-1]) == (["weather"], ["weather", "clock"])
    read = [text for _, text in reception.agent.asked[1]]
    assert "weather of {}" in read and json.dumps({"error": "there is no tool 'clock'"}) in read


@pytest.mark.parametrize(
    ("asked", "read", "delete", "look"),
    [
        (CreateReply(tools=()), True, False, False),
        (CreateReply(tools=(), labels=("files",), allowed=(("files", ("delete",)),)), False, True, False),
        (CreateReply(tools=(), labels=("maps",)), True, False, True),
    ],
)
def test_what_one_answer_does_not_name_stays_as_the_session_allows(
    asked: CreateReply, read: bool, delete: bool, look: bool
) -> None:
    settings = asked.of(SessionSettings(labels=("files",), allowed=(("files", ("read",)), ("maps", ()))))
    assert [settings.permits("files", "read"), settings.permits("files", "delete")] == [read, delete]
    assert settings.permits("maps", "look") is look


def retrieve(wire: RealtimeWire, id: str) -> list[dict[str, Any]]:
    assert wire.decode(json.dumps({"type": "conversation.item.retrieve", "item_id": id})) is None
    return wire.answers()


def test_call_of_a_servers_tool_can_be_asked_for_as_agents_js_does() -> None:
    wire = RealtimeWire("sess_a", channel="websocket")
    say([SettingsChanged(SessionSettings(labels=("maps",))), STARTED, MCP_CALL], wire)
    [under_way] = retrieve(wire, "item_5")
    assert (under_way["type"], under_way["item"]["output"]) == ("conversation.item.retrieved", None)
    say([WORKED], wire)
    [over] = retrieve(wire, "item_5")
    assert over["item"]["output"] == "It snows."
    assert THEIRS.validate_python(over, strict=True).type == "conversation.item.retrieved"
    assert wire.decode('{"type":"input_audio_buffer.clear"}') is not None
    assert wire.answers() == []


@pytest.mark.parametrize(("number", "known"), [(0, False), (1, True), (REMEMBERED, True)])
def test_only_the_latest_are_remembered(number: int, known: bool) -> None:
    wire = RealtimeWire("sess_a", channel="webrtc")
    say([ToolsListed(f"item_{count}", "maps", (FIND,), None) for count in range(REMEMBERED + 1)], wire)
    command = wire.decode(json.dumps({"type": "conversation.item.retrieve", "item_id": f"item_{number}"}))
    assert (command is None) is known
