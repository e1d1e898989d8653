"""What a caller's program may ask of a session, beside sending sound.

`event_id` is the client's own id for the message; an error about it carries it back.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from voicechat.conversation import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class UpdateSettings(Command):
    """Change the named fields of `SessionSettings`; `turns` may be a mapping of the fields of `TurnDetection`."""

    changes: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class CommitInput(Command):
    """The sound so far is the caller's whole utterance (push-to-talk)."""


@dataclass(frozen=True, slots=True)
class ClearInput(Command):
    """Forget the sound of the present utterance."""


@dataclass(frozen=True, slots=True)
class AddItem(Command):
    """Put an item into the history, after the item `after`, at the front for "root", or at the end."""

    item: Item
    after: str | None = None


@dataclass(frozen=True, slots=True)
class RetrieveItem(Command):
    item: str


@dataclass(frozen=True, slots=True)
class DeleteItem(Command):
    item: str


@dataclass(frozen=True, slots=True)
class TruncateItem(Command):
    """The caller heard only the first `end` seconds of the assistant's item."""

    item: str
    end: float


@dataclass(frozen=True, slots=True)
class CreateReply(Command):
    """Answer now; `instructions` and `speaks` override the session's for this one answer."""

    instructions: str | None = None
    speaks: bool | None = None


@dataclass(frozen=True, slots=True)
class CancelReply(Command):
    """Stop the answer, or only the answer named `reply`."""

    reply: str | None = None


@dataclass(frozen=True, slots=True)
class ClearOutput(Command):
    """Drop the sound that has not left yet."""
