import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import pytest

from tests.fakes_openai import Answer, FakeOpenai, serving
from voicechat.adapters.agent import openai as adapter
from voicechat.config import Settings
from voicechat.conversation import Item, Role, SessionSettings
from voicechat.errors import AgentError

SHORT = 0.2
HELLO = (Item("1", Role.USER, "Hello?"),)


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
    async with aclosing(agent.reply(history, SessionSettings(instructions=instructions))) as reply:
        return [text async for text in reply]


async def failure(answer: Answer, **changes: object) -> tuple[AgentError, list[str]]:
    """The error of an answer, and the words that came before it."""
    words: list[str] = []
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
