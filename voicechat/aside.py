"""Answers beside the conversation: written, in nobody's history, several at a time."""

import asyncio
from typing import Final

from voicechat.draft import Spawn
from voicechat.errors import BadMessage
from voicechat.reply import Reply

MOST: Final = 4
"""At a time in one session."""


class Asides:
    """One session's. `spawn` runs each, as long as the session lasts."""

    def __init__(self, spawn: Spawn) -> None:
        self._spawn = spawn
        self._running: dict[str, tuple[Reply, asyncio.Task[None]]] = {}

    def check(self) -> None:
        """Raises BadMessage where no more may begin."""
        if len(self._running) >= MOST:
            message = f"{MOST} answers outside the conversation are under way"
            raise BadMessage("conversation_already_has_active_response", message)

    def begin(self, reply: Reply) -> None:
        reply.begin()
        self._running[reply.id] = reply, self._spawn(self._run(reply))

    def cancel(self, id: str) -> bool:
        """Stops one, if it is under way."""
        if id not in self._running:
            return False
        reply, task = self._running.pop(id)
        reply.stop("client_cancelled")
        task.cancel()
        return True

    def close(self) -> None:
        for id in list(self._running):
            self.cancel(id)

    async def _run(self, reply: Reply) -> None:
        await reply.run()
        self._running.pop(reply.id, None)
