"""The house as doors without a conversation see it: words spoken, sound understood."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from voicechat.audio import AudioFrame
from voicechat.conversation import Transcript


@dataclass(frozen=True, slots=True)
class NamedVoice:
    """A voice that may be asked for, and the model that has it; `language` as BCP 47."""

    name: str
    language: str
    model: str


class Hearer(Protocol):
    """One recording being understood. `close` it in any case."""

    async def hear(self, frame: AudioFrame) -> str | None:
        """Hear more at 16 kHz; what is understood so far, when that has changed. Raises AdapterError."""
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
    def models(self) -> Sequence[str]: ...

    @property
    def languages(self) -> Sequence[str]:
        """Those that can be understood."""
        ...

    def admit(self) -> AbstractContextManager[None]:
        """Holds one of the places. Raises NoRoom."""
        ...

    def speak(self, text: str, voice: str, speed: float) -> AsyncGenerator[AudioFrame]:
        """The sound of a text as it comes. Closing it stops the work. Raises AdapterError."""
        ...

    def listen(self, language: str | None) -> Hearer: ...
