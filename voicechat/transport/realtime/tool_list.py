"""The tools of a session or of one answer, as the realtime protocol lists them. No I/O."""

import json
import re
from collections.abc import Collection
from typing import Final, NamedTuple

from voicechat.conversation import Tool
from voicechat.events import ToolsListed
from voicechat.transport.fields import Fields
from voicechat.transport.realtime.given_items import LONGEST_NAME
from voicechat.transport.realtime.items import Message

MOST: Final = 128
"""Tools that one client may bring."""

_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_ELSEWHERE: Final = ("server_url", "connector_id", "tunnel_id", "authorization", "headers")
"""What a client would say of a server that is not ours."""

_CHOICES: Final = ("auto", "none", "required")


class ToolList(NamedTuple):
    """What the client's program runs, servers of this house, and which of their tools may be used, if not all may."""

    tools: tuple[Tool, ...]
    labels: tuple[str, ...]
    allowed: tuple[tuple[str, tuple[str, ...]], ...]


def write(listed: ToolList) -> list[dict[str, object]]:
    functions: list[dict[str, object]] = [
        {
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": json.loads(tool.parameters),
        }
        for tool in listed.tools
    ]
    allowed = dict(listed.allowed)
    servers: list[dict[str, object]] = [
        {
            "type": "mcp",
            "server_label": label,
            "allowed_tools": list(allowed[label]) if label in allowed else None,
            "require_approval": "never",
        }
        for label in listed.labels
    ]
    return functions + servers


def read(fields: Fields, known: Collection[str]) -> ToolList:
    """`known` are the labels of servers in this house.

    A server elsewhere is refused: this one would have to connect to whatever address a client names.
    Raises BadMessage.
    """
    entries = fields.inners("tools")
    if len(entries) > MOST:
        fields.refuse("tools", f"at most {MOST} tools are taken")
    tools: dict[str, Tool] = {}
    labels: list[str] = []
    allowed: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        if entry.one_of("type", "function", "mcp") == "mcp":
            label = _read_server(entry, known)
            if label in labels:
                entry.refuse("server_label", f"{label} is named twice")
            labels.append(label)
            if entry.has("allowed_tools"):
                allowed[label] = _read_allowed(entry)
            continue
        tool = _read_function(entry)
        if tool.name in tools:
            entry.refuse("name", f"there is a tool {tool.name} already")
        tools[tool.name] = tool
    return ToolList(tuple(tools.values()), tuple(labels), tuple(allowed.items()))


def _read_function(entry: Fields) -> Tool:
    name = entry.text("name", longest=LONGEST_NAME)
    if not _NAME.fullmatch(name):
        entry.refuse("name", "letters, digits, _ and - are allowed")
    parameters = dict(entry.inner("parameters").values) if entry.has("parameters") else {}
    description = entry.text("description") if entry.has("description") else ""
    return Tool(name, description, json.dumps(parameters, ensure_ascii=False))


def _read_server(entry: Fields, known: Collection[str]) -> str:
    """The label of a server of this house, whose tools run without asking."""
    for key in _ELSEWHERE:
        if entry.has(key):
            entry.refuse(key, "only servers that this house is configured with are asked", "unsupported_parameter")
    if entry.has("require_approval") and entry.values["require_approval"] != "never":
        entry.refuse("require_approval", 'nothing is asked before a tool runs: "never"', "unsupported_parameter")
    label = entry.text("server_label", longest=LONGEST_NAME)
    if label not in known:
        entry.refuse("server_label", "this house has no such server")
    return label


def _read_allowed(entry: Fields) -> tuple[str, ...]:
    """A list of names, or an object with them."""
    if not isinstance(entry.values["allowed_tools"], dict):
        return tuple(entry.names("allowed_tools"))
    chosen = entry.inner("allowed_tools")
    if chosen.has("read_only"):
        chosen.refuse("read_only", "tools are chosen by name alone", "unsupported_parameter")
    return tuple(chosen.names("tool_names"))


def write_choice(choice: str) -> object:
    return choice if choice in _CHOICES else {"type": "function", "name": choice}


def read_choice(fields: Fields) -> str:
    """auto, none, required, or the name of the one tool to call. Raises BadMessage."""
    if not isinstance(fields.values.get("tool_choice"), dict):
        return fields.one_of("tool_choice", *_CHOICES)
    choice = fields.inner("tool_choice")
    choice.one_of("type", "function")
    return choice.text("name", longest=LONGEST_NAME)


def tell(event: ToolsListed) -> list[Message]:
    """What a server of this house has: it is known before anybody asks, so that all is told at once."""
    item: Message = {"id": event.item, "type": "mcp_list_tools", "server_label": event.label}
    offered = [
        {"name": tool.name, "description": tool.description, "input_schema": json.loads(tool.parameters)}
        for tool in event.tools
    ]
    end = "completed" if offered else "failed"
    where: Message = {"previous_item_id": event.previous}
    return [
        {"type": "conversation.item.added", **where, "item": {**item, "tools": []}},
        {"type": "mcp_list_tools.in_progress", "item_id": event.item},
        {"type": f"mcp_list_tools.{end}", "item_id": event.item},
        {"type": "conversation.item.done", **where, "item": {**item, "tools": offered}},
    ]
