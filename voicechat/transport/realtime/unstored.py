"""Items that are told of and in no history: lists and calls of tools of this house. No I/O."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from voicechat.transport.realtime.items import Message

REMEMBERED: Final = 64


class Unstored:
    """Those of one client, the latest by their ids. A stock client asks for each as soon as it is told of it."""

    def __init__(self) -> None:
        self._items: OrderedDict[str, Message] = OrderedDict()

    def __contains__(self, id: str) -> bool:
        return id in self._items

    def keep(self, messages: Iterable[Message]) -> None:
        """What the client is told now."""
        for message in messages:
            item = message.get("item")
            if isinstance(item, dict) and str(item["type"]).startswith("mcp_"):
                self._items[str(item["id"])] = item
        while len(self._items) > REMEMBERED:
            self._items.popitem(last=False)

    def retrieved(self, id: str) -> Message:
        """The item as it stands, once more."""
        return {"type": "conversation.item.retrieved", "item": dict(self._items[id])}
