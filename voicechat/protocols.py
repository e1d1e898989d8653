"""The seams: what a transport gives the pipeline, and what an engine must do."""

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from voicechat.audio import AudioFrame, Samples
from voicechat.commands import Command
from voicechat.conversation import Item, SessionSettings, Transcript
from voicechat.echo.reverberation import Played
from voicechat.events import Event

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """A piece of the answer on its way to the speaker.

    `turn` older than the playout's: it is dropped. `text` is the words whose sound begins in it.
    """

    frame: AudioFrame
    turn: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """What really left for the caller's ear: the words whose sound began, and the seconds of sound.

    `marks` says when each piece of the text began, in seconds of the turn's sound; `held` the same of what the far end
    had been given and, as far as we could know, not played; all that it was given lasts `sent` seconds.
    """

    text: str = ""
    seconds: float = 0.0
    marks: tuple[tuple[float, str], ...] = ()
    held: tuple[tuple[float, str], ...] = ()
    sent: float = 0.0

    def until(self, end: float) -> "Heard":
        """The part that began before `end` seconds, as a far end says who knows how much it has played."""
        marks = tuple(mark for mark in (*self.marks, *self.held) if mark[0] < end)
        return Heard(" ".join(words for _, words in marks), min(max(self.seconds, self.sent), end), marks)


class Peer(Protocol):
    """The far end of a wire: a transport gives it, the pipeline uses it. All on the loop."""

    @property
    def dropped(self) -> float:
        """Seconds of the caller's sound that were lost because the session did not keep up."""
        ...

    @property
    def levels(self) -> Sequence[Played]:
        """How loud our own frames of the last 1.5 s were, oldest first: when each of these 20 ms began to play, on the
        loop's clock, and its power in each band. Silence has no entry; each entry stays the same object."""
        ...

    @property
    def left(self) -> float:
        """Seconds of queued sound that have not been heard yet."""
        ...

    def incoming(self) -> AsyncGenerator[AudioFrame | Command]:
        """The caller's sound as 20 ms frames at 16 kHz and their commands, in order; ends when they hang up.

        While a caller's stream stalls, silence comes in its place, so the audio clock goes on.
        """
        ...

    async def play(self, chunk: SpeechChunk) -> None:
        """Queue sound; waits while the speaker's buffer is full. A chunk of an older turn is dropped."""
        ...

    async def audible(self, turn: int) -> float:
        """Waits until the first sound of the turn has left; returns the loop's time of it in seconds."""
        ...

    async def drain(self, turn: int) -> Heard:
        """Waits until all that was played of the turn has been heard."""
        ...

    def pause(self) -> None:
        """Silence from the next packet on, without a click; nothing is lost."""
        ...

    def resume(self) -> None:
        """Go on at the sample where it paused, and as loud as ever."""
        ...

    def duck(self, decibels: float) -> None:
        """Go on softer by so many decibels, until `resume` or the next turn; what is ducked is heard."""
        ...

    def cut(self, turn: int) -> Heard:
        """Drop all sound of turns older than `turn`; returns what was heard of the newest of them."""
        ...

    def notify(self, event: Event) -> None:
        """Tell the caller; never blocks."""
        ...


class VadStream(Protocol):
    """One caller's voice activity detector. On the loop: under a millisecond a frame."""

    def probability(self, samples: Samples) -> float:
        """How likely the frame of shape (320,) at 16 kHz is speech, 0 to 1."""
        ...

    def reset(self) -> None:
        """Forget all that was heard."""
        ...


class VadEngine(Protocol):
    """Makes detectors; shared by all callers."""

    def open(self) -> VadStream: ...


class SpotterStream(Protocol):
    """Listens to one voice over an answer: is it an interruption, or a mere "mhm"? On the loop; nothing here waits."""

    def hear(self, frame: AudioFrame) -> None:
        """The next 20 ms at 16 kHz, from a little before the voice began."""
        ...

    @property
    def back_channel(self) -> float | None:
        """How likely all that was said so far is the beginning of a back-channel or a whole one, 0 to 1.

        None: it does not know, or not yet.
        """
        ...

    def close(self) -> None:
        """Give back what it used; safe at any time, and twice."""
        ...


class Spotter(Protocol):
    """Knows back-channels by their sound; shared by all callers."""

    name: str

    def open(self) -> SpotterStream:
        """Never waits."""
        ...

    def close(self) -> None: ...


class EchoGate(Protocol):
    """Knows our own voice when the microphone hears it. On the loop; one for each caller."""

    def hear(self, frame: AudioFrame, levels: Sequence[Played], now: float, *, voiced: bool) -> bool:
        """Whether the frame is explained by what we played; `levels` as `Peer.levels` gives them.

        Those that are not `voiced` must be heard too, but nobody asks for them.
        """
        ...

    @property
    def unsure(self) -> bool:
        """Whether there is an echo, or may be one for all that is known: a voice may be our own words after all."""
        ...


class Canceller(Protocol):
    """Takes our own sound out of a microphone beside our loudspeaker; of one pair. Not for two threads at a time."""

    rate: int

    def cancel(self, heard: Samples, played: Samples) -> Samples:
        """What is left of (n,) heard, while (n,) are handed to the loudspeaker; both at `rate`, n of 20 ms.

        Takes some 0.15 ms. The echo may come up to half a second later.
        """
        ...


