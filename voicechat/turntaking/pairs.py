"""Calls of tools and what came of them, as a language model wants to read them: each beside the other."""

from collections.abc import Sequence
from typing import Final

from voicechat.conversation import Item, Kind, Role

PENDING: Final = '{"error": "there is no result yet"}'


def paired(history: Sequence[Item]) -> list[Item]:
    """The history with each output right after its call; a call without one gets one, an output without one goes."""
    outputs = {item.call: item for item in history if item.kind is Kind.OUTPUT}
    items = []
    for item in history:
        if item.kind is Kind.OUTPUT:
            continue
        items.append(item)
        if item.kind is Kind.CALL:
            missing = Item(f"{item.id}_pending", Role.USER, PENDING, kind=Kind.OUTPUT, call=item.call)
            items.append(outputs.get(item.call, missing))
    return items


def awaited(history: Sequence[Item]) -> bool:
    """Whether there is a call that nothing has come of."""
    outputs = {item.call for item in history if item.kind is Kind.OUTPUT}
    return any(item.kind is Kind.CALL and item.call not in outputs for item in history)
