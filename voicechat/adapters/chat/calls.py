"""Calls of tools, put together from the pieces in which they are streamed."""

import json
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from voicechat.adapters.chat.chunks import whole
from voicechat.conversation import ToolCall

MOST_ID_CHARS: Final = 64
"""Clients echo ids; a longer one is replaced."""


@dataclass(slots=True)
class _Begun:
    index: int | None
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class Calls:
    """Those of one answer. An id that is missing, or among the `used`, is replaced by one of our own."""

    def __init__(self, used: Collection[str] = ()) -> None:
        self._used = set(used)
        self._begun: list[_Begun] = []

    def add(self, pieces: Iterable[Any]) -> int:
        """Takes more pieces in; returns of how many characters."""
        return sum(self._add(piece) for piece in pieces)

    def finished(self, *, cut: bool = False) -> list[ToolCall]:
        """All of them. Of an answer that was `cut` short, those that are whole.

        Raises ValueError, with words for people, for arguments that are no JSON object.
        """
        calls = []
        for begun in self._begun:
            try:
                arguments = _object("".join(begun.arguments))
            except (ValueError, RecursionError):
                if cut:
                    continue
                raise ValueError(f"called {begun.name[:64]!r} with arguments that are no JSON object") from None
            if begun.name:
                calls.append(ToolCall(self._distinct(begun.id), begun.name, arguments))
        return calls

    def _add(self, piece: Any) -> int:
        index, id = getattr(piece, "index", None), _text(getattr(piece, "id", None))
        function = getattr(piece, "function", None)
        name, arguments = (_text(getattr(function, part, None)) for part in ("name", "arguments"))
        begun = self._find(index if isinstance(index, int) else None, id, name)
        begun.id, begun.name = begun.id or id, begun.name or name
        begun.arguments.append(arguments)
        return len(id) + len(name) + len(arguments)

    def _find(self, index: int | None, id: str, name: str) -> _Begun:
        """The call that a piece goes on with, or a new one: some servers number all of theirs 0, or none."""
        for begun in reversed(self._begun):
            if begun.index == index and not (id and begun.id and id != begun.id):
                if index is None and name and begun.name:
                    break
                return begun
        self._begun.append(_Begun(index))
        return self._begun[-1]

    def _distinct(self, id: str) -> str:
        if not id or id in self._used or len(id) > MOST_ID_CHARS:
            id = f"call_{secrets.token_hex(12)}"
        self._used.add(id)
        return id


def _object(arguments: str) -> str:
    """The arguments as they came; none at all are an empty object. Raises ValueError."""
    read = json.loads(arguments) if arguments.strip() else None
    if read is None:
        return "{}"
    if not isinstance(read, dict):
        raise ValueError("no object")
    return arguments


def _text(value: object) -> str:
    return whole(value) if isinstance(value, str) else ""
