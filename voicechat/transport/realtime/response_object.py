"""The response object of the realtime protocol: what an answer shall be, read, and what it is, written. No I/O."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from voicechat.commands import CreateReply
from voicechat.conversation import Item, Tokens
from voicechat.events import ReplyFinished, ReplyStarted, ReplyStatus
from voicechat.transport.fields import Fields
from voicechat.transport.realtime import formats, given_items, session_object, tool_list
from voicechat.transport.realtime.given_items import Senses
from voicechat.transport.realtime.items import Message

MOST_METADATA: Final = 16
LONGEST_KEY, LONGEST_VALUE = 64, 512
"""Pairs, and characters of their parts: OpenAI's limits."""

MOST_ITEMS: Final = 400
"""That an answer may read instead of the history; as many as a history has."""

_TAKEN: Final = (
    "conversation", "input", "instructions", "metadata", "output_modalities", "audio", "tools", "tool_choice",
    "parallel_tool_calls", "max_output_tokens", "prompt", "reasoning",
)  # fmt: skip


def read(
    wanted: Fields,
    *,
    known: Collection[str],
    new_id: Callable[[], str],
    blind: str,
    voice: Callable[[str], str],
    event_id: str | None,
) -> CreateReply:
    """What the object asks for; what it leaves out is as the session has it.

    `known` are the labels of servers of tools, `blind` says why pictures are not understood, if so, and `voice` gives
    our name for one. Raises BadMessage.
    """
    for key in wanted.values:
        if key not in _TAKEN:
            wanted.refuse(key, "there is no such field", "unknown_parameter")
    given: dict[str, Any] = {"event_id": event_id}
    if wanted.has("instructions"):
        given["instructions"] = wanted.text("instructions")
    if wanted.has("output_modalities"):
        given["speaks"] = session_object.read_modalities(wanted)
    if wanted.has("conversation"):
        given["stored"] = wanted.one_of("conversation", "auto", "none") == "auto"
    if wanted.has("input"):
        given["items"] = _read_items(wanted, new_id, Senses(None, blind))
    if wanted.has("metadata"):
        given["metadata"] = _read_metadata(wanted.inner("metadata"), wanted)
    if wanted.has("max_output_tokens"):
        given["max_tokens"] = session_object.read_max_tokens(wanted)
    if wanted.has("tools"):
        listed = tool_list.read(wanted, known)
        given |= {"tools": listed.tools, "labels": listed.labels, "allowed": listed.allowed}
    if wanted.has("tool_choice"):
        given["tool_choice"] = tool_list.read_choice(wanted)
    if wanted.has("parallel_tool_calls"):
        wanted.flag("parallel_tool_calls")
    if wanted.has("audio") and wanted.inner("audio").has("output"):
        output = wanted.inner("audio").inner("output")
        given["plays"] = formats.read(output)
        if output.has("voice"):
            given["voice"] = voice(session_object.read_voice(output))
    return CreateReply(**given)


def _read_items(wanted: Fields, new_id: Callable[[], str], senses: Senses) -> tuple[Item | str, ...]:
    """Items, or ids of items that the history has."""
    entries = wanted.inners("input")
    if len(entries) > MOST_ITEMS:
        wanted.refuse("input", f"at most {MOST_ITEMS} items are read")
    return tuple(
        entry.name_of("id") if entry.text("type") == "item_reference" else given_items.read(entry, new_id, senses).item
        for entry in entries
    )


def _read_metadata(metadata: Fields, wanted: Fields) -> Mapping[str, str]:
    if len(metadata.values) > MOST_METADATA:
        wanted.refuse("metadata", f"at most {MOST_METADATA} pairs are taken")
    for key in metadata.values:
        if len(key) > LONGEST_KEY:
            wanted.refuse("metadata", f"a key has at most {LONGEST_KEY} characters")
    return {key: metadata.text(key, longest=LONGEST_VALUE) for key in metadata.values}


def started(reply: ReplyStarted, *, conversation: str, voice: str) -> Message:
    """The object of an answer that has begun; `voice` is what the client calls the one that speaks."""
    return {
        "object": "realtime.response",
        "id": reply.reply,
        "status": "in_progress",
        "status_details": None,
        "output": [],
        "conversation_id": conversation if reply.stored else None,
        "output_modalities": session_object.modalities(reply.speaks),
        "max_output_tokens": session_object.write_max_tokens(reply.max_tokens),
        "audio": {"output": {"format": formats.write(reply.plays), "voice": voice}},
        "usage": None,
        "metadata": None if reply.metadata is None else dict(reply.metadata),
    }


def finished(response: Message, event: ReplyFinished, output: list[Message]) -> Message:
    """The same when it is over."""
    return {
        **response,
        "status": str(event.status),
        "status_details": _details(event),
        "output": output,
        "usage": _usage(event.tokens or Tokens()),
    }


def _details(event: ReplyFinished) -> Message | None:
    match event.status:
        case ReplyStatus.COMPLETED:
            return None
        case ReplyStatus.CANCELLED | ReplyStatus.INCOMPLETE:
            return {"type": str(event.status), "reason": event.reason}
        case ReplyStatus.FAILED:
            error = {"type": "server_error", "code": event.reason, "message": event.message}
            return {"type": "failed", "error": error}


def _usage(tokens: Tokens) -> Message:
    """Of the language model; no sound is counted here, but clients add all these numbers up."""
    none = {"audio_tokens": 0, "image_tokens": 0}
    return {
        "total_tokens": tokens.read + tokens.written,
        "input_tokens": tokens.read,
        "output_tokens": tokens.written,
        "input_token_details": {
            "text_tokens": tokens.read,
            **none,
            "cached_tokens": tokens.cached,
            "cached_tokens_details": {"text_tokens": tokens.cached, **none},
        },
        "output_token_details": {"text_tokens": tokens.written, "audio_tokens": 0},
    }
