"""What an answer's tools are asked and what they say, as the history and all observers learn it."""

import asyncio
from collections.abc import Callable

from voicechat.conversation import Item, ToolCall
from voicechat.events import ReplyCalled, ToolEnded
from voicechat.session import Session


class Ledger:
    """One answer's, whose words enter the history as `item`. `words` says whether any were found by now.

    Nothing enters the history of an answer that is not `stored`.
    """

    def __init__(self, session: Session, reply: str, item: str, *, stored: bool, words: Callable[[], bool]) -> None:
        self.calls: list[Item] = []
        """For the caller's program to run."""
        self._session, self._reply, self._item, self._stored = session, reply, item, stored
        self._words = words
        self._told = 0

    def called(self, call: ToolCall, ours: str = "") -> None:
        """A tool is called. One of ours enters the history when it has run."""
        session = self._session
        item = call.item(session.new_id("item"))
        index, self._told = self._told, self._told + 1
        previous = None
        if not ours:
            index = len(self.calls) + self._words()
            self.calls.append(item)
            if self._stored:
                if index == 0:  # nothing is said before it
                    session.drop(self._item)
                previous = session.append(item)
        session.emit(ReplyCalled(self._reply, item, index, previous, ours))

    def returned(self, call: ToolCall, output: str, *, failed: bool, seconds: float) -> None:
        """A tool of ours has run, or was stopped."""
        session = self._session
        if self._stored:
            items = [call.item(session.new_id("item")), call.result(session.new_id("item"), output)]
            session.slip_in(items, before=self._item)
        session.emit(ToolEnded(self._reply, call.id, call.name, output, failed, seconds))


class Account:
    """Where an answer's tools are written down: nowhere, until it is sure that the answer shall be heard."""

    def __init__(self) -> None:
        self._ledger: asyncio.Future[Ledger] = asyncio.get_running_loop().create_future()

    def open(self, ledger: Ledger) -> None:
        self._ledger.set_result(ledger)

    async def opened(self) -> Ledger:
        """Waits until tools may run."""
        return await asyncio.shield(self._ledger)
