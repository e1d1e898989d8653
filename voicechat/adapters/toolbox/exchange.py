"""What goes into a tool and what comes out of it."""

import json
from typing import Any, Final

from voicechat.conversation import ToolCall
from voicechat.errors import ToolFailed

MOST_BYTES: Final = 64 * 1024
"""Of a result: a language model has to read it while the caller waits."""

REASON_CHARS: Final = 200


def arguments(call: ToolCall) -> dict[str, Any]:
    """What the agent gives the tool; a language model wrote it, so it may be anything. Raises ToolFailed."""
    try:
        read = json.loads(call.arguments)
    except (ValueError, RecursionError):
        raise ToolFailed("tool_arguments", "the arguments are no JSON") from None
    if not isinstance(read, dict):
        raise ToolFailed("tool_arguments", "the arguments are no JSON object")
    return read


def result(value: object) -> str:
    """A tool's result as a text: itself, or as JSON. Raises ToolFailed for one that is too long or no JSON."""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError):
        kind = type(value).__name__
        raise ToolFailed("tool_result", f"its result, of type {kind}, cannot be written as JSON") from None
    if size > MOST_BYTES:
        raise too_long()
    return text


def too_long() -> ToolFailed:
    return ToolFailed("tool_result", f"its result is longer than {MOST_BYTES // 1024} KiB")


def reason(text: object) -> str:
    """An error's words, as one short line."""
    return " ".join(str(text).split())[:REASON_CHARS]
