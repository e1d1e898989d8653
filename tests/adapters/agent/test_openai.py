import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes_openai import Answer, FakeOpenai, serving
from voicechat.adapters.agent import openai as adapter
from voicechat.config import Settings
from voicechat.conversation import Ended, Item, Piece, Role, SessionSettings, Tokens, Tool, ToolCall
from voicechat.errors import AgentError

SHORT = 0.2
HELLO = (Item("1", Role.USER, "Hello?"),)
WEATHER = Tool("weather", "Tells it.", '{"type": "object", "properties": {"city": {"type": "string"}}}')
CLOCK = Tool("clock", "Tells the time.", '{"type": "object"}')
EQUIPPED = SessionSettings(tools=(WEATHER, CLOCK))
RAIN = ToolCall("call_rain", "weather", '{"city": "Ulm"}')
TIME = ToolCall("call_time", "clock", "{}")


def settings(url: str, **changes: object) -> Settings:
    openai = {"base_url": url, "model": "tiny", "first_token": 5.0, "next_token": 5.0, **changes}
    return Settings.model_validate({"agent": {"instructions": "Be brief.", "openai": openai}})


@asynccontextmanager
async def talking(
    answer: Answer | None = None, **changes: object
) -> AsyncIterator[tuple[FakeOpenai, adapter.ChatAgent]]:
    async with serving(answer) as server:
        agent = adapter.load(settings(server.url, **changes))
        try:
            yield server, agent
        finally:
            await agent.close()


async def said(agent: adapter.ChatAgent, history: Sequence[Item] = HELLO, instructions: str = "") -> list[str]:
    pieces = await answered(agent, history, SessionSettings(instructions=instructions))
    return [piece for piece in pieces if isinstance(piece, str)]


async def answered(
    agent: adapter.ChatAgent, history: Sequence[Item] = HELLO, asked: SessionSettings | None = None
) -> list[Piece]:
    async with aclosing(agent.reply(history, asked or SessionSettings())) as reply:
        return [piece async for piece in reply]


async def failure(answer: Answer, **changes: object) -> tuple[AgentError, list[Piece]]:
    """The error of an answer, and what came before it."""
    words: list[Piece] = []
    async with talking(answer, **changes) as (_, agent):
        with pytest.raises(AgentError) as caught:
            async for text in agent.reply(HELLO, SessionSettings()):
                words.append(text)  # noqa: PERF401 - what came before the error counts
    return caught.value, words


async def test_answer_comes_word_by_word() -> None:
    async with talking(Answer(words=("One", " two", " three."))) as (_, agent):
        assert await said(agent) == ["One", " two", " three."]


async def test_request_carries_model_limits_and_instructions() -> None:
    async with talking(max_tokens=77, temperature=0.1, api_key="sesame") as (server, agent):
        await said(agent)
    assert server.requests[0] == {
        "model": "tiny",
        "max_tokens": 77,
        "temperature": 0.1,
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}],
    }
    assert server.headers[0]["Authorization"] == "Bearer sesame"


@pytest.mark.parametrize("speculate", [True, False])
async def test_it_is_asked_early_as_configured(speculate: bool) -> None:
    async with talking(speculate=speculate) as (_, agent):
        assert agent.speculates is speculate


async def test_callers_instructions_replace_the_servers() -> None:
    async with talking() as (server, agent):
        await said(agent, instructions="Speak like a pirate.")
    assert server.requests[0]["messages"][0] == {"role": "system", "content": "Speak like a pirate."}


async def test_unheard_answers_are_left_out_and_neighbours_of_one_role_joined() -> None:
    history = (
        Item("1", Role.USER, "Tell me a story."),
        Item("2", Role.ASSISTANT, ""),
        Item("3", Role.USER, "No, a song."),
        Item("4", Role.ASSISTANT, "La la", spoken=True),
        Item("5", Role.USER, "Louder."),
    )
    async with talking() as (server, agent):
        await said(agent, history)
    assert server.requests[0]["messages"][1:] == [
        {"role": "user", "content": "Tell me a story.\nNo, a song."},
        {"role": "assistant", "content": "La la"},
        {"role": "user", "content": "Louder."},
    ]


async def test_reasoning_is_left_out() -> None:
    async with talking(Answer(words=("Yes.",), thinking=("Let me see", "..."))) as (_, agent):
        assert await said(agent) == ["Yes."]


async def test_connection_serves_the_next_turn() -> None:
    async with talking() as (server, agent):
        for _ in range(3):
            await said(agent)
        assert len(server.requests) == 3
        assert len(server.connections) == 1


async def test_finished_answer_does_not_wait_for_a_connection_left_open() -> None:
    async with talking(Answer(words=("Done.",), ends=False), next_token=30.0) as (server, agent):
        async with asyncio.timeout(5):
            assert await said(agent) == ["Done."]
            await server.hung_up.wait()


async def test_answer_without_a_told_end_is_complete() -> None:
    async with talking(Answer(words=("Done.",), finishes=False)) as (_, agent):
        assert await said(agent) == ["Done."]


