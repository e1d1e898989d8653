"""Who decides what is answered."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from voicechat.conversation import Item, Piece, SessionSettings


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

    def reply(self, history: Sequence[Item], settings: SessionSettings) -> AsyncGenerator[Piece]:
        """The answer as it comes: its text, and the tools it wants called of those in `settings`. Raises AgentError."""
        ...

    async def close(self) -> None: ...
