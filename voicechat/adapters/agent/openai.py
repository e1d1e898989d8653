"""Any chat server that speaks OpenAI's streaming completions: Ollama, llama.cpp, vLLM, OpenAI itself."""

import asyncio
import importlib.util
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from voicechat.adapters.chat import chunks
from voicechat.adapters.chat.calls import Calls
from voicechat.adapters.chat.messages import messages, tools
from voicechat.config import OpenaiSettings, Settings
from voicechat.conversation import Ended, Item, Piece, SessionSettings, Tokens, ToolCall
from voicechat.errors import AdapterUnavailable, AgentError

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncStream
    from openai.types.chat import ChatCompletionChunk

T = TypeVar("T")

CANNED: Final = (
    b'data: {"id":"1","object":"chat.completion.chunk","created":0,"model":"m",'
    b'"choices":[{"index":0,"delta":{"role":"assistant","content":"Hello","tool_calls":['
    b'{"index":0,"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2,"prompt_tokens_details":{"cached_tokens":0}}}\n\n'
    b"data: [DONE]\n\n"
)

REFUSALS: Final = (400, 401, 403, 404, 422)
"""Statuses that another try will not change: the operator must."""

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")

REHEARSAL_SECONDS: Final = 5.0

AFTERMATH: Final = 0.05
"""Seconds for the end of the stream to follow the end of the text, so that the connection can be used again."""

SECRET_CHARS: Final = 8
"""A shorter key is a placeholder such as "none"."""

CHARS_A_TOKEN: Final = 20
"""More than any tokenizer's average: a server that ignores max_tokens is left there."""


def load(settings: Settings) -> "ChatAgent":
    """Asks the server nothing yet. Blocking: the imports take a second. Raises AdapterUnavailable."""
    if importlib.util.find_spec("openai") is None:
        raise AdapterUnavailable("library_missing", "agent openai: the package openai is not installed")
    rehearsal = Thread(target=lambda: asyncio.run(_rehearse(settings.agent.openai)), name="openai-rehearsal")
    rehearsal.start()
    rehearsal.join()
    return ChatAgent(settings.agent.openai, settings.agent.instructions)


async def _rehearse(settings: OpenaiSettings) -> None:
    """One answer from a server of our own, on a loop of our own.

    The library imports and builds much of itself at its first answer: 100 ms (measured November 2026) that would
    otherwise stop the sound of all callers.
    """
    left = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(CANNED))
        writer.write(CANNED)
        await reader.read()
        writer.close()
        left.set()

    with suppress(OSError, AgentError):  # nothing is lost but the head start
        async with asyncio.timeout(REHEARSAL_SECONDS), await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            agent = ChatAgent(settings.model_copy(update={"base_url": url, "api_key": ""}), "")
            async for _ in agent.reply((), SessionSettings()):
                pass
            await agent.close()
            await left.wait()


