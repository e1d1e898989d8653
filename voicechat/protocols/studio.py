"""The house as doors without a conversation see it: words spoken, sound understood."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from voicechat.audio import AudioFrame
from voicechat.conversation import Transcript
from voicechat.protocols.lane import Lane


@dataclass(frozen=True, slots=True)
class NamedVoice:
    """A voice that may be asked for, and the model that has it; `language` as BCP 47, empty where it is not known
    before the model is loaded."""

    name: str
    language: str
    model: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a recording between two pauses, from `start` to `end` in seconds, and what is understood of it.

    The times of its words are seconds of the recording.
    """

    transcript: Transcript
    start: float
    end: float


class Kind(StrEnum):
    """What is done in a studio."""

    SPEECH = "speech"
    TRANSCRIPTION = "transcription"


class Outcome(StrEnum):
    """How a job ended."""

    DONE = "done"
    FAILED = "failed"
    LEFT = "left"  # nobody wanted it any more
    REJECTED = "rejected"  # what was asked cannot be done
    REFUSED = "refused"  # there was no room


@dataclass(slots=True)
class Job:
    """A text being spoken or a recording being understood. Who works at it says how it ended, where no error does."""

    outcome: Outcome = Outcome.DONE


@dataclass(frozen=True, slots=True)
class JobBegun:
    kind: Kind


@dataclass(frozen=True, slots=True)
class JobEnded:
    """A job took so many seconds, from its admission on. One that was refused was never begun: `seconds` is None."""

    kind: Kind
    outcome: Outcome
    seconds: float | None


Done = JobBegun | JobEnded
"""What happens in a studio."""


class Hearer(Protocol):
    """One recording being understood. `close` it in any case."""

    @property
    def passages(self) -> Sequence[Passage]:
        """What is understood for good; after `finish`, all of it."""
        ...

    async def hear(self, frame: AudioFrame) -> str | None:
        """Hear more at 16 kHz; what is understood so far, when that has changed. Raises AdapterError.

        Sound that is given in large frames is understood with less work, and later.
        """
        ...

    async def finish(self) -> Transcript:
        """All has been heard. Raises AdapterError."""
        ...

    async def close(self) -> None: ...


class Studio(Protocol):
    """Speaks and understands for who holds no session. On the loop."""

    @property
    def voices(self) -> Sequence[NamedVoice]: ...

    @property
    def models(self) -> Sequence[str]:
        """Those that speak, the default first, then those that understand."""
        ...

    @property
    def languages(self) -> Sequence[str]:
        """Those that can be understood."""
        ...

    @property
    def lane(self) -> Lane:
        """Where doors do what blocks."""
        ...

    def has(self, voice: str) -> bool:
        """Whether there is a voice, or a model that speaks, of this name."""
        ...

    def admit(self, kind: Kind) -> AbstractContextManager[Job]:
        """Holds one of the places, for a job. Raises NoRoom."""
        ...

    def speak(self, text: str, voice: str, speed: float) -> AsyncGenerator[AudioFrame]:
        """The sound of a text as it comes, at one rate; none where nothing in it can be spoken.

        The default speaks where nobody has the voice. Closing it stops the work. Raises AdapterError.
        """
        ...

    def listen(self, language: str | None, model: str = "") -> Hearer:
        """`model` is the one that understands, or any other name for the default."""
        ...
