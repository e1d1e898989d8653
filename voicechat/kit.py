"""All tools that run in this house, from however many toolboxes."""

import asyncio
from collections.abc import Sequence

from voicechat.conversation import Tool, ToolCall
from voicechat.errors import ConfigError, ToolFailed
from voicechat.protocols import Toolbox


class Kit:
    """Toolboxes joined. A name that a second one takes later, while all work, stays the first's."""

    def __init__(self, boxes: Sequence[Toolbox] = ()) -> None:
        """Raises ConfigError when two have a tool of one name already."""
        self._boxes = tuple(boxes)
        for box in boxes:
            for tool in box.tools:
                owner = self._owner(tool.name)
                if owner is not None and owner is not box:
                    raise ConfigError(
                        "bad_config", f"agent.tools: {owner.label} and {box.label} both have a tool named {tool.name}"
                    )

    @property
    def tools(self) -> Sequence[Tool]:
        found: dict[str, Tool] = {}
        for box in self._boxes:
            for tool in box.tools:
                found.setdefault(tool.name, tool)
        return tuple(found.values())

    def label(self, name: str) -> str:
        """Of the toolbox that has the tool; empty: none has."""
        owner = self._owner(name)
        return owner.label if owner is not None else ""

    def of(self, label: str) -> Sequence[Tool]:
        """The tools of the toolboxes of that label; none, where they have none now."""
        return tuple(tool for box in self._boxes if box.label == label for tool in box.tools)

    async def call(self, call: ToolCall) -> str:
        """See `protocols.Toolbox.call`."""
        owner = self._owner(call.name)
        if owner is None:
            raise ToolFailed("tool_unknown", f"there is no tool {call.name[:64]!r}")
        return await owner.call(call)

    async def close(self) -> None:
        async with asyncio.TaskGroup() as group:
            for box in self._boxes:
                group.create_task(box.close())

    def _owner(self, name: str) -> Toolbox | None:
        return next((box for box in self._boxes if any(tool.name == name for tool in box.tools)), None)
