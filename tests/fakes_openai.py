"""A small chat server that speaks the streaming dialect of OpenAI, with faults on order."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from voicechat.conversation import Tokens, ToolCall


@dataclass(frozen=True, slots=True)
class Answer:
    """How the server answers; `words` are numbered from 0 and each is one chunk.

    Before that word, `stall_at` waits for ever, `drop_at` cuts the connection and `garbage_at` sends what is not JSON.
    Without `finishes` no end of the text is told; without `ends` the connection stays open and silent. `calls` follow
    the words, each in three pieces, or as the very `pieces` that are given. `finish` is the reason told for the end,
    empty: the usual one. What it cost is told to those who ask.
    """

    words: Sequence[str] = ("Hello", " there.")
    thinking: Sequence[str] = ()
    status: int = 200
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    first_after: float = 0.0
    between: float = 0.0
    stall_at: int | None = None
    drop_at: int | None = None
    garbage_at: int | None = None
    calls: Sequence[ToolCall] = ()
    pieces: Sequence[Mapping[str, Any]] = ()
    finish: str = ""
    cost: Tokens | None = None
    finishes: bool = True
    ends: bool = True


@dataclass(slots=True)
class FakeOpenai:
    """A running server at the base URL `url`.

    `requests` and `headers` are what it got, `connections` the sockets it came on. Set when a request came: `asked`;
    when a client left early: `hung_up`. The answers of a `script` are given one after the other, then always `answer`.
    """

    url: str
    answer: Answer = Answer()
    script: list[Answer] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    connections: set[int] = field(default_factory=set)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)

    async def complete(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(await request.json())
        self.headers.append(dict(request.headers))
        self.connections.add(id(request.transport))
        self.asked.set()
        answer = self.script.pop(0) if self.script else self.answer
        try:
            await asyncio.sleep(answer.first_after)
            if answer.status != 200:
                body = {"error": {"message": answer.message, "type": "fault", "code": None, "param": None}}
                return web.json_response(body, status=answer.status, headers=answer.headers)
            return await self._stream(request, answer)
        except asyncio.CancelledError:
            self.hung_up.set()
            raise

    async def _stream(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(_chunk({"role": "assistant", "content": ""}))
        for thought in answer.thinking:
            await response.write(_chunk({"reasoning_content": thought}))
            await asyncio.sleep(answer.between)
        for number, word in enumerate(answer.words):
            if number == answer.stall_at:
                await asyncio.Event().wait()
            if number == answer.drop_at and request.transport is not None:
                request.transport.abort()
            if number == answer.garbage_at:
                await response.write(b"data: {this is not JSON\n\n")
            await response.write(_chunk({"content": word}))
            await asyncio.sleep(answer.between)
        for piece in (*_pieces(answer.calls), *answer.pieces):
            await response.write(_chunk({"tool_calls": [piece]}))
            await asyncio.sleep(answer.between)
        if answer.finishes:
            called = answer.calls or answer.pieces
            await response.write(_chunk({}, answer.finish or ("tool_calls" if called else "stop")))
        if answer.cost and self.requests[-1].get("stream_options") == {"include_usage": True}:
            await response.write(_data({**_BODY, "choices": [], "usage": _usage(answer.cost)}))
        if not answer.ends:
            await asyncio.Event().wait()
        await response.write(b"data: [DONE]\n\n")
        return response


_BODY: Final = {"id": "c1", "object": "chat.completion.chunk", "created": 0, "model": "fake"}


def _chunk(delta: Mapping[str, Any], finish: str | None = None) -> bytes:
    return _data({**_BODY, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def _data(body: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def _pieces(calls: Sequence[ToolCall]) -> Iterator[dict[str, Any]]:
    """As OpenAI sends them: the name first, then the arguments bit by bit."""
    for index, call in enumerate(calls):
        yield {"index": index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
        half = len(call.arguments) // 2
        for arguments in (call.arguments[:half], call.arguments[half:]):
            yield {"index": index, "function": {"arguments": arguments}}


def _usage(cost: Tokens) -> dict[str, Any]:
    return {
        "prompt_tokens": cost.read,
        "prompt_tokens_details": {"cached_tokens": cost.cached},
        "completion_tokens": cost.written,
        "total_tokens": cost.read + cost.written,
    }


@asynccontextmanager
async def serving(answer: Answer | None = None) -> AsyncIterator[FakeOpenai]:
    """A server on a free port of the loopback interface, until the block ends."""
    fake = FakeOpenai("", answer or Answer())
    app = web.Application()
    app.router.add_post("/v1/chat/completions", fake.complete)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        fake.url = f"http://{host}:{port}/v1"
        yield fake
    finally:
        await runner.cleanup()