async def test_endless_answer_is_left() -> None:
    words = ("word " * 20,) * 1000
    async with talking(Answer(words=words), max_tokens=10) as (_, agent):
        assert 1 <= len(await said(agent)) <= 3


async def test_closing_the_reply_stops_the_server() -> None:
    async with talking(Answer(words=("word ",) * 1000, between=0.01)) as (server, agent):
        async with aclosing(agent.reply(HELLO, SessionSettings())) as reply:
            assert await anext(reply) == "word "
        async with asyncio.timeout(5):
            await server.hung_up.wait()


async def test_cancelling_the_reply_stops_the_server() -> None:
    async with talking(Answer(first_after=30.0), first_token=30.0) as (server, agent):
        task = asyncio.create_task(said(agent))
        async with asyncio.timeout(5):
            await server.asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await server.hung_up.wait()


async def test_deadline_stops_the_server() -> None:
    async with talking(Answer(stall_at=1), next_token=SHORT) as (server, agent):
        with pytest.raises(AgentError):
            await said(agent)
        async with asyncio.timeout(5):
            await server.hung_up.wait()


async def test_slow_consumer_is_not_a_slow_server() -> None:
    async with talking(Answer(words=("One", " two")), next_token=2 * SHORT) as (_, agent):
        words = []
        async for text in agent.reply(HELLO, SessionSettings()):
            words.append(text)
            await asyncio.sleep(3 * SHORT)
    assert words == ["One", " two"]


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (Answer(first_after=30.0), "agent_timeout", []),
        (Answer(stall_at=0), "agent_timeout", []),
        (Answer(stall_at=1), "agent_timeout", ["Hello"]),
        (Answer(thinking=("hm",) * 50, between=0.01), "agent_timeout", []),
        (Answer(words=()), "agent_empty", []),
        (Answer(words=(" ", "\n")), "agent_empty", [" ", "\n"]),
        (Answer(garbage_at=0), "agent_failed", []),
        (Answer(garbage_at=1), "agent_failed", ["Hello"]),
        (Answer(drop_at=0), "agent_unreachable", []),
        (Answer(drop_at=1), "agent_unreachable", ["Hello"]),
        (Answer(status=500, message="out of memory"), "agent_failed", []),
        (Answer(status=503, message="loading"), "agent_failed", []),
        (Answer(status=429, message="slow down", headers={"Retry-After": "60"}), "agent_failed", []),
        (Answer(status=307, headers={"Location": "http://127.0.0.1:9/elsewhere"}), "agent_failed", []),
        (Answer(status=401, message="bad key"), "agent_refused", []),
        (Answer(status=403, message="not you"), "agent_refused", []),
        (Answer(status=404, message="model 'tiny' not found"), "agent_refused", []),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_fault_has_its_code(answer: Answer, code: str, words: list[str]) -> None:
    late = code == "agent_timeout"
    error, before = await failure(
        answer, first_token=SHORT if late and not words else 5.0, next_token=SHORT if late else 5.0
    )
    assert error.code == code
    assert before == words
    assert "tiny at http://127.0.0.1:" in error.message
    assert answer.message in error.message


async def test_faults_are_not_tried_again() -> None:
    async with talking(Answer(status=500)) as (server, agent):
        with pytest.raises(AgentError):
            await said(agent)
        assert len(server.requests) == 1


async def test_nobody_listening_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        agent = adapter.load(settings(f"http://127.0.0.1:{taken.getsockname()[1]}/v1"))
        with pytest.raises(AgentError) as caught:
            await said(agent)
        await agent.close()
    assert caught.value.code == "agent_unreachable"


async def test_next_turn_works_after_a_fault() -> None:
    async with talking(Answer(drop_at=1)) as (server, agent):
        with pytest.raises(AgentError):
            await said(agent)
        server.answer = Answer()
        assert await said(agent) == ["Hello", " there."]


async def test_key_is_not_in_the_error() -> None:
    error, _ = await failure(Answer(status=401, message="no such key: sk-canary-123"), api_key="sk-canary-123")
    assert "canary" not in error.message
    assert "no such key: ***" in error.message


async def test_request_offers_the_tools_only_when_there_are_some() -> None:
    async with talking() as (server, agent):
        await said(agent)
        await answered(agent, asked=EQUIPPED)
    without, offering = server.requests
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & without.keys()
    assert offering["tools"][0] == {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Tells it.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
    assert [tool["function"]["name"] for tool in offering["tools"]] == ["weather", "clock"]
    assert not {"tool_choice", "parallel_tool_calls"} & offering.keys()


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("none", "none"),
        ("required", "required"),
        ("clock", {"type": "function", "function": {"name": "clock"}}),
        ("nonesuch", None),
    ],
)
async def test_choice_of_tools_reaches_the_server(choice: str, sent: object) -> None:
    async with talking() as (server, agent):
        await answered(agent, asked=replace(EQUIPPED, tool_choice=choice, parallel_tools=False))
    assert server.requests[0].get("tool_choice") == sent
    assert server.requests[0]["parallel_tool_calls"] is False


