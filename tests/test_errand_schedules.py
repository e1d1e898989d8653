"""Tools under random schedules: whatever is called, said, cut or cancelled, every one is accounted for.

VOICECHAT_RUNS says how many schedules are played.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from functools import cache
from random import Random

import pytest

from tests.fakes import ScriptedAgent, ScriptedAsr, ScriptedTools, loud
from tests.scripted_call import Call, converse, of
from voicechat.commands import Ask, CancelReply, Command, CreateReply, DeleteItem, GiveResult
from voicechat.config import AgentSettings, Settings, ToolSettings
from voicechat.conversation import Ended, Item, Kind, Piece, SessionSettings, Tool, ToolCall
from voicechat.errors import AgentError
from voicechat.events import Failed, ItemAdded, ReplyCalled, ReplyFinished, ReplyStarted, ToolEnded

RUNS = int(os.environ.get("VOICECHAT_RUNS", "40"))
ACTS = 12


class Whimsical(ScriptedAgent):
    """Says, calls and fails as it likes."""

    def __init__(self, random: Random) -> None:
        super().__init__([])
        self.random = random
        self.read: list[list[Item]] = []
        self.calls = 0

    async def reply(self, history: Sequence[Item], settings: SessionSettings) -> AsyncGenerator[Piece]:
        self.read.append(list(history))
        self.working += 1
        try:
            for _ in range(self.random.randrange(4)):
                await asyncio.sleep(self.random.choice((0.0, 0.05, 0.5)))
                yield self._piece()
            if self.random.random() < 0.1:
                raise AgentError("agent_timeout", "on a whim")
            yield Ended(self.random.choice(("", "", "max_output_tokens")))
        finally:
            self.working -= 1

    def _piece(self) -> Piece:
        if self.random.random() < 0.5:
            return self.random.choice(("Well. ", "this is how it goes ", "and on it goes, ", "for a while. ", "\n\n"))
        self.calls += 1
        name = self.random.choice(("quick", "slow", "broken", "bell", "unknown"))
        return ToolCall(f"call_{self.calls}", name, "{}")


def act(call: Call, random: Random) -> None:
    """Something that a caller or their program may do at any time."""
    items = [item.id for item in call.session.history] or ["none"]
    calls = [event.item.call for event in of(call, ReplyCalled) if not event.ours] or ["none"]
    commands: list[Command] = [
        Ask("and now?"),
        CancelReply(),
        CreateReply(),
        CreateReply(stored=False, speaks=False),
        CreateReply(stored=False),
        DeleteItem(random.choice(items)),
        *[GiveResult(random.choice(calls), "done")] * 3,
    ]
    if random.random() < 0.3:
        call.peer.hears(loud(random.choice((0.05, 0.5))))
    else:
        call.peer.asks(random.choice(commands))


@cache
def played(seed: int) -> Call:
    random = Random(seed)
    call = Call(
        asr=ScriptedAsr(*["what is it now"] * 50),
        agent=Whimsical(random),
        tools=ScriptedTools(quick=0.05, slow=random.choice((0.9, 20.0)), broken=-0.1),
        session_settings=SessionSettings(tools=(Tool("bell"),)),
        settings=Settings(agent=AgentSettings(tools=ToolSettings(deadline=3.0))),
    )

    async def caller(call: Call) -> None:
        call.peer.asks(Ask("hello"))
        for _ in range(ACTS):
            await asyncio.sleep(random.choice((0.0, 0.02, 0.3, 1.0, 4.0)))
            act(call, random)
        await asyncio.sleep(random.choice((0.0, 30.0)))
        call.peer.hangs_up()

    return converse(call, caller)


@pytest.mark.parametrize("seed", range(RUNS))
def test_everything_that_begins_ends_once(seed: int) -> None:
    call = played(seed)
    agent = call.agent
    assert isinstance(agent, Whimsical)
    assert call.reason == "hung_up"
    begun = Counter(event.reply for event in of(call, ReplyStarted))
    assert begun == Counter(event.reply for event in of(call, ReplyFinished))
    assert set(begun.values()) <= {1}
    ours = Counter(event.item.call for event in of(call, ReplyCalled) if event.ours)
    assert ours == Counter(event.call for event in of(call, ToolEnded))
    assert (call.tools.running, agent.working) == ([], 0)
    assert not [event for event in of(call, Failed) if event.code == "stalled"]


@pytest.mark.parametrize("seed", range(RUNS))
def test_nothing_is_told_after_an_item_that_nobody_was_told_of(seed: int) -> None:
    call = played(seed)
    told: set[str | None] = {None}
    for event in call.peer.events:
        if isinstance(event, ItemAdded | ReplyStarted) or (isinstance(event, ReplyCalled) and not event.ours):
            assert event.previous in told
            told.add(event.item.id)


@pytest.mark.parametrize("seed", range(RUNS))
def test_agent_reads_each_call_with_its_output(seed: int) -> None:
    agent = played(seed).agent
    assert isinstance(agent, Whimsical)
    for history in agent.read:
        calls: list[str] = []
        for item in history:
            if item.kind is Kind.OUTPUT:
                assert item.call == calls.pop(0), "in the order of the calls, and of no other"
            elif item.kind is Kind.CALL:
                calls.append(item.call)
            else:
                assert not calls, "nothing comes between"
        assert not calls
