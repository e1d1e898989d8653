"""What every agent must do. A new file in voicechat/adapters/agent is found by itself, and needs an entry in PLACES."""

import importlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Final, cast

import pytest

from tests.fakes_openai import serving
from voicechat.adapters import names
from voicechat.config import Settings
from voicechat.conversation import Item, Role, SessionSettings, Tool, ToolCall
from voicechat.protocols import Agent

ADAPTERS: Final = names("agent")

HISTORIES: Final[dict[str, tuple[Item, ...]]] = {
    "nothing": (),
    "a question": (Item("1", Role.USER, "What is your name?"),),
    "silence": (Item("1", Role.USER, "", spoken=True),),
    "a long talk": tuple(Item(str(n), (Role.USER, Role.ASSISTANT)[n % 2], f"Sentence {n}.") for n in range(41)),
    "a question in two pieces": (Item("1", Role.USER, "What is"), Item("2", Role.USER, "your name")),
    "an answer nobody heard": (Item("1", Role.USER, "Hi"), Item("2", Role.ASSISTANT, ""), Item("3", Role.USER, "?")),
    "the work of a tool": (
        Item("1", Role.USER, "Until when?"), ToolCall("call_1", "hours", "{}").item("2"),
        ToolCall("call_1", "hours", "{}").result("3", "until six"),
    ),
    "another role": (Item("1", Role.SYSTEM, "Speak slowly."), Item("2", Role.USER, "Good morning {name}.")),
}


@asynccontextmanager
async def _default() -> AsyncIterator[Settings]:
    yield Settings()


@asynccontextmanager
async def _with_fake_server() -> AsyncIterator[Settings]:
    async with serving() as server:
        yield Settings.model_validate({"agent": {"openai": {"base_url": server.url}}})


PLACES: Final[dict[str, Callable[[], AbstractAsyncContextManager[Settings]]]] = {
    "echo": _default,
    "faq": _default,
    "openai": _with_fake_server,
    "scripted": _default,
}
"""Where each adapter can do its work."""


@pytest.fixture(params=ADAPTERS)
async def agent(request: pytest.FixtureRequest) -> AsyncIterator[Agent]:
    name = request.param
    assert name in PLACES, f"say in PLACES what the adapter {name} needs"
    async with PLACES[name]() as settings:
        agent = cast(Agent, importlib.import_module(f"voicechat.adapters.agent.{name}").load(settings))
        assert agent.name == name
        yield agent
        await agent.close()


async def said(agent: Agent, history: tuple[Item, ...], asked: SessionSettings | None = None) -> list[str]:
    async with aclosing(agent.reply(history, asked or SessionSettings())) as reply:
        return [piece async for piece in reply if isinstance(piece, str)]


def test_every_adapter_is_found() -> None:
    assert set(PLACES) == set(ADAPTERS)


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES.keys())
async def test_it_answers_whatever_was_said_before(agent: Agent, history: tuple[Item, ...]) -> None:
    parts = await said(agent, history)
    assert "".join(parts).strip()


async def test_it_answers_with_or_without_use_for_tools(agent: Agent) -> None:
    call = ToolCall("c1", "clock", "{}")
    history = (*HISTORIES["a question"], call.item("2"), call.result("3", "noon"))
    asked = SessionSettings(tools=(Tool("clock", "Tells the time."),), tool_choice="none", max_tokens=50)
    assert "".join(await said(agent, history, asked)).strip()


async def test_it_answers_one_caller_after_another(agent: Agent) -> None:
    history = HISTORIES["a question"]
    assert await said(agent, history) == await said(agent, history)


async def test_left_half_way_it_answers_again(agent: Agent) -> None:
    history = HISTORIES["a question"]
    whole = await said(agent, history)
    async with aclosing(agent.reply(history, SessionSettings())) as reply:
        await anext(reply)
    assert await said(agent, history) == whole


def test_what_it_expects_to_hear_is_words(agent: Agent) -> None:
    assert all(isinstance(phrase, str) and phrase.strip() for phrase in agent.phrases)


def test_it_says_whether_it_may_be_asked_in_vain(agent: Agent) -> None:
    assert isinstance(agent.speculates, bool)


async def test_it_can_be_closed_twice(agent: Agent) -> None:
    await agent.close()
    await agent.close()
