"""What was found out about who asks, for those who answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from voicechat.transport.access.keys import Owner
from voicechat.transport.access.scopes import Scope


@dataclass(frozen=True, slots=True)
class Admission:
    """Who was let in: by whose key, and with these scopes; `owner` is None where none was asked for.

    `ticket` says that it was a key for a short time; `session` are then the settings that its sessions begin with, as
    the client that asked for it wrote them.
    """

    owner: Owner | None = None
    scopes: frozenset[Scope] = frozenset()
    ticket: bool = False
    session: Mapping[str, object] | None = None

    def update(self) -> str | None:
        """The message that a session begins with, as if its client had sent it; None for none."""
        return json.dumps({"type": "session.update", "session": self.session}) if self.session else None


ADMISSION: Final = web.RequestKey("admission", Admission)


def of(request: web.Request) -> Admission:
    """Nobody's, where nobody has looked."""
    return request[ADMISSION] if ADMISSION in request else Admission()
