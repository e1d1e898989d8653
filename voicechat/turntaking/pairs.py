"""Calls of tools and what came of them, as a language model wants to read them: beside each other."""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from voicechat.conversation import Item, Kind, Role

PENDING: Final = '{"error": "there is no result yet"}'


def paired(history: Sequence[Item]) -> list[Item]:
    """The history with each output after its call, or after the calls that were made with it.

    A call without an output gets one, an output without a call goes.
    """
    outputs = {item.call: item for item in history if item.kind is Kind.OUTPUT}
    items: list[Item] = []
    for kind, group in groupby(history, lambda item: item.kind):
        found = list(group)
        items += [] if kind is Kind.OUTPUT else found
        items += [outputs.get(item.call) or _pending(item) for item in found if kind is Kind.CALL]
    return items


def awaited(history: Sequence[Item]) -> bool:
    """Whether there is a call that nothing has come of."""
    outputs = {item.call for item in history if item.kind is Kind.OUTPUT}
    return any(item.kind is Kind.CALL and item.call not in outputs for item in history)


def _pending(call: Item) -> Item:
    return Item(f"{call.id}_pending", Role.USER, PENDING, kind=Kind.OUTPUT, call=call.call)
