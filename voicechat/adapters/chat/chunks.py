"""What a chunk of a streamed answer says. The library checks no types, so that a server's oddities arrive here."""

from collections.abc import Iterator
from typing import Any, Final

from voicechat.conversation import Tokens

REASONS: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Why an answer ends before its end, in a server's words and in ours."""


def text(chunk: object) -> str:
    """What is said; a model's separate reasoning is not."""
    for delta in _deltas(chunk):
        if isinstance(content := getattr(delta, "content", None), str):
            return whole(content)
    return ""


def calls(chunk: object) -> Iterator[Any]:
    """Pieces of calls of tools."""
    for delta in _deltas(chunk):
        pieces = getattr(delta, "tool_calls", None)
        yield from pieces if isinstance(pieces, list) else ()


def finished(chunk: object) -> str:
    """The server's reason to end here; empty: it goes on."""
    reasons = (getattr(choice, "finish_reason", None) for choice in _choices(chunk))
    return next((str(reason) for reason in reasons if reason), "")


def tokens(chunk: object) -> Tokens | None:
    """What the answer cost, where the chunk says."""
    usage = getattr(chunk, "usage", None)
    if usage is None:
        return None
    details = getattr(usage, "prompt_tokens_details", None)
    return Tokens(
        _count(usage, "prompt_tokens"), _count(details, "cached_tokens"), _count(usage, "completion_tokens")
    )


def whole(text: str) -> str:
    """Without half a surrogate pair, which cannot be encoded later."""
    return text.encode("utf-8", "ignore").decode()


def _choices(chunk: object) -> list[object]:
    choices = getattr(chunk, "choices", None)
    return choices if isinstance(choices, list) else []


def _deltas(chunk: object) -> Iterator[object]:
    return (getattr(choice, "delta", None) for choice in _choices(chunk))


def _count(counts: object, name: str) -> int:
    number = getattr(counts, name, None)
    return number if isinstance(number, int) and number >= 0 else 0
