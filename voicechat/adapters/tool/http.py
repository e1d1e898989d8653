"""Tools behind addresses that the operator gave: a call is posted, the body that comes back is its result."""

import socket
from collections.abc import Callable, Sequence
from typing import Final

import aiohttp
import structlog
from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver

from voicechat.adapters.toolbox import addresses
from voicechat.adapters.toolbox.exchange import MOST_BYTES, arguments, reason, too_long
from voicechat.config import FunctionSettings, Settings
from voicechat.conversation import Tool, ToolCall
from voicechat.errors import ToolFailed
from voicechat.protocols import Lane, Toolbox

MOST_CONNECTIONS: Final = 32


async def load(settings: Settings, lanes: Callable[[str, float], Lane]) -> list[Toolbox]:
    """All that have an address, in one box. Asks nobody yet. Raises ConfigError for a token that is not there."""
    functions = [function for function in settings.agent.tools.functions if function.url]
    return [HttpTools(functions, settings.agent.tools.deadline)] if functions else []


class HttpTools:
    """Sends `{"name": ..., "arguments": {...}}`, follows no redirect, and takes 64 KiB of text.

    A name may not stand for a link-local address or for a cloud's metadata; whoever means one writes it as it is.
    """

    label = "http"

    def __init__(self, functions: Sequence[FunctionSettings], deadline: float) -> None:
        """Raises ConfigError."""
        self.tools: Sequence[Tool] = tuple(function.tool for function in functions)
        self._urls = {function.name: function.url for function in functions}
        self._headers = {
            function.name: addresses.headers(f"agent.tools.functions: {function.name}", function.token_env)
            for function in functions
        }
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MOST_CONNECTIONS, resolver=_Resolver()),
            timeout=aiohttp.ClientTimeout(total=deadline),
            headers={"Accept-Encoding": "identity"},  # no small answer that unpacks to a large one
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._log = structlog.get_logger()

    async def call(self, call: ToolCall) -> str:
        """See `protocols.Toolbox.call`. Cancelled, it closes the connection."""
        body = {"name": call.name, "arguments": arguments(call)}
        try:
            async with self._client.post(
                self._urls[call.name], json=body, headers=self._headers[call.name], allow_redirects=False
            ) as response:
                if not 200 <= response.status < 300:
                    raise ToolFailed("tool_refused", f"it answered {response.status}")
                return await _text(response.content)
        except TimeoutError:
            raise ToolFailed("tool_timeout", "it did not answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            self._log.warning("tool_unreachable", tool=call.name, error=reason(error))
            raise ToolFailed("tool_unreachable", "it cannot be reached") from error

    async def close(self) -> None:
        await self._client.close()


async def _text(body: aiohttp.StreamReader) -> str:
    """Raises ToolFailed for more than a result may be."""
    read = bytearray()
    async for piece in body.iter_any():
        read += piece
        if len(read) > MOST_BYTES:
            raise too_long()
    return read.decode("utf-8", "replace")


class _Resolver(ThreadedResolver):
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await super().resolve(host, port, family)
        addresses.check(host, (entry["host"] for entry in found))
        return found
