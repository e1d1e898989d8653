"""What is said, and under which settings: the nouns that every floor shares."""

from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"


class Kind(StrEnum):
    """What an item of the history is."""

    MESSAGE = "message"
    CALL = "function_call"
    OUTPUT = "function_call_output"


class Codec(StrEnum):
    """How the sound of a WebSocket is written."""

    PCM = "audio/pcm"
    MULAW = "audio/pcmu"
    ALAW = "audio/pcma"


class ItemStatus(StrEnum):
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class Picture:
    """Whole, in an address of the scheme `data:`; `detail` is auto, low or high."""

    address: str
    detail: str = "auto"


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the history.

    `text` of an assistant's item is what was heard; `spoken` says that it was sound, not typing. A tool's call has its
    arguments as text and is the assistant's; its output is the user's. Both carry the id of the `call`.
    """

    id: str
    role: Role
    text: str
    spoken: bool = False
    status: ItemStatus = ItemStatus.COMPLETED
    kind: Kind = Kind.MESSAGE
    call: str = ""
    name: str = ""
    """Of the tool that is called."""
    pictures: tuple[Picture, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nobody would learn anything from it."""
        return not (self.text.strip() or self.pictures)


@dataclass(frozen=True, slots=True)
class Tool:
    """What an agent may have called. `parameters` is a JSON Schema, as text."""

    name: str
    description: str = ""
    parameters: str = "{}"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """An agent wants a tool called; `arguments` is a JSON text, never empty."""

    id: str
    name: str
    arguments: str


    def item(self, id: str) -> Item:
        """As the history has it."""
        return Item(id, Role.ASSISTANT, self.arguments, kind=Kind.CALL, call=self.id, name=self.name)

    def result(self, id: str, output: str) -> Item:
        """What came of it, as the history has it."""
        return Item(id, Role.USER, output, kind=Kind.OUTPUT, call=self.id)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What an answer cost a language model; `cached` are part of those `read`."""

    read: int = 0
    cached: int = 0
    written: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.read + other.read, self.cached + other.cached, self.written + other.written)


@dataclass(frozen=True, slots=True)
class Ended:
    """How an agent's answer ended. `reason` is empty, max_output_tokens or content_filter."""

    reason: str = ""
    tokens: Tokens | None = None


Piece = str | ToolCall | Ended
"""What an agent's answer is made of; `Ended` comes once at most, and last."""


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word of a transcript, from `start` to `end` in seconds of its sound."""

    text: str
    start: float
    end: float
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Weighed:
    """A piece of a transcript, and the natural logarithm of how likely its recogniser holds it to be."""

    text: str
    logprob: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a recogniser understood; `confidence` runs from 0 to 1.

    No `words` where it does not know their times; nothing `weighed` where it does not say, or nobody has asked.
    """

    text: str
    confidence: float = 1.0
    language: str = "en"
    words: tuple[TimedWord, ...] = ()
    weighed: tuple[Weighed, ...] = ()


@dataclass(frozen=True, slots=True)
class TurnDetection:
    """How the server decides that the caller has finished; times in seconds.

    `kind` is echoed to clients; `threshold` is the speech probability that counts as speech. Where `adapts` is false,
    `silence` is always waited for. After `idle` seconds of silence that follow an answer we speak again; None: never.
    """

    kind: str = "server_vad"
    threshold: float = 0.5
    silence: float = 0.3
    prefix: float = 0.3
    create_reply: bool = True
    interrupt_reply: bool = True
    eagerness: str = "auto"
    adapts: bool = True
    idle: float | None = None


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What one caller may change about their session.

    `answers` is False for a caller who is only transcribed, `speaks` for one who wants text alone; `turns` is None for
    push-to-talk. `weighs` asks how likely what is transcribed is.
    `tool_choice` is auto, none, required or the name of a tool. `hears` and `plays` are how a WebSocket's sound is
    written. `labels` names the servers of tools in this house whose work the caller wants to be told of, and `allowed`
    those of their tools that may be used, where not all may. `extras` holds accepted settings that change nothing here
    but are echoed back.
    """

    instructions: str = ""
    voice: str = ""
    answers: bool = True
    speaks: bool = True
    language: str | None = None
    transcribes: bool = True
    weighs: bool = False
    turns: TurnDetection | None = field(default_factory=TurnDetection)
    speed: float = 1.0
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    parallel_tools: bool = True
    max_tokens: int | None = None
    hears: Codec = Codec.PCM
    plays: Codec = Codec.PCM
    labels: tuple[str, ...] = ()
    allowed: tuple[tuple[str, tuple[str, ...]], ...] = ()
    extras: tuple[tuple[str, object], ...] = ()

    def permits(self, label: str, tool: str) -> bool:
        """Whether a tool of the server may be used."""
        return tool in dict(self.allowed).get(label, (tool,))
