"""All tools that run in this house, from however many toolboxes."""

from collections.abc import Sequence

from voicechat.conversation import Tool, ToolCall
from voicechat.errors import ToolFailed
from voicechat.protocols import Toolbox


class Kit:
    """Toolboxes joined; a name that two of them have is the first's."""

    def __init__(self, boxes: Sequence[Toolbox] = ()) -> None:
        self._boxes = tuple(boxes)

    @property
    def tools(self) -> Sequence[Tool]:
        return [tool for box in self._boxes for tool in box.tools if self._owner(tool.name) is box]

    def label(self, name: str) -> str:
        """Of the toolbox that has the tool; empty: none has."""
        owner = self._owner(name)
        return owner.label if owner is not None else ""

    async def call(self, call: ToolCall) -> str:
        """See `protocols.Toolbox.call`."""
        owner = self._owner(call.name)
        if owner is None:
            raise ToolFailed("tool_unknown", f"there is no tool {call.name[:64]!r}")
        return await owner.call(call)

    async def close(self) -> None:
        for box in self._boxes:
            await box.close()

    def _owner(self, name: str) -> Toolbox | None:
        return next((box for box in self._boxes if any(tool.name == name for tool in box.tools)), None)
