"""What the agent may have done in this house."""

from collections.abc import Callable
from contextlib import AsyncExitStack

from voicechat import adapters
from voicechat.config import Settings
from voicechat.kit import Kit
from voicechat.protocols import Lane


async def gathered(settings: Settings, lanes: Callable[[str, float], Lane]) -> Kit:
    """All toolboxes, opened; `close` the kit. Raises ConfigError and AdapterUnavailable."""
    async with AsyncExitStack() as opened:
        boxes = []
        for name in adapters.names("tool"):
            for box in await adapters.choose("tool", name, settings, lanes):
                opened.push_async_callback(box.close)
                boxes.append(box)
        kit = Kit(boxes)
        opened.pop_all()
    return kit
