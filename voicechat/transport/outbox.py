"""Messages on their way to one client, in order. News is never dropped; sound is, when its turn is cut."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

PLENTY: Final = 64
"""Messages from which on sound waits: the client or its network is behind."""

MOST: Final = 1024
"""Messages that may wait at all; a client this far behind does not read."""

STALL: Final = 5.0
"""Seconds after which a client that takes no message does not read."""

Send = Callable[[str], Awaitable[None]]


class Outbox:
    """On the loop; `put` never blocks, `take` waits."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[str, int | None]] = deque()
        self._closed = False
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, message: str, turn: int | None = None) -> bool:
        """Queue a message, sound with its turn; False when there is no place left, or it is closed."""
        if self._closed or len(self._waiting) >= MOST:
            return False
        self._waiting.append((message, turn))
        self._changed.set()
        return True

    def cut(self, turn: int) -> None:
        """Drop the sound of turns older than `turn`."""
        self._waiting = deque(entry for entry in self._waiting if entry[1] is None or entry[1] >= turn)

    def close(self) -> None:
        """What is queued may still be taken, then `take` returns None."""
        self._closed = True
        self._changed.set()

    async def deliver(self, send: Send) -> str | None:
        """Sends what comes until it is closed and empty; otherwise, why it could not: not_reading or hung_up."""
        try:
            while (message := await self.take()) is not None:
                async with asyncio.timeout(STALL):
                    await send(message)
        except TimeoutError:
            return "not_reading"
        except ConnectionError:
            return "hung_up"
        finally:
            self.close()
        return None

    async def take(self) -> str | None:
        """The next message; None when there will be no more."""
        while not self._waiting and not self._closed:
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()[0] if self._waiting else None