async def test_calls_come_whole_after_the_words() -> None:
    async with talking(Answer(words=("Let me see.",), calls=(RAIN, TIME))) as (_, agent):
        assert await answered(agent, asked=EQUIPPED) == ["Let me see.", RAIN, TIME]


async def test_calls_alone_are_an_answer() -> None:
    async with talking(Answer(words=(), calls=(RAIN,))) as (_, agent):
        assert await answered(agent, asked=EQUIPPED) == [RAIN]


async def test_server_reads_calls_and_outputs_in_order() -> None:
    history = (
        Item("1", Role.USER, "Weather and time?"),
        Item("2", Role.ASSISTANT, "Let me see."),
        RAIN.item("3"),
        RAIN.result("4", "rain"),
        TIME.item("5"),
        TIME.result("6", "noon"),
        Item("7", Role.ASSISTANT, "Rain, at noon."),
        Item("8", Role.USER, "Thanks."),
    )
    async with talking() as (server, agent):
        await answered(agent, history, EQUIPPED)
    rain = {"id": "call_rain", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Ulm"}'}}
    time = {"id": "call_time", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    assert server.requests[0]["messages"][1:] == [
        {"role": "user", "content": "Weather and time?"},
        {"role": "assistant", "content": "Let me see.", "tool_calls": [rain]},
        {"role": "tool", "tool_call_id": "call_rain", "content": "rain"},
        {"role": "assistant", "content": None, "tool_calls": [time]},
        {"role": "tool", "tool_call_id": "call_time", "content": "noon"},
        {"role": "assistant", "content": "Rain, at noon."},
        {"role": "user", "content": "Thanks."},
    ]


async def test_an_id_that_was_used_before_is_replaced() -> None:
    history = (*HELLO, RAIN.item("2"), RAIN.result("3", "rain"))
    async with talking(Answer(words=(), calls=(RAIN,))) as (_, agent):
        (call,) = await answered(agent, history, EQUIPPED)
    assert isinstance(call, ToolCall)
    assert (call.name, call.arguments) == (RAIN.name, RAIN.arguments)
    assert call.id.startswith("call_") and call.id != RAIN.id


async def test_arguments_that_are_no_json_are_a_fault() -> None:
    error, before = await failure(Answer(words=("Well.",), calls=(ToolCall("c", "weather", '{"city": '),)))
    assert (error.code, before) == ("agent_failed", ["Well."])
    assert "called 'weather' with arguments that are no JSON object" in error.message


async def test_answer_cut_short_keeps_its_whole_calls_and_says_so() -> None:
    answer = Answer(words=(), calls=(RAIN, ToolCall("c", "clock", '{"zone')), finish="length")
    async with talking(answer) as (_, agent):
        assert await answered(agent, asked=EQUIPPED) == [RAIN, Ended("max_output_tokens")]


@pytest.mark.parametrize(
    ("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter"), ("stop", None)]
)
async def test_end_before_the_end_is_told(finish: str, reason: str | None) -> None:
    async with talking(Answer(words=("Once",), finish=finish)) as (_, agent):
        assert await answered(agent) == ["Once", *([Ended(reason)] if reason else [])]


async def test_caller_may_ask_for_less_and_never_for_more() -> None:
    async with talking(max_tokens=100) as (server, agent):
        for wanted in (30, 3000, None):
            await answered(agent, asked=SessionSettings(max_tokens=wanted))
    assert [request["max_tokens"] for request in server.requests] == [30, 100, 100]


async def test_cost_is_told() -> None:
    cost = Tokens(read=20, cached=5, written=3)
    async with talking(Answer(words=("Hi.",), cost=cost)) as (_, agent):
        assert await answered(agent) == ["Hi.", Ended("", cost)]


async def test_old_server_is_not_asked_for_the_cost() -> None:
    async with talking(Answer(words=("Hi.",), cost=Tokens(1, 0, 1)), usage=False) as (server, agent):
        assert await answered(agent) == ["Hi."]
    assert "stream_options" not in server.requests[0]


async def test_pieces_of_a_call_keep_the_deadline_away() -> None:
    answer = Answer(words=(), calls=(RAIN,), between=0.6 * SHORT)
    async with talking(answer, first_token=2 * SHORT, next_token=2 * SHORT) as (_, agent):
        assert await answered(agent, asked=EQUIPPED) == [RAIN]


async def test_endless_arguments_are_left() -> None:
    piece = {"index": 0, "id": "c", "function": {"name": "weather", "arguments": '{"city": "' + "U" * 100}}
    async with talking(Answer(words=("Well.",), pieces=(piece,) * 2000), max_tokens=10) as (_, agent):
        assert await answered(agent, asked=EQUIPPED) == ["Well.", Ended("max_output_tokens")]


@pytest.mark.parametrize(
    "piece", [{}, {"index": "0"}, {"index": 0, "function": None}, {"id": 7, "function": {"name": 7}}, "call", None]
)
async def test_odd_pieces_of_calls_do_no_harm(piece: Any) -> None:
    async with talking(Answer(words=("Well.",), pieces=(piece,))) as (_, agent):
        assert await answered(agent, asked=EQUIPPED) == ["Well."]
