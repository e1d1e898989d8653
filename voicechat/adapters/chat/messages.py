"""A conversation as a chat server wants it, in the terms of OpenAI's completions."""

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from voicechat.conversation import Item, Kind, SessionSettings, Tool

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolUnionParam


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
            case _ if not item.text.strip():
                continue
            case _ if before.get("role") == item.role.value and "tool_calls" not in before:
                before["content"] += f"\n{item.text}"
            case _:
                found.append(_said(item.role.value, item.text))
    return found


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


def _said(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": text}


def _called(item: Item) -> dict[str, Any]:
    return {"id": item.call, "type": "function", "function": {"name": item.name, "arguments": item.text}}
