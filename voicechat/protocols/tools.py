"""What an agent may have done for it."""

from collections.abc import Sequence
from typing import Protocol

from voicechat.conversation import Tool, ToolCall


class Toolbox(Protocol):
    """Tools that run in this house; shared by all callers. On the loop."""

    label: str

    @property
    def tools(self) -> Sequence[Tool]:
        """May change between two answers."""
        ...

    async def call(self, call: ToolCall) -> str:
        """The tool's result, as text. Raises ToolFailed. Cancelled, it stops the tool or drops its result."""
        ...

    async def close(self) -> None: ...
