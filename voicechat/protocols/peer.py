"""The far end of a wire: what a transport gives the pipeline, and what it is given of the house."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from voicechat.audio import AudioFrame
from voicechat.commands import Command
from voicechat.echo.reverberation import Played
from voicechat.events import Event


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
