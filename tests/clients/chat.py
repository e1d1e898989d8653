"""A chat server with OpenAI's API whose answers follow from what it is asked, so that each client's tests know them.

As a program it listens on a free port of the loopback interface, prints its base URL and runs until it is stopped.
"""

import asyncio
import json
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from aiohttp import web

GREETING: Final = "Welcome to the museum."
"""The answer to whatever is not about dinosaurs."""

BRIEF: Final = "The dinosaurs are on the second floor."
"""The answer, unless the instructions ask for one at length."""

LONG: Final = " ".join(
    f"Room {number} on the second floor shows the bones of another kind of dinosaur, and how it lived."
    for number in ("one", "two", "three", "four", "five", "six", "seven", "eight")
)
"""The answer where the instructions have the words "at length"; more than half a minute of speech."""

TOOL: Final = "opening_hours"
ARGUMENTS: Final = {"hall": "dinosaurs"}
"""What is called for a client that offers any tool; the result is then read out."""


HOW_OFTEN: Final = "How often have I asked?"
"""Its answer is known to who has the whole conversation only."""


def counted(times: int) -> str:
    """The answer to HOW_OFTEN."""
    return f"You have asked {times} times."


def read_out(result: str) -> str:
    """The answer once a tool has said `result`."""
    return f"The guide says: {result}"


def deltas(request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What is answered, in the pieces that a stream brings."""
    messages: Sequence[Mapping[str, Any]] = request["messages"]
    last = messages[-1]
    if last["role"] == "tool":
        yield from _spoken(read_out(str(last["content"])))
    elif HOW_OFTEN in str(last["content"]):
        yield from _spoken(counted(sum(message["role"] == "user" for message in messages)))
    elif "dinosaurs" not in str(last["content"]):
        yield from _spoken(GREETING)
    elif request.get("tools"):
        yield from _called()
    else:
        at_length = any("at length" in str(message["content"]) for message in messages if message["role"] == "system")
        yield from _spoken(LONG if at_length else BRIEF)


def _spoken(text: str) -> Iterator[dict[str, Any]]:
    for word in text.split(" "):
        yield {"content": f"{word} "}


def _called() -> Iterator[dict[str, Any]]:
    begun = {"index": 0, "id": f"call_{uuid.uuid4().hex[:12]}", "type": "function"}
    yield {"tool_calls": [{**begun, "function": {"name": TOOL, "arguments": ""}}]}
    arguments = json.dumps(ARGUMENTS)
    for piece in (arguments[:9], arguments[9:]):
        yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}


async def complete(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    finish = "stop"
    for delta in deltas(body):
        finish = "tool_calls" if "tool_calls" in delta else "stop"
        await response.write(_event([{"index": 0, "delta": delta, "finish_reason": None}]))
    await response.write(_event([{"index": 0, "delta": {}, "finish_reason": finish}]))
    if (body.get("stream_options") or {}).get("include_usage"):
        await response.write(_event([], {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}))
    await response.write(b"data: [DONE]\n\n")
    return response


def _event(choices: Sequence[Mapping[str, Any]], usage: Mapping[str, int] | None = None) -> bytes:
    body = {"id": "c1", "object": "chat.completion.chunk", "created": 0, "model": "fake", "choices": choices}
    return b"data: " + json.dumps({**body, "usage": usage}).encode() + b"\n\n"


async def main() -> None:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stdout.write(f"http://127.0.0.1:{runner.addresses[0][1]}/v1\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