class ChatAgent:
    """Streams the answers of one chat model. Deadlines, not retries: the caller is waiting."""

    name = "openai"
    phrases: Sequence[str] = ()

    def __init__(self, settings: OpenaiSettings, instructions: str) -> None:
        import openai

        self._openai = openai
        self._settings = settings
        self.speculates = settings.speculate
        self._instructions = instructions
        self._client = openai.AsyncOpenAI(
            base_url=settings.base_url,
            api_key=settings.api_key or "none",
            max_retries=0,
            timeout=None,  # the deadlines here are on the loop's clock
            http_client=openai.DefaultAsyncHttpxClient(
                follow_redirects=False,
                timeout=None,
                trust_env=urlsplit(settings.base_url).hostname not in LOOPBACK,  # no proxy on the way to ourselves
            ),
        )

    async def reply(self, history: Sequence[Item], settings: SessionSettings) -> AsyncGenerator[Piece]:
        """The answer's text as it comes, then the tools it calls; a model's separate reasoning is left out.

        Closing or cancelling it closes the connection, and so ends the work at the server. Raises AgentError with
        the code agent_timeout, agent_unreachable, agent_refused, agent_failed (a fault at the server) or agent_empty.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.first_token
        calling = Calls({item.call for item in history})
        empty, end, tokens = True, "", None
        limit = min(self._settings.max_tokens, settings.max_tokens or self._settings.max_tokens)
        room = CHARS_A_TOKEN * limit
        stream = await self._within(deadline, self._open(history, settings, limit))
        async with stream:
            while room > 0 and (chunk := await self._within(deadline, anext(stream, None))) is not None:
                called = calling.add(chunks.calls(chunk))
                if text := chunks.text(chunk):
                    yield text
                    empty = empty and text.isspace()
                if text or called:
                    deadline, room = loop.time() + self._settings.next_token, room - len(text) - called
                tokens = chunks.tokens(chunk) or tokens
                if end := chunks.finished(chunk):
                    tokens = await self._drain(stream) or tokens
                    break
        reason = chunks.REASONS.get(end, "") if room > 0 else chunks.REASONS["length"]
        for call in self._called(calling, cut=bool(reason)):
            yield call
            empty = False
        if empty:
            raise AgentError("agent_empty", f"{self._place} answered without any text")
        if reason or tokens is not None:
            yield Ended(reason, tokens)

    async def close(self) -> None:
        await self._client.close()

    @property
    def _place(self) -> str:
        return f"{self._settings.model} at {self._settings.base_url}"

    def _open(
        self, history: Sequence[Item], settings: SessionSettings, limit: int
    ) -> "Awaitable[AsyncStream[ChatCompletionChunk]]":
        body: dict[str, Any] = {"messages": messages(settings.instructions or self._instructions, history)}
        body |= tools(settings)
        if self._settings.usage:
            body["stream_options"] = {"include_usage": True}
        return self._client.chat.completions.create(
            model=self._settings.model,
            messages=(),
            max_tokens=limit,
            temperature=self._settings.temperature,
            stream=True,
            extra_body=body,  # goes as it is: the library walks arguments type by type, 0.2 ms a message on the loop
        )

    def _called(self, calls: Calls, *, cut: bool) -> list[ToolCall]:
        try:
            return calls.finished(cut=cut)
        except ValueError as error:
            raise AgentError("agent_failed", f"{self._place} {error}") from error

    async def _within(self, deadline: float, step: Awaitable[T]) -> T:
        """The step's result; its failures, and being late, as AgentError."""
        try:
            async with asyncio.timeout_at(deadline):
                return await step
        except TimeoutError:
            raise AgentError("agent_timeout", f"{self._place} sent no text in time") from None
        except self._openai.APIStatusError as error:
            code = "agent_refused" if error.status_code in REFUSALS else "agent_failed"
            raise AgentError(code, f"{self._place} answered {error.status_code}: {self._reason(error)}") from error
        except self._openai.APIConnectionError as error:
            raise AgentError("agent_unreachable", f"{self._place}: {error.__cause__ or error}") from error
        except (self._openai.APIError, ValueError) as error:  # an error inside the stream, or no JSON
            raise AgentError("agent_failed", f"{self._place} broke off: {_line(str(error))}") from error

    async def _drain(self, stream: "AsyncStream[ChatCompletionChunk]") -> Tokens | None:
        """Reads what follows the text, so that the connection can serve the next turn: what the answer cost."""
        deadline = asyncio.get_running_loop().time() + AFTERMATH
        tokens = None
        with suppress(AgentError):
            while (chunk := await self._within(deadline, anext(stream, None))) is not None:
                tokens = chunks.tokens(chunk) or tokens
        return tokens

    def _reason(self, error: "APIStatusError") -> str:
        """The server's own words, in one line and without our key."""
        said = error.body.get("message") if isinstance(error.body, dict) else error.body
        text, key = str(said or error), self._settings.api_key
        return _line(text.replace(key, "***") if len(key) >= SECRET_CHARS else text)


def _line(text: str) -> str:
    return " ".join(text.split())[:200]
