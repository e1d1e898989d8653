"""What tells voice from other sound, a back-channel from an interruption, our echo from both, and when a turn ends."""

from collections.abc import Sequence
from typing import Protocol

from voicechat.audio import AudioFrame, Samples
from voicechat.echo.reverberation import Played


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
        """Whether too little is known yet of an echo: a voice may be our own words after all."""
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
