"""What a caller's program may ask of a session, beside sending sound.

`event_id` is the client's own id for the message; an error about it carries it back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from voicechat.audio import AudioFrame
from voicechat.conversation import Codec, Item, SessionSettings, Tool


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
    """Put an item into the history, after the item `after`, at the front for "root", or at the end.

    What is said in its `sound`, at any rate, joins its text when that is understood.
    """

    item: Item
    after: str | None = None
    sound: AudioFrame | None = None


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
    """Answer now. What is given overrides the session's settings for this one answer.

    `items` are read instead of the history; a mere id stands for that item of it.
    Where `stored` is false, the answer does not enter the history, and another may be under way. `metadata` comes back
    with the answer. Of the servers named in `labels` the tools that are `allowed` may be used, or all where none are
    listed; of others what the session allows.
    """

    instructions: str | None = None
    speaks: bool | None = None
    items: tuple[Item | str, ...] | None = None
    stored: bool = True
    metadata: Mapping[str, str] | None = None
    voice: str | None = None
    max_tokens: int | None = None
    plays: Codec | None = None
    tools: tuple[Tool, ...] | None = None
    tool_choice: str | None = None
    labels: tuple[str, ...] = ()
    allowed: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def of(self, settings: SessionSettings) -> SessionSettings:
        """The session's settings with what this one answer overrides."""
        names = ("instructions", "speaks", "voice", "max_tokens", "plays", "tools", "tool_choice")
        changes = {name: value for name in names if (value := getattr(self, name)) is not None}
        if self.labels:
            kept = tuple(rule for rule in settings.allowed if rule[0] not in self.labels)
            changes["allowed"] = (*kept, *self.allowed)
        return replace(settings, **changes) if changes else settings


@dataclass(frozen=True, slots=True)
class Ask(Command):
    """The caller has typed `text`: it interrupts, enters the history and is answered, in sound if it `speaks`."""

    text: str
    speaks: bool | None = None


@dataclass(frozen=True, slots=True)
class GiveResult(Command):
    """What a tool that the caller's program runs has said; it is answered unless an answer is under way."""

    call: str
    output: str


@dataclass(frozen=True, slots=True)
class CancelReply(Command):
    """Stop the answer, or only the answer named `reply`."""

    reply: str | None = None


@dataclass(frozen=True, slots=True)
class ClearOutput(Command):
    """Drop the sound that has not left yet."""


@dataclass(frozen=True, slots=True)
class HangUp(Command):
    """The caller's program wants the call to end; the transport sees to it."""
