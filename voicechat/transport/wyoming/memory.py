"""What was said in conversations whose programs connect anew for each question. On the loop's clock."""

import asyncio
from dataclasses import dataclass
from typing import Final

from voicechat.conversation import Item, Role

CONVERSATIONS: Final = 64
"""Kept; of more, the one that has rested longest goes."""

TURNS: Final = 20
"""Latest questions of a conversation, with their answers."""

REST: Final = 300.0
"""Seconds after which a conversation is over; Home Assistant begins a new one after as many."""


@dataclass(frozen=True, slots=True)
class _Kept:
    until: float
    turns: tuple[tuple[str, str], ...]


class Memory:
    """Conversations by their names."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def recall(self, name: str) -> list[Item]:
        """What was said so far, as a session's history has it."""
        items = []
        for number, (question, answer) in enumerate(self._turns(name)):
            items.append(Item(f"item_asked_{number}", Role.USER, question))
            items.append(Item(f"item_answered_{number}", Role.ASSISTANT, answer))
        return items

    def keep(self, name: str, question: str, answer: str) -> None:
        turns = (*self._turns(name), (question, answer))[-TURNS:]
        self._kept.pop(name, None)
        self._kept[name] = _Kept(asyncio.get_running_loop().time() + REST, turns)
        while len(self._kept) > CONVERSATIONS:
            del self._kept[next(iter(self._kept))]

    def forget(self, name: str) -> None:
        self._kept.pop(name, None)

    def _turns(self, name: str) -> tuple[tuple[str, str], ...]:
        kept = self._kept.get(name)
        return kept.turns if kept is not None and kept.until > asyncio.get_running_loop().time() else ()
