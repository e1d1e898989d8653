"""What happens in a session, as frozen facts. Metrics, logs, wires and the page observe them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from voicechat.conversation import Codec, Item, SessionSettings, Tokens, Tool, Weighed


class State(StrEnum):
    """Who holds the floor."""

    IDLE = "idle"
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"
    BARGED_IN = "barged_in"
    TERMINATED = "terminated"


class ReplyStatus(StrEnum):
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    INCOMPLETE = "incomplete"


class DraftFate(StrEnum):
    """What became of an answer that was begun before the caller's turn was over."""

    USED = "used"
    RESUMED = "resumed"  # the caller went on
    CHANGED = "changed"  # something else was said, or is asked
    UNWANTED = "unwanted"  # no answer is wanted after all
    FAILED = "failed"  # the agent or the synthesizer did


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events."""


@dataclass(frozen=True, slots=True)
class SessionStarted(Event):
    session: str
    settings: SessionSettings


@dataclass(frozen=True, slots=True)
class SessionEnded(Event):
    """`reason` is a code: hung_up, idle, too_long, shutdown, failed."""

    session: str
    reason: str


@dataclass(frozen=True, slots=True)
class SettingsChanged(Event):
    settings: SessionSettings


@dataclass(frozen=True, slots=True)
class StateChanged(Event):
    state: State


@dataclass(frozen=True, slots=True)
class SpeechStarted(Event):
    """The caller speaks; `at` in seconds of the session's input audio, pre-roll included."""

    item: str
    at: float


@dataclass(frozen=True, slots=True)
class SpeechStopped(Event):
    """The caller has finished; `at` in seconds of the session's input audio, silence included."""

    item: str
    at: float


@dataclass(frozen=True, slots=True)
class InputCommitted(Event):
    """The utterance became the item `item` of the history, after `previous`."""

    item: str
    previous: str | None


@dataclass(frozen=True, slots=True)
class InputCleared(Event):
    pass


@dataclass(frozen=True, slots=True)
class InputDropped(Event):
    """`seconds` of the caller's sound were lost because the session could not keep up."""

    seconds: float


@dataclass(frozen=True, slots=True)
class InputTimedOut(Event):
    """Nothing was said after an answer, from `start` to `end` in seconds of the input audio; `item` stands for it."""

    item: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class TranscriptPartial(Event):
    """What has been understood of the utterance so far: the two parts join to its text.

    Later partials only add to `stable` and may change `tail`. `revised`: it is understood differently by now, and the
    final text will say how.
    """

    item: str
    stable: str
    tail: str = ""
    revised: bool = False


@dataclass(frozen=True, slots=True)
class TranscriptFinal(Event):
    """`seconds` of speech understood as `text`; `work` seconds of recognition went into it.

    `weighed` is how likely its pieces are, where that is asked for and the recogniser says.
    """

    item: str
    text: str
    confidence: float
    seconds: float
    work: float
    weighed: tuple[Weighed, ...] = ()

    @property
    def factor(self) -> float:
        """The real-time factor: seconds of recognition for a second of speech; 0.0 without speech."""
        return self.work / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class TranscriptFailed(Event):
    item: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ItemAdded(Event):
    """An item entered the history after `previous` (None: it is the first)."""

    item: Item
    previous: str | None


@dataclass(frozen=True, slots=True)
class ItemRetrieved(Event):
    item: Item


@dataclass(frozen=True, slots=True)
class ItemDeleted(Event):
    item: str


@dataclass(frozen=True, slots=True)
class ItemTruncated(Event):
    """The caller heard `end` seconds of the item; `item.text` is what was heard of it."""

    item: Item
    end: float


@dataclass(frozen=True, slots=True)
class ReplyStarted(Event):
    """An answer is being made; it is the session's `turn`-th, and will become `item`, if anything is said.

    One that is not `stored` does not enter the history.
    """

    reply: str
    turn: int
    item: Item
    previous: str | None
    speaks: bool
    metadata: Mapping[str, str] | None = None
    stored: bool = True
    voice: str = ""
    plays: Codec = Codec.PCM
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ReplyText(Event):
    """The next words of the answer, as they are handed to the speaker."""

    reply: str
    delta: str


@dataclass(frozen=True, slots=True)
class ReplyAudible(Event):
    """The first sound of the answer has left."""

    reply: str


@dataclass(frozen=True, slots=True)
class ReplyPaused(Event):
    """The caller may be speaking: the answer holds its breath."""

    reply: str


@dataclass(frozen=True, slots=True)
class ReplyResumed(Event):
    """It was nothing: the answer goes on where it paused."""

    reply: str


@dataclass(frozen=True, slots=True)
class ReplyFinished(Event):
    """The answer is over and its sound has left.

    `text` is all that was made, `item.text` what was heard, in `heard` seconds of sound. `calls` are those of the
    caller's tools. `reason` is turn_detected or client_cancelled for cancelled answers, an error's code for failed
    ones, max_output_tokens or content_filter for incomplete ones.
    """

    reply: str
    item: Item
    status: ReplyStatus
    text: str
    heard: float
    reason: str | None = None
    message: str | None = None
    calls: tuple[Item, ...] = ()
    tokens: Tokens | None = None


@dataclass(frozen=True, slots=True)
class ReplyCalled(Event):
    """An answer calls a tool; `item` enters the history after `previous`.

    `ours` is the label of the toolbox of this house that runs it, empty where it is for the caller's program to run.
    `index` is its place among the answer's outputs: where that is not 0 for the first of the caller's tools, words come
    before it. Those of the house are counted apart, and their items told to nobody.
    """

    reply: str
    item: Item
    index: int
    previous: str | None
    ours: str = ""


@dataclass(frozen=True, slots=True)
class ToolEnded(Event):
    """A tool of this house has run for `seconds`; `output` is what the agent is told."""

    reply: str
    call: str
    name: str
    output: str
    failed: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class ToolsListed(Event):
    """What a toolbox of this house has, for a caller who has named its `label`.

    There are no `tools` where it cannot be reached, or has none. The list is an `item` that comes after `previous`, and
    in no history.
    """

    item: str
    label: str
    tools: tuple[Tool, ...]
    previous: str | None


@dataclass(frozen=True, slots=True)
class DraftDecided(Event):
    """An answer that was begun early is used or thrown away; until now nobody was told of it."""

    fate: DraftFate


@dataclass(frozen=True, slots=True)
class TurnMeasured(Event):
    """Where a turn's time went: seconds since the caller's last voiced sound, each part after the one before."""

    turn: int
    endpointed: float
    understood: float
    first_word: float
    first_sound: float


@dataclass(frozen=True, slots=True)
class Failed(Event):
    """Something went wrong and the session goes on; `event_id` names the client's message, if one did it.

    `reply` is the answer that fails of it, whose end tells of it, too.
    """

    code: str
    message: str
    param: str | None = None
    event_id: str | None = None
    reply: str | None = None


@dataclass(frozen=True, slots=True)
class Noted(Event):
    """A wish was met otherwise; `code` is voice_unknown or model_unknown. No error."""

    code: str
    message: str
    param: str | None = None
