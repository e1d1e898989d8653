"""What makes sound of text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from voicechat.audio import Samples


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
