"""Clients' JSON, strictly: what it must look like, and fields read by type. No I/O."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn, cast

from voicechat.errors import BadMessage

DEEPEST: Final = 32
"""Levels of nesting; a tool's JSON schema needs about ten."""

MOST: Final = 5_000
"""Lists, objects and their entries; as many take about 2 ms of the loop. Commas within texts count too."""


def parse(message: str) -> object:
    """The message's value.

    Raises BadMessage for what is not JSON, and for NaN, infinities, halves of characters, depth and clutter.
    """
    if sum(map(message.count, "[{,")) > MOST:
        raise BadMessage("invalid_json", f"The message has more than {MOST} parts")
    try:
        value = json.loads(message, parse_constant=_refuse_constant, parse_float=_finite)
        if "\\" in message and "\\u" in message:  # the first is fast; only an escape can smuggle in half a character
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise BadMessage("invalid_json", f"The message is not JSON: {reason}") from None
    if _deeper_than(value, DEEPEST):
        raise BadMessage("invalid_json", f"The message is nested deeper than {DEEPEST} levels")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large a number")
    return number


def _deeper_than(value: object, levels: int) -> bool:
    layer = [value]
    for _ in range(levels):
        inner: list[object] = []
        for each in layer:
            if isinstance(each, dict):
                inner.extend(each.values())
            elif isinstance(each, list):
                inner.extend(each)
        if not inner:
            return False
        layer = inner
    return True


@dataclass(frozen=True, slots=True)
class Fields:
    """One JSON object of a message; every reader raises BadMessage that names the field by its whole path."""

    values: Mapping[str, object]
    path: str = ""
    event_id: str | None = None

    def name(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        """Whether the field is there and not null."""
        return self.values.get(key) is not None

    def inner(self, key: str) -> "Fields":
        value = self._present(key)
        if not isinstance(value, dict):
            self.refuse(key, "an object is expected")
        return Fields(value, self.name(key), self.event_id)

    def inners(self, key: str) -> "list[Fields]":
        """The field's objects; none when it is absent."""
        return [
            Fields(cast("dict[str, object]", each), f"{self.name(key)}[{index}]", self.event_id)
            if isinstance(each, dict)
            else self.refuse(key, "a list of objects is expected")
            for index, each in enumerate(self.entries(key))
        ]

    def entries(self, key: str) -> Sequence[object]:
        value = self.values.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.refuse(key, "a list is expected")
        return value

    def names(self, key: str) -> list[str]:
        """The field's strings; none when it is absent."""
        return [
            each if isinstance(each, str) else self.refuse(key, "a list of strings is expected")
            for each in self.entries(key)
        ]

    def text(self, key: str, *, longest: int | None = None) -> str:
        value = self._present(key)
        if not isinstance(value, str):
            self.refuse(key, "a string is expected")
        if longest is not None and len(value) > longest:
            self.refuse(key, f"at most {longest} characters are allowed")
        return value

    def name_of(self, key: str) -> str:
        """An id: 1 to 128 characters."""
        text = self.text(key, longest=128)
        if not text:
            self.refuse(key, "an id is expected")
        return text

    def one_of(self, key: str, *allowed: str) -> str:
        value = self._present(key)
        if not isinstance(value, str) or value not in allowed:
            self.refuse(key, f"allowed: {', '.join(allowed)}")
        return value

    def flag(self, key: str) -> bool:
        value = self._present(key)
        if not isinstance(value, bool):
            self.refuse(key, "true or false is expected")
        return value

    def number(self, key: str, low: float, high: float) -> float:
        value = self._present(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            self.refuse(key, f"a number from {low:g} to {high:g} is expected")
        return float(value)

    def integer(self, key: str, low: int, high: int) -> int:
        value = self._present(key)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.refuse(key, f"a whole number from {low} to {high} is expected")
        return value

    def refuse(self, key: str, why: str, code: str = "invalid_value") -> NoReturn:
        name = self.name(key)
        raise BadMessage(code, f"{name}: {why}", param=name, event_id=self.event_id)

    def _present(self, key: str) -> object:
        if not self.has(key):
            self.refuse(key, "this field is required", "missing_field")
        return self.values[key]
