"""What was said in a call, for its caller who loses the connection and comes back by another. No I/O, no clock."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from voicechat.commands import AddItem
from voicechat.conversation import Item, Kind, Role
from voicechat.events import Event, ItemAdded, ReplyFinished, ReplyStarted, TranscriptFinal

MOST: Final = 100
"""Latest lines of both sides."""

_PREFIX: Final = "item_past_"
"""Of lines that come from a call before."""


class Past:
    """Hears what happens in a call; `begin` is how another takes it up.

    The work of tools is not kept: what it came to was said.
    """

    def __init__(self) -> None:
        self._lines: deque[tuple[Role, str]] = deque(maxlen=MOST)
        self._beside = ""  # the latest answer that is no part of the conversation

    def hear(self, event: Event) -> None:
        match event:
            case TranscriptFinal():
                self._keep(Role.USER, event.text)
            case ItemAdded() if event.item.kind is Kind.MESSAGE and not event.item.spoken:
                self._keep(event.item.role, event.item.text)
            case ReplyStarted() if not event.stored:
                self._beside = event.reply
            case ReplyFinished() if event.reply != self._beside:
                self._keep(Role.ASSISTANT, event.item.text)

    def begin(self) -> Sequence[AddItem]:
        """The commands by which a session knows of it."""
        items = [Item(f"{_PREFIX}{number}", role, text) for number, (role, text) in enumerate(self._lines, 1)]
        return [AddItem(item) for item in items]

    def _keep(self, role: Role, text: str) -> None:
        if text.strip():
            self._lines.append((role, text.strip()))


def is_past(item: Item) -> bool:
    """Whether it was said in a call before this one."""
    return item.id.startswith(_PREFIX)
