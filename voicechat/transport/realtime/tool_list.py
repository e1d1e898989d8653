"""The tools of a session or of one answer, as the realtime protocol lists them. No I/O."""

import json
import re
from collections.abc import Collection, Sequence
from typing import Final

from voicechat.conversation import Tool
from voicechat.transport.fields import Fields
from voicechat.transport.realtime.given_items import LONGEST_NAME

MOST: Final = 128
"""Tools that one client may bring."""

_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_CHOICES: Final = ("auto", "none", "required")


def write(tools: Sequence[Tool], labels: Sequence[str]) -> list[dict[str, object]]:
    functions: list[dict[str, object]] = [
        {
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": json.loads(tool.parameters),
        }
        for tool in tools
    ]
    servers: list[dict[str, object]] = [{"type": "mcp", "server_label": label} for label in labels]
    return functions + servers


def read(fields: Fields, known: Collection[str]) -> tuple[tuple[Tool, ...], tuple[str, ...]]:
    """The functions that the client runs, and the labels of servers of this house; `known` are those that there are.

    A server elsewhere is refused: this one would have to connect to whatever address a client names.
    Raises BadMessage.
    """
    entries = fields.inners("tools")
    if len(entries) > MOST:
        fields.refuse("tools", f"at most {MOST} tools are taken")
    tools: dict[str, Tool] = {}
    labels: list[str] = []
    for entry in entries:
        if entry.one_of("type", "function", "mcp") == "mcp":
            labels.append(_read_label(entry, known))
            continue
        tool = _read_function(entry)
        if tool.name in tools:
            entry.refuse("name", f"there is a tool {tool.name} already")
        tools[tool.name] = tool
    return tuple(tools.values()), tuple(labels)


def _read_function(entry: Fields) -> Tool:
    name = entry.text("name", longest=LONGEST_NAME)
    if not _NAME.fullmatch(name):
        entry.refuse("name", "letters, digits, _ and - are allowed")
    parameters = dict(entry.inner("parameters").values) if entry.has("parameters") else {}
    description = entry.text("description") if entry.has("description") else ""
    return Tool(name, description, json.dumps(parameters, ensure_ascii=False))


def _read_label(entry: Fields, known: Collection[str]) -> str:
    for key in ("server_url", "connector_id"):
        if entry.has(key):
            entry.refuse(key, "only servers that this house is configured with are asked", "unsupported_parameter")
    label = entry.text("server_label", longest=LONGEST_NAME)
    if label not in known:
        entry.refuse("server_label", "this house has no such server")
    return label


def write_choice(choice: str) -> object:
    return choice if choice in _CHOICES else {"type": "function", "name": choice}


def read_choice(fields: Fields) -> str:
    """auto, none, required, or the name of the one tool to call. Raises BadMessage."""
    if not isinstance(fields.values.get("tool_choice"), dict):
        return fields.one_of("tool_choice", *_CHOICES)
    choice = fields.inner("tool_choice")
    choice.one_of("type", "function")
    return choice.text("name", longest=LONGEST_NAME)