class Patience(Protocol):
    """Knows how long one caller's silence must last to end their turn. On the loop; nothing here waits."""

    @property
    def silence(self) -> float:
        """Seconds of quiet that end the present turn."""
        ...

    def hear(self, frame: AudioFrame, voiced: bool, probability: float) -> None:
        """Every frame of the session, and what the two stages of voice detection say of it."""
        ...

    def read(self, text: str) -> None:
        """What is understood of the present utterance so far."""
        ...

    def asked(self, question: bool) -> None:
        """An answer is over: whether it ended in a question."""
        ...

    def hurry(self, eagerness: str) -> None:
        """How soon the caller's program wants turns to end: "low", "medium", "high" or "auto"."""
        ...


class TurnDetector(Protocol):
    """Hears whether a turn is over; shared by all callers. Blocking: runs on a lane."""

    name: str

    def finished(self, sound: Samples) -> float:
        """How likely the turn of (n,) samples at 16 kHz, its end last, is over, 0 to 1. Raises EngineFailed."""
        ...

    def close(self) -> None: ...


class AsrStream(Protocol):
    """One utterance. Blocking: every call runs on a lane, one at a time."""

    def accept(self, frame: AudioFrame) -> str | None:
        """Hear more, at the engine's pace; returns what is understood so far when that has changed."""
        ...

    def peek(self) -> Transcript | None:
        """What `finish` would say if nothing more came; None: that cannot be had cheaply.

        The utterance may go on, and ends in the same words as without a peek. If only quiet comes, `finish` uses the
        peek's work again. Takes no longer than `finish`. Raises EngineFailed.
        """
        ...

    def finish(self) -> Transcript:
        """All has been heard. Raises EngineFailed."""
        ...

    def close(self) -> None:
        """Give back what the utterance used; safe at any time, and twice."""
        ...


class AsrEngine(Protocol):
    """A recogniser, shared by all callers. Blocking: runs on a lane. Frames come at 16 kHz."""

    name: str

    def open(self, language: str | None) -> AsrStream: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Voice:
    """`language` as BCP 47, e.g. en-GB."""

    name: str
    language: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a synthesizer can do, for routing; `memory` in bytes, measured at load, 0 when unknown."""

    streaming: bool
    languages: tuple[str, ...]
    zero_shot: bool = False
    lora: bool = False
    emotive: bool = False
    cpu: bool = True
    memory: int = 0
    parallel: bool = False
    """Whether several threads may speak with the same engine at a time, and get more done than one."""


@dataclass(frozen=True, slots=True)
class Speech:
    """Sound from a synthesizer: (n,) samples at its rate, and the words whose sound begins in them.

    `text` is None where the engine does not know word times; the words are then spread over the sound.
    """

    samples: Samples
    text: str | None = None


class TtsEngine(Protocol):
    """A synthesizer, shared by all callers. Blocking: runs on a lane, one utterance at a time a thread."""

    name: str
    rate: int
    capabilities: Capabilities

    @property
    def voices(self) -> Sequence[Voice]:
        """The first is the default."""
        ...

    def synthesize(self, text: str, voice: str, speed: float = 1.0) -> Iterator[Speech]:
        """The sound of one clause, piece by piece. Closing the iterator stops the work. Raises EngineFailed.

        `voice` is one of `voices` or "" for the first. Each step should take a fraction of its sound's length.
        """
        ...

    def close(self) -> None: ...


class Agent(Protocol):
    """Decides what is answered. On the loop; one agent serves all callers."""

    name: str

    @property
    def phrases(self) -> Sequence[str]:
        """Sentences it expects to hear; a recogniser may prefer them. Empty: anything."""
        ...

    @property
    def speculates(self) -> bool:
        """Whether it may be asked for an answer that is then thrown away: asking it changes nothing in the world."""
        ...

    def reply(self, history: Sequence[Item], settings: SessionSettings) -> AsyncGenerator[str]:
        """The answer's text as it comes. Raises AgentError."""
        ...

    async def close(self) -> None: ...


class Lane(Protocol):
    """Where blocking work runs: a device and its thread."""

    name: str

    @property
    def load(self) -> int:
        """How many jobs wait."""
        ...

    async def run(self, call: Callable[[], T], *, urgent: bool = False, deadline: float | None = None) -> T:
        """The call's result. Urgent calls go before the others.

        Raises what the call raises, or EngineFailed after `deadline` seconds (None: the lane's own deadline).
        Cancelled before it began, the call never runs; cancelled later, its result is dropped.
        """
        ...

    def stream(self, make: Callable[[], Iterator[T]], *, urgent: bool = False) -> AsyncGenerator[T]:
        """Step a blocking iterator on the lane, one item a job, so that callers take turns.

        Closing the generator closes the iterator, on the lane.
        """
        ...

    def post(self, call: Callable[[], object]) -> None:
        """Run the call after the jobs before it; nobody waits for it."""
        ...

    async def close(self) -> None: ...


class Reception(Protocol):
    """The house as a transport sees it: a place to ask for, and a session to hand a peer to."""

    def admit(self) -> AbstractContextManager[str]:
        """Holds one of the places; gives the session's id. Raises NoRoom."""
        ...

    async def serve(self, session: str, peer: Peer, caller: str = "") -> None:
        """Runs the session until the peer's `incoming` ends or the session does. Raises nothing but CancelledError.

        `caller` is the same in every call of one person; empty: they are not known.
        """
        ...
