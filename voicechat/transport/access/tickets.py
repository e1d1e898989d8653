"""Keys for a short time, for programs that cannot keep a secret: `ek_…`. No I/O, no clock: times are given.

A ticket is good for any number of sessions until it ends, and a session outlives it. It talks and does nothing else;
its sessions begin with the settings that it was made with.
"""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from voicechat.transport.access.keys import Owner, digest_of

PREFIX: Final = "ek_"
"""As OpenAI's have it: its client in browsers takes no other."""

MOST: Final = 1024
"""Tickets at a time; of more, the oldest is no longer good."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """`owner` has the key which made it, `session` is what its sessions begin with; it is good `until` then."""

    owner: Owner | None
    session: Mapping[str, object]
    until: float


class Tickets:
    """Those that are good, by the digests of their texts."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._tickets: dict[bytes, Ticket] = {}

    def issue(self, ticket: Ticket, now: float) -> str:
        """Its text, which is kept nowhere."""
        self._tickets = {digest: each for digest, each in self._tickets.items() if each.until > now}
        if len(self._tickets) >= self._most:
            del self._tickets[next(iter(self._tickets))]
        text = PREFIX + secrets.token_urlsafe(32)
        self._tickets[digest_of(text)] = ticket
        return text

    def forget(self, owners: Collection[Owner]) -> None:
        """Those that keys of these have made are no longer good."""
        self._tickets = {digest: each for digest, each in self._tickets.items() if each.owner not in owners}

    def find(self, text: str, now: float) -> Ticket | None:
        ticket = self._tickets.get(digest_of(text)) if text.startswith(PREFIX) else None
        return ticket if ticket is not None and ticket.until > now else None
