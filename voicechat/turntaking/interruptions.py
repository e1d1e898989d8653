"""What was interrupted in one session: what is left to say of it, and what the agent is told of it."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from typing import Final

from voicechat.conversation import Item, Kind, Role, SessionSettings
from voicechat.turntaking.interjections import Said
from voicechat.turntaking.pairs import paired
from voicechat.turntaking.unheard import unheard

GO_ON: Final = "You were held up by a noise. Go on exactly after your last word, and repeat nothing."
"""Told to an agent that had not said all when it was interrupted."""


@dataclass(frozen=True, slots=True)
class BrokenOff:
    """An answer that was cut: `text` is all that was made of it, `whole` whether the agent had said all."""

    item: str
    text: str
    whole: bool
    settings: SessionSettings
    offered: bool = False
    """The caller has been asked whether it shall go on."""


class Interruptions:
    """`note` is what the agent reads after each of its answers that the caller interrupted; empty: nothing."""

    def __init__(self, note: str) -> None:
        self._note = note
        self._items: set[str] = set()
        self.broken_off: BrokenOff | None = None
        """The latest answer that was cut, until it is known what the caller said."""

    def hear(self, said: Said) -> bool:
        """What the caller said, when it is known; whether it wants an answer."""
        broken = self.broken_off
        if broken is None:
            return said.words > 0
        if said.others == 0 and not said.stops:
            return False
        self.take()
        return True

    def take(self) -> None:
        """The caller meant it: the answer that was cut is over."""
        if self.broken_off is not None:
            self._items.add(self.broken_off.item)
            self.broken_off = None

    def offer(self) -> None:
        if self.broken_off is not None:
            self.broken_off = replace(self.broken_off, offered=True)

    def told(self, history: Sequence[Item]) -> list[Item]:
        """The history as the agent reads it."""
        self._items &= {item.id for item in history}
        return joined(self._noted(history, self._items))

    def foretold(self, history: Sequence[Item]) -> list[Item]:
        """The history as the agent will read it if its last item is what the caller says, and wants an answer."""
        items = self._items if self.broken_off is None else {*self._items, self.broken_off.item}
        return joined(self._noted(history, items))

    def going_on(self, history: Sequence[Item], rest: str) -> list[Item]:
        """The history for an agent that shall go on after the rest of what it had said."""
        broken = self.broken_off
        items = [
            replace(item, text=f"{item.text} {rest}".strip()) if broken and item.id == broken.item else item
            for item in history
        ]
        return [*self.told(items), Item("go_on", Role.SYSTEM, GO_ON)]

    def _noted(self, history: Sequence[Item], interrupted: Set[str]) -> list[Item]:
        items = []
        for item in history:
            items.append(item)
            if self._note and item.text and item.id in interrupted:
                items.append(Item(f"{item.id}_note", Role.SYSTEM, self._note))
        return items


def joined(history: Sequence[Item]) -> list[Item]:
    """The history without empty items; what the caller said without hearing an answer is one, each piece a line.

    Calls of tools and their outputs stand together.
    """
    items: list[Item] = []
    for item in paired(history):
        message = item.kind is Kind.MESSAGE
        if message and item.empty:
            continue
        if message and items and item.role is items[-1].role is Role.USER and items[-1].kind is Kind.MESSAGE:
            before = items.pop()
            text = f"{before.text}\n{item.text}".strip("\n")
            item = replace(item, text=text, pictures=(*before.pictures, *item.pictures))
        items.append(item)
    return items


def rest_of(broken: BrokenOff, history: Sequence[Item]) -> tuple[str, str]:
    """What was heard of the answer, as the history has it now, and what was made and not heard."""
    heard = next((item.text for item in history if item.id == broken.item), None)
    return ("", "") if heard is None else (heard, unheard(broken.text, heard))
