"""Tools of servers that speak the Model Context Protocol, by its own package: programs that we start, or addresses."""

import asyncio
import importlib.util
import json
import re
import shutil
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import structlog

from voicechat.adapters.toolbox import addresses
from voicechat.adapters.toolbox.exchange import arguments, reason, result
from voicechat.config import McpSettings, Settings
from voicechat.conversation import Tool, ToolCall
from voicechat.errors import AdapterUnavailable, ToolFailed
from voicechat.protocols import Lane, Toolbox

if TYPE_CHECKING:
    from mcp import Client
    from mcp.types import CallToolResult

Connect = Callable[[AsyncExitStack], Awaitable[Any]]
"""What a client is made of: a transport, or a server in this process. The stack outlives the client."""

START_SECONDS: Final = 10.0
"""How long the house waits for a server before it opens without it."""

CONNECT_SECONDS: Final = 30.0
"""A program may have to fetch parts of itself first."""

CLOSE_SECONDS: Final = 4.0
"""The package gives a program two to end by itself, and one more to be made to."""

REFRESH_SECONDS: Final = 30.0
"""The tools are listed anew so often; by that a server that has gone is noticed, too."""

PAUSES: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between attempts to reach a server; the last again and again."""

MOST_TOOLS: Final = 128
"""Of a server; chat servers take no more."""

MOST_PAGES: Final = 16

CONNECTION_CLOSED: Final = -32000


async def load(settings: Settings, lanes: Callable[[str, float], Lane]) -> list[Toolbox]:
    """A box for each server. Waits a while for them; one that is not there is tried again and again.

    Raises AdapterUnavailable when the package or a program is not installed, ConfigError for a token that is not there.
    """
    servers = settings.agent.tools.mcp
    if not servers:
        return []
    if importlib.util.find_spec("mcp") is None:
        raise AdapterUnavailable("library_missing", "agent.tools.mcp: the package mcp is not installed")
    boxes = [
        McpTools(label, connecting(label, server), server.only, settings.agent.tools.deadline)
        for label, server in servers.items()
    ]
    async with AsyncExitStack() as opened:
        for box in boxes:
            opened.push_async_callback(box.close)
        async with asyncio.TaskGroup() as group:
            for box in boxes:
                group.create_task(box.open())
        opened.pop_all()
    return list(boxes)


def connecting(label: str, settings: McpSettings) -> Connect:
    """How the server is reached. Raises AdapterUnavailable or ConfigError."""
    where = f"agent.tools.mcp.{label}"
    if settings.command and shutil.which(settings.command[0]) is None:
        raise AdapterUnavailable("no_tool", f"{where}.command: {settings.command[0]} is not installed")
    headers = addresses.headers(where, settings.token_env)

    async def start(_: AsyncExitStack) -> Any:
        from mcp import StdioServerParameters, stdio_client

        program, *rest = settings.command
        return stdio_client(StdioServerParameters(command=program, args=rest, env=dict(settings.env)), sys.stderr)

    async def call_up(stack: AsyncExitStack) -> Any:
        import httpx2
        from mcp.client.streamable_http import streamable_http_client

        await addresses.look_up(settings.url)
        timeout = httpx2.Timeout(CONNECT_SECONDS, read=10 * REFRESH_SECONDS)  # a server may keep a stream open
        client = httpx2.AsyncClient(headers=headers, timeout=timeout, trust_env=not addresses.is_here(settings.url))
        return streamable_http_client(settings.url, http_client=await stack.enter_async_context(client))

    return start if settings.command else call_up


class McpTools:
    """The tools of one server, those in `only` if it names any; none while it cannot be reached. `open` it first.

    A cancelled call is cancelled at the server.
    """

    def __init__(self, label: str, connect: Connect, only: Sequence[str] = (), deadline: float = 10.0) -> None:
        self.label = label
        self._connect, self._only, self._deadline = connect, frozenset(only), deadline
        self._client: Client | None = None
        self._tools: dict[str, tuple[Tool, str]] = {}  # and its name at the server, by the name that we tell
        self._tried, self._woken, self._closing = asyncio.Event(), asyncio.Event(), False
        self._keeper: asyncio.Task[None] | None = None
        self._log = structlog.get_logger().bind(server=label)

    @property
    def tools(self) -> Sequence[Tool]:
        return tuple(tool for tool, _ in self._tools.values())

    async def open(self) -> None:
        """Waits until the server was reached or could not be at the first attempt, and not for ever."""
        self._keeper = asyncio.create_task(self._keep(), name=f"mcp-{self.label}")
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._tried.wait()
        except TimeoutError:
            self._log.warning("tools_slow", seconds=START_SECONDS)

    async def call(self, call: ToolCall) -> str:
        """See `protocols.Toolbox.call`."""
        from mcp import MCPError

        client, (_, name) = self._client, self._tools.get(call.name, (None, ""))
        if client is None or not name:
            raise ToolFailed("tool_unreachable", "it cannot be reached now")
        try:
            answer = await client.call_tool(name, arguments(call), read_timeout_seconds=self._deadline)
        except MCPError as error:
            if error.code == CONNECTION_CLOSED:
                self._woken.set()
            raise ToolFailed("tool_failed", reason(error.message)) from error
        except (RuntimeError, ValueError, OSError) as error:  # the package's ways to say that an answer is no good
            raise ToolFailed("tool_failed", reason(error)) from error
        text = _text(answer)
        if answer.is_error:
            raise ToolFailed("tool_failed", reason(text))
        return result(text)

    async def close(self) -> None:
        """Leaves the server; a program that we started is ended."""
        self._closing = True
        self._woken.set()
        if self._keeper is None:
            return
        if self._client is not None:
            await asyncio.wait({self._keeper}, timeout=CLOSE_SECONDS)
        self._keeper.cancel()
        await asyncio.wait({self._keeper}, timeout=CLOSE_SECONDS)

    async def _keep(self) -> None:
        """Stays connected. The client lives in this one task: it has to be left where it was entered."""
        failures = 0
        while not self._closing:
            try:
                async with self._connected() as client:
                    failures = 0
                    await self._stay(client)
            except Exception as error:  # whatever the package or the server came upon: told, and tried again
                self._log.warning("tools_lost", error=_first(error))
            self._tried.set()
            if not self._closing:
                await self._wait(PAUSES[min(failures, len(PAUSES) - 1)])
                failures += 1

    @asynccontextmanager
    async def _connected(self) -> "AsyncGenerator[Client]":
        from mcp import Client

        async with AsyncExitStack() as stack:
            async with asyncio.timeout(CONNECT_SECONDS):
                client = await stack.enter_async_context(Client(await self._connect(stack)))
                await self._list(client)
            self._client = client
            self._log.info("tools_found", tools=len(self._tools))
            self._tried.set()
            try:
                yield client
            finally:
                self._client, self._tools = None, {}

    async def _stay(self, client: "Client") -> None:
        """Until it is closed. Raises when the server does not answer."""
        while True:
            await self._wait(REFRESH_SECONDS)
            if self._closing:
                return
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._list(client)

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        self._woken.clear()

    async def _list(self, client: "Client") -> None:
        found: dict[str, tuple[Tool, str]] = {}
        cursor = None
        for _ in range(MOST_PAGES):
            page = await client.list_tools(cursor=cursor, cache_mode="bypass")
            for tool in page.tools:
                if (not self._only or tool.name in self._only) and len(found) < MOST_TOOLS:
                    name = told(tool.name)
                    offered = Tool(name, tool.description or "", json.dumps(tool.input_schema))
                    found.setdefault(name, (offered, tool.name))
            if (cursor := page.next_cursor) is None:
                break
        self._tools = found


def told(name: str) -> str:
    """A tool's name as chat servers take it."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64]


def _text(answer: "CallToolResult") -> str:
    """What a language model can read of a result."""
    parts = [getattr(part, "text", None) or f"[{part.type}]" for part in answer.content]
    if not parts and answer.structured_content is not None:
        return result(answer.structured_content)
    return "\n".join(parts)


def _first(error: Exception) -> str:
    """Of a group of errors, the first: the others followed from it."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return reason(f"{type(error).__name__}: {error}")
