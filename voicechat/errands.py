"""What an agent has done for it while it answers: tools run, their results are read, and the answer goes on."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Final

from voicechat.config import ToolSettings
from voicechat.conversation import Ended, Item, Piece, Role, SessionSettings, Tokens, Tool, ToolCall
from voicechat.draft import Words
from voicechat.errors import ToolFailed
from voicechat.kit import Kit
from voicechat.ledger import Account, Ledger
from voicechat.protocols import Agent

MOST_CALLS: Final = 16
"""Tools that an agent may call at a time; more are not run."""

STOP_SECONDS: Final = 0.5
"""How long a tool that is cancelled is waited for; it should take no time."""

CANCELLED: Final = json.dumps({"error": "cancelled"})

_BREAK: Final = "\n\n"
"""Makes a clause of the words so far, so that they are spoken while a tool runs."""


class Errands:
    """The agent's answers, with the tools of this house run for it. The caller's own tools are theirs to run, and end
    the answer.
    """

    def __init__(self, agent: Agent, kit: Kit, limits: ToolSettings) -> None:
        self._agent, self._kit, self._limits = agent, kit, limits

    def listed(self, settings: SessionSettings, label: str) -> tuple[Tool, ...]:
        """The tools of a server that a caller may have used."""
        return tuple(tool for tool in self._kit.of(label) if settings.permits(label, tool.name))

    def words(self, history: Sequence[Item], settings: SessionSettings) -> Words:
        """An answer's words. No tool runs before its account is open; closing the generator stops those that run."""
        return lambda account: self._answer(list(history), settings, account)

    async def _answer(
        self, history: list[Item], settings: SessionSettings, account: Account
    ) -> AsyncGenerator[str | Ended]:
        theirs = frozenset(tool.name for tool in settings.tools)
        settings = self._equipped(settings, theirs)
        silent, tokens = True, None
        for left in reversed(range(self._limits.rounds + 1)):
            step = _Step()
            async with aclosing(self._agent.reply(history, settings if left else _without(settings))) as pieces:
                async for piece in pieces:
                    if words := step.take(piece):
                        yield words
            tokens = _sum(tokens, step.ended.tokens)
            if not (left and step.calls):
                break
            silent = silent and not step.words
            ledger = await account.opened()
            filled = settings.speaks and silent
            async with aclosing(self._run(step, theirs, ledger, settings=settings, filled=filled)) as fillers:
                async for filler in fillers:
                    silent = False
                    yield filler
            if ledger.calls:
                break
            history += step.read(len(history))
            settings = replace(settings, tool_choice="none" if settings.tool_choice == "none" else "auto")
        if step.ended.reason or tokens is not None:
            yield Ended(step.ended.reason, tokens)

    def _equipped(self, settings: SessionSettings, theirs: frozenset[str]) -> SessionSettings:
        """With our tools beside the caller's, whose names come first."""
        ours = tuple(
            tool
            for tool in self._kit.tools
            if tool.name not in theirs and settings.permits(self._kit.label(tool.name), tool.name)
        )
        return replace(settings, tools=(*settings.tools, *ours)) if ours else settings

    async def _run(
        self, step: "_Step", theirs: frozenset[str], ledger: Ledger, *, settings: SessionSettings, filled: bool
    ) -> AsyncGenerator[str]:
        """Runs our tools, then asks for the caller's; gives words that fill the time."""
        ours = [call for call in step.calls if call.name not in theirs][:MOST_CALLS]
        running = [asyncio.create_task(self._call(call, ledger, settings)) for call in ours]
        try:
            if step.words and running:
                yield _BREAK
            if filled and await self._takes_long(running):
                yield f"{self._limits.filler.strip()}{_BREAK}"
            step.results = [(call, await task) for call, task in zip(ours, running, strict=True)]
        finally:
            await _stopped(running)
        for call in [call for call in step.calls if call.name in theirs][:MOST_CALLS]:
            ledger.called(call)

    async def _takes_long(self, running: Sequence["asyncio.Task[str]"]) -> bool:
        if not running or not self._limits.filler.strip():
            return False
        _, late = await asyncio.wait(running, timeout=self._limits.filler_after)
        return bool(late)

    async def _call(self, call: ToolCall, ledger: Ledger, settings: SessionSettings) -> str:
        """What the agent is told of the tool's work; a failure is told like a result."""
        label = self._kit.label(call.name)
        if not label or not settings.permits(label, call.name):
            return _failure(f"there is no tool {call.name[:64]!r}")
        ledger.called(call, label)
        clock = asyncio.get_running_loop().time
        start, output, failed = clock(), CANCELLED, True
        try:
            async with asyncio.timeout(self._limits.deadline):
                output, failed = await self._kit.call(call), False
        except ToolFailed as error:
            output = _failure(error.message)
        except TimeoutError:
            output = _failure(f"it took longer than {self._limits.deadline:g} s")
        finally:
            ledger.returned(call, output, failed=failed, seconds=clock() - start)
        return output


@dataclass
class _Step:
    """What the agent says in one go, and what comes of the tools that it then wants."""

    said: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    ended: Ended = Ended()
    results: list[tuple[ToolCall, str]] = field(default_factory=list)

    def take(self, piece: Piece) -> str:
        """What of it is to be said."""
        match piece:
            case str():
                self.said.append(piece)
                return piece
            case ToolCall():
                self.calls.append(piece)
            case Ended():
                self.ended = piece
        return ""

    @property
    def words(self) -> str:
        return "".join(self.said).strip()

    def read(self, number: int) -> list[Item]:
        """What the agent reads before it goes on: its own words, and what came of the calls."""
        said = [Item(f"said_{number}", Role.ASSISTANT, self.words)] if self.words else []
        calls = [call.item(f"call_{call.id}") for call, _ in self.results]
        return said + calls + [call.result(f"output_{call.id}", output) for call, output in self.results]


def _without(settings: SessionSettings) -> SessionSettings:
    """So that the agent says what it knows."""
    return replace(settings, tool_choice="none")


def _failure(message: str) -> str:
    return json.dumps({"error": message}, ensure_ascii=False)


def _sum(tokens: Tokens | None, more: Tokens | None) -> Tokens | None:
    return more if tokens is None else tokens if more is None else tokens + more


async def _stopped(running: Sequence["asyncio.Task[str]"]) -> None:
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running, timeout=STOP_SECONDS)
