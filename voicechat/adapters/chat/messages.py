"""A conversation as a chat server wants it, in the terms of OpenAI's completions."""

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from voicechat.conversation import Item, Kind, Picture, SessionSettings, Tool

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolUnionParam

Content = str | list[dict[str, Any]]
"""A message's: a text, or parts of several kinds."""


def messages(instructions: str, history: Sequence[Item]) -> "list[ChatCompletionMessageParam]":
    """Instructions and history. Neighbours of one role are joined: many models want roles to alternate.

    Calls that stand beside each other are of one message; the output of each has to follow before anything else is
    said, which is for the caller to see to.
    """
    found: list[Any] = [_said("system", instructions)] if instructions.strip() else []
    for item in history:
        before = found[-1] if found else {}
        match item.kind:
            case Kind.CALL if before.get("role") == "assistant":
                before["tool_calls"] = [*before.get("tool_calls", ()), _called(item)]
            case Kind.CALL:
                found.append({"role": "assistant", "content": None, "tool_calls": [_called(item)]})
            case Kind.OUTPUT:
                found.append({"role": "tool", "tool_call_id": item.call, "content": item.text})
            case _ if item.empty:
                continue
            case _ if before.get("role") == item.role.value and "tool_calls" not in before:
                before["content"] = _joined(before["content"], _content(item))
            case _:
                found.append(_said(item.role.value, _content(item)))
    return found


def _content(item: Item) -> Content:
    """A text, or its parts where there are pictures: servers that see none know only texts."""
    if not item.pictures:
        return item.text
    return [*_parts(item.text), *map(_shown, item.pictures)]


def _joined(before: Content, more: Content) -> Content:
    if isinstance(before, str) and isinstance(more, str):
        return f"{before}\n{more}"
    return [*_parts(before), *_parts(more)]


def _parts(content: Content) -> list[dict[str, Any]]:
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content}] if content.strip() else []


def _shown(picture: Picture) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": picture.address, "detail": picture.detail}}


def tools(settings: SessionSettings) -> dict[str, Any]:
    """The part of a request that is about tools: nothing where there are none."""
    if not settings.tools:
        return {}
    chosen = settings.tool_choice
    named = chosen not in ("auto", "none", "required")
    request: dict[str, Any] = {"tools": _offered(settings.tools)}
    if named and any(tool.name == chosen for tool in settings.tools):
        request["tool_choice"] = {"type": "function", "function": {"name": chosen}}
    elif not named and chosen != "auto":
        request["tool_choice"] = chosen
    if not settings.parallel_tools:  # not every server knows it: said only where it matters
        request["parallel_tool_calls"] = False
    return request


def _offered(offered: Iterable[Tool]) -> "list[ChatCompletionToolUnionParam]":
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": json.loads(tool.parameters)},
        }
        for tool in offered
    ]


def _said(role: str, content: Content) -> dict[str, Any]:
    return {"role": role, "content": content}


def _called(item: Item) -> dict[str, Any]:
    return {"id": item.call, "type": "function", "function": {"name": item.name, "arguments": item.text}}
