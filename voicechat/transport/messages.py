"""What clients say: one JSON message of the realtime protocol becomes one command, or sound. No I/O."""

import base64
import binascii
import itertools
from collections.abc import Callable
from typing import Final

import numpy as np

from voicechat import commands
from voicechat.audio import AudioFrame
from voicechat.commands import Command
from voicechat.conversation import Item, ItemStatus, Role, SessionSettings
from voicechat.errors import BadMessage
from voicechat.transport import session_object
from voicechat.transport.fields import Fields, parse

LONGEST_AUDIO_MS: Final = 24 * 3600 * 1000

_PARTS: Final = ("input_text", "output_text", "text", "input_audio", "output_audio", "audio")


class Messages:
    """Reads one client's messages.

    It remembers which echoed settings the client has sent, since each update must carry all of them.
    """

    def __init__(self) -> None:
        self.metadata: object = None
        """What the client attached to the answer it asked for last; the wire gives it back with that answer."""
        self._extras: dict[str, object] = {}
        self._items = itertools.count(1)
        self._readers: dict[str, Callable[[Fields], Command | AudioFrame | None]] = {
            "session.update": self._update,
            "input_audio_buffer.append": _append,
            "input_audio_buffer.commit": lambda m: commands.CommitInput(event_id=m.event_id),
            "input_audio_buffer.clear": lambda m: commands.ClearInput(event_id=m.event_id),
            "conversation.item.create": self._create_item,
            "conversation.item.retrieve": lambda m: commands.RetrieveItem(m.name_of("item_id"), event_id=m.event_id),
            "conversation.item.delete": lambda m: commands.DeleteItem(m.name_of("item_id"), event_id=m.event_id),
            "conversation.item.truncate": _truncate,
            "response.create": self._create_reply,
            "response.cancel": _cancel,
            "output_audio_buffer.clear": lambda m: commands.ClearOutput(event_id=m.event_id),
        }

    def begin(self, settings: SessionSettings) -> None:
        """The session starts with these settings."""
        self._extras = dict(settings.extras)

    def read(self, message: str) -> Command | AudioFrame | None:
        """A command, sound at 24 kHz, or None for a message without effect. Raises BadMessage."""
        value = parse(message)
        if not isinstance(value, dict):
            raise BadMessage("invalid_json", "The message is not a JSON object")
        event_id = value.get("event_id")
        fields = Fields(value, event_id=event_id if isinstance(event_id, str) else None)
        if event_id is not None:
            fields.text("event_id", longest=512)
        kind = fields.text("type")
        reader = self._readers.get(kind)
        if reader is None:
            fields.refuse("type", f"there is no client event {kind[:80]!r}", "unknown_event")
        return reader(fields)

    def _update(self, message: Fields) -> Command:
        changes = session_object.read(message.inner("session"), self._extras)
        if "extras" in changes:
            self._extras = dict(changes["extras"])  # type: ignore[call-overload]  # a tuple of pairs
        return commands.UpdateSettings(changes, event_id=message.event_id)

    def _create_item(self, message: Fields) -> Command:
        after = message.name_of("previous_item_id") if message.has("previous_item_id") else None
        return commands.AddItem(self._item(message.inner("item")), after, event_id=message.event_id)

    def _item(self, item: Fields) -> Item:
        item.one_of("type", "message")
        role = Role(item.one_of("role", *Role))
        parts = item.inners("content")
        if not parts:
            item.refuse("content", "this field is required", "missing_field")
        texts = [_part(part) for part in parts]
        return Item(
            id=item.name_of("id") if item.has("id") else f"item_client_{next(self._items)}",
            role=role,
            text="\n".join(text for text in texts if text),
            spoken=any(part.text("type").endswith("audio") for part in parts),
            status=ItemStatus(item.one_of("status", *ItemStatus)) if item.has("status") else ItemStatus.COMPLETED,
        )

    def _create_reply(self, message: Fields) -> Command:
        self.metadata = None
        if not message.has("response"):
            return commands.CreateReply(event_id=message.event_id)
        wanted = message.inner("response")
        if wanted.has("conversation"):
            wanted.one_of("conversation", "auto")
        if wanted.entries("input"):
            wanted.refuse("input", "answers outside the conversation are not made here", "unsupported_parameter")
        metadata = wanted.inner("metadata").values if wanted.has("metadata") else None
        command = commands.CreateReply(
            wanted.text("instructions") if wanted.has("instructions") else None,
            session_object.read_modalities(wanted) if wanted.has("output_modalities") else None,
            event_id=message.event_id,
        )
        self.metadata = metadata
        return command


def _part(part: Fields) -> str:
    """The words of one part of an item's content."""
    kind = part.one_of("type", *_PARTS)
    if not kind.endswith("audio"):
        return part.text("text")
    if not part.has("transcript"):
        part.refuse("type", "sound is taken through input_audio_buffer.append alone", "unsupported_content")
    return part.text("transcript")


def _append(message: Fields) -> AudioFrame | None:
    text = message.text("audio")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        message.refuse("audio", "it is not base64", "audio_not_base64")
    if len(data) % 2:
        message.refuse("audio", f"{len(data)} bytes are not whole 16-bit samples", "audio_odd_length")
    if not data:
        return None
    return AudioFrame(np.frombuffer(data, "<i2").astype(np.int16), session_object.RATE)


def _truncate(message: Fields) -> Command:
    if message.has("content_index"):
        message.integer("content_index", 0, 0)
    end = message.integer("audio_end_ms", 0, LONGEST_AUDIO_MS) / 1000
    return commands.TruncateItem(message.name_of("item_id"), end, event_id=message.event_id)


def _cancel(message: Fields) -> Command:
    reply = message.name_of("response_id") if message.has("response_id") else None
    return commands.CancelReply(reply, event_id=message.event_id)
