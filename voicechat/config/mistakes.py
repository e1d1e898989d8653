"""What is wrong in a file of settings, told as one line that a person can act on."""

import difflib
from collections.abc import Mapping
from typing import Final, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

_NAME: Final = "up to 64 letters, digits, _ and -"

_PATTERNS: Final = {
    "[key]": _NAME,
    "affinity": "memory, or an address that begins with redis:// or rediss://",
    "base_url": "an address that begins with http:// or https://",
    "device": "auto, cpu, cuda or cuda:N",
    "hosts": "names such as kiosk.local, or addresses; without a port",
    "hub": "an address that begins with https://, or http:// on this machine",
    "languages": "tags such as en or en-GB",
    "origins": "such as https://app.example.org, in full and without a path; no *",
    "name": _NAME,
    "python": "module:function",
    "url": "an address that begins with http:// or https://",
}
"""What a setting's pattern says, for people."""


def explain(details: ErrorDetails, where: str, sources: Mapping[str, str], schema: type[BaseModel]) -> str:
    """One mistake as a line: where it is, what was found, and what is allowed; `sources` names keys set elsewhere."""
    key = ".".join(str(part) for part in details["loc"])
    source = next((name for path, name in sources.items() if _is_within(path, key) or _is_within(key, path)), None)
    place = f"{source}: {key}" if source else f"{where}: {key}"
    if details["type"] == "extra_forbidden":
        siblings = _fields(details["loc"][:-1], schema)
        near = difflib.get_close_matches(str(details["loc"][-1]), siblings, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"allowed here: {', '.join(siblings)}"
        return f"{place}: no such setting; {hint}"
    if details["type"] == "missing":
        return f"{place}: is missing"
    found = repr(details["input"])
    found = found if len(found) <= 60 else f"{found[:57]}..."
    return f"{place}: found {found}; {_allowed(details)}"


def _is_within(key: str, outer: str) -> bool:
    return key == outer or key.startswith(outer + ".")


def _allowed(details: ErrorDetails) -> str:
    """What pydantic wants, in words of our own where its are not plain."""
    match details["type"]:
        case "model_type" | "model_attributes_type":
            return "a section of settings is expected"
        case "string_pattern_mismatch" if words := _PATTERNS.get(_key(details)):
            return f"allowed: {words}"
        case "value_error":  # a section's own rule
            return str(details["ctx"]["error"])
    message = details["msg"]
    return f"{message[0].lower()}{message[1:]}".replace("input should be", "allowed:", 1)


def _key(details: ErrorDetails) -> str:
    """The setting's own name, without its place in a list."""
    return [part for part in details["loc"] if isinstance(part, str)][-1]


def _fields(location: tuple[int | str, ...], schema: type[BaseModel]) -> list[str]:
    """The settings that a section may have; those in lists and tables of sections stand behind a number or a name."""
    entries = False
    for part in location:
        if entries:
            entries = False
            continue
        kind = schema.model_fields[str(part)].annotation
        entries = get_origin(kind) in (tuple, dict)
        schema = next(one for one in (kind, *get_args(kind)) if isinstance(one, type) and issubclass(one, BaseModel))
    return list(schema.model_fields)
