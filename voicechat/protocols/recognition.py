"""What makes text of sound."""

from typing import Protocol, runtime_checkable

from voicechat.audio import AudioFrame
from voicechat.conversation import Transcript


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


@runtime_checkable
class Weighing(Protocol):
    """An `AsrStream` that can say more of its transcripts than others."""

    def weigh(self) -> None:
        """From now on they say how likely their pieces are: that is more work."""
        ...


class AsrEngine(Protocol):
    """A recogniser, shared by all callers. Blocking: runs on a lane. Frames come at 16 kHz."""

    name: str

    def open(self, language: str | None) -> AsrStream: ...

    def close(self) -> None: ...
