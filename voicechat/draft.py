"""An answer being made: the agent's words and their sound, as far as the buffers go. Nobody is told of it here."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from typing import Any, Final

from voicechat.conversation import Ended
from voicechat.errors import AdapterError, AgentError, VoicechatError
from voicechat.ledger import Account
from voicechat.synthesis import Sound, Synthesis
from voicechat.words.sentences import Clauses

Words = Callable[[Account], AsyncGenerator[str | Ended]]
"""Makes an answer's words; what else is done for it is put on the account."""

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]

CLAUSES_AHEAD: Final = 512
"""An agent is heard out as fast as it speaks: what it had in mind is then known when the caller breaks in."""


class Draft:
    """What a `Reply` says. It may be begun before it is known whether anybody shall hear it: then it is `held`.

    Of a held draft one clause is made into sound, and what fails leaves its `error` and no words of excuse.
    """

    def __init__(self, words: Words, synthesis: Synthesis, *, rate: int, fallback: str, held: bool = False) -> None:
        self.rate = rate
        """Of its sound, in Hz."""
        self.made: list[str] = []
        """The words so far, as the agent cut them."""
        self.whole = False
        """The agent has said all."""
        self.first_word = 0.0
        """When the agent began, on the loop's clock; 0.0: not yet."""
        self.ended = Ended()
        """How, as far as the agent says."""
        self.error: VoicechatError | None = None
        self.account = Account()
        """Whoever speaks the draft opens it."""
        self._words, self._synthesis, self._fallback = words, synthesis, fallback
        self._ahead: asyncio.Queue[str | None] = asyncio.Queue(CLAUSES_AHEAD)
        self._sounds: asyncio.Queue[Sound | AdapterError | None] = asyncio.Queue(1)
        self._released = asyncio.Event()
        if not held:
            self._released.set()
        self._task: asyncio.Task[None] | None = None

    @property
    def end(self) -> float | None:
        """After how many seconds of its sound it is silent; None: that is not made yet."""
        return self._synthesis.end

    def begin(self, spawn: Spawn) -> "asyncio.Task[None]":
        """Makes sound, in a task of its own."""
        self._task = spawn(self._run())
        return self._task

    def release(self) -> None:
        """It is to be heard."""
        self._released.set()

    def drop(self) -> None:
        """Stops the agent and the synthesizer at their next step; safe to call at any time."""
        if self._task is not None:
            self._task.cancel()

    async def sounds(self) -> AsyncIterator[Sound]:
        """The pieces of its sound, in order; it must have begun. Raises AdapterError."""
        while (entry := await self._sounds.get()) is not None:
            if isinstance(entry, AdapterError):
                raise entry
            yield entry

    async def words(self) -> AsyncGenerator[str]:
        """The agent's words, or the fallback sentence where they fail; for who wants no sound."""
        loop = asyncio.get_running_loop()
        try:
            async with aclosing(self._words(self.account)) as tokens:
                async for token in tokens:
                    if isinstance(token, Ended):
                        self.ended = token
                        continue
                    self.first_word = self.first_word or loop.time()
                    self.made.append(token)
                    yield token
        except AgentError as error:
            self.error = error
            if self._released.is_set():
                self.first_word = self.first_word or loop.time()
                self.made.append(self._fallback)
                yield self._fallback

    async def _run(self) -> None:
        end: AdapterError | None = None
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self._read())
            making = group.create_task(self._make())
            try:
                async for sound in self._synthesis.sounds():
                    await self._sounds.put(sound)
            except AdapterError as error:
                self.error = end = error
            finally:
                reading.cancel()
                making.cancel()
        await self._sounds.put(end)

    async def _read(self) -> None:
        """Cuts the words where they come: to wake a task for each token would cost more than to cut it."""
        clauses = Clauses()
        async with aclosing(self.words()) as tokens:
            async for token in tokens:
                for clause in clauses.push(token):
                    await self._ahead.put(clause)
        self.whole = self.error is None
        for clause in clauses.finish():
            await self._ahead.put(clause)
        await self._ahead.put(None)

    async def _make(self) -> None:
        async with aclosing(self._clauses()) as clauses:
            await self._synthesis.run(clauses)

    async def _clauses(self) -> AsyncGenerator[str]:
        while (clause := await self._ahead.get()) is not None:
            yield clause
            await self._released.wait()


def fixed(text: str) -> Words:
    """Words that need no agent."""

    async def words(_: Account) -> AsyncGenerator[str | Ended]:
        yield text

    return words


def after(first: Words, then: Words) -> Words:
    """Words and, when they have been said, others."""

    async def words(account: Account) -> AsyncGenerator[str | Ended]:
        for part in (first, then):
            async with aclosing(part(account)) as tokens:
                async for token in tokens:
                    yield token

    return words
