"""What is said, and under which settings: the nouns that every floor shares."""

from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"


class ItemStatus(StrEnum):
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the history.

    `text` of an assistant's item is what was heard; `spoken` says that it was sound, not typing.
    """

    id: str
    role: Role
    text: str
    spoken: bool = False
    status: ItemStatus = ItemStatus.COMPLETED


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word of a transcript, from `start` to `end` in seconds of its sound."""

    text: str
    start: float
    end: float
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a recogniser understood; `confidence` runs from 0 to 1. No `words` where it does not know their times."""

    text: str
    confidence: float = 1.0
    language: str = "en"
    words: tuple[TimedWord, ...] = ()


@dataclass(frozen=True, slots=True)
class TurnDetection:
    """How the server decides that the caller has finished; times in seconds.

    `kind` is echoed to clients; `threshold` is the speech probability that counts as speech. Where `adapts` is false,
    `silence` is always waited for.
    """

    kind: str = "server_vad"
    threshold: float = 0.5
    silence: float = 0.3
    prefix: float = 0.3
    create_reply: bool = True
    interrupt_reply: bool = True
    eagerness: str = "auto"
    adapts: bool = True


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What one caller may change about their session.

    `speaks` is False for a caller who wants text alone; `turns` is None for push-to-talk.
    `extras` holds accepted settings that change nothing here but are echoed back.
    """

    instructions: str = ""
    voice: str = ""
    speaks: bool = True
    language: str | None = None
    transcribes: bool = True
    turns: TurnDetection | None = field(default_factory=TurnDetection)
    speed: float = 1.0
    extras: tuple[tuple[str, object], ...] = ()
