"""Connections that never ask for anything: aiohttp waits for a request's head for ever, we do not."""

import asyncio
from typing import Final

from aiohttp import web

HEAD_SECONDS: Final = 10.0
"""A connection whose first request is not complete by then is cut, silent or dripping."""


class Silence:
    """Knows which connections have asked. On the loop."""

    def __init__(self) -> None:
        self._asked: set[web.RequestHandler] = set()
        self._watched = False

    def break_by(self, request: web.Request) -> None:
        """The request's connection has asked for something."""
        if self._watched:  # otherwise nobody would ever forget it
            self._asked.add(request.protocol)

    async def cut(self, server: web.Server, seconds: float = HEAD_SECONDS) -> None:
        """Cuts each silent one after `seconds`, or up to half as much again, until cancelled."""
        loop = asyncio.get_running_loop()
        since: dict[web.RequestHandler, float] = {}
        self._watched = True
        while True:
            there = server.connections
            self._asked.intersection_update(there)
            since = {each: since.get(each, loop.time()) for each in there if each not in self._asked}
            for each, first_seen in since.items():
                if loop.time() - first_seen >= seconds and each.transport is not None:
                    each.transport.abort()
            await asyncio.sleep(seconds / 2)


SILENCE: Final = web.AppKey("silence", Silence)
