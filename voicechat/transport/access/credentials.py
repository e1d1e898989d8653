"""Where a request carries its key. No I/O."""

from typing import Final

from multidict import CIMultiDictProxy

PROTOCOL: Final = "openai-insecure-api-key."
"""A WebSocket in a browser has no headers of its own; OpenAI's client puts the key into the list of sub-protocols."""


def secret(headers: CIMultiDictProxy[str]) -> str | None:
    """The key, from `Authorization: Bearer`, Azure's `api-key` or the sub-protocols.

    Never from the address, which logs and histories keep.
    """
    kind, _, given = headers.get("Authorization", "").strip().partition(" ")
    if kind.lower() == "bearer":
        return given.strip() or None
    if "api-key" in headers:
        return headers["api-key"].strip() or None
    for word in ",".join(headers.getall("Sec-WebSocket-Protocol", [])).split(","):
        if word.strip().startswith(PROTOCOL):
            return word.strip().removeprefix(PROTOCOL) or None
    return None
