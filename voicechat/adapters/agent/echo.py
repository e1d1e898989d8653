"""Says back what the caller said: for trying out ears and voice."""

from collections.abc import AsyncGenerator, Sequence

from voicechat.config import Settings
from voicechat.conversation import Item, Kind, Role, SessionSettings

SILENT = "I did not hear anything."


def load(settings: Settings) -> "EchoAgent":
    """Needs nothing."""
    return EchoAgent()


class EchoAgent:
    name = "echo"
    speculates = True
    phrases: Sequence[str] = ()

    async def reply(self, history: Sequence[Item], settings: SessionSettings) -> AsyncGenerator[str]:
        said = (item.text for item in reversed(history) if item.role is Role.USER and item.kind is Kind.MESSAGE)
        last = " ".join(next(said, "").split())
        yield f"You said: {last}" if last else SILENT

    async def close(self) -> None:
        """Nothing to give back."""
