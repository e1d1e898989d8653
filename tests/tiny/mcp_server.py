"""A real server of tools, by the mcp package: `mcp_server.py DIARY` speaks over its pipes, with a PORT over HTTP.

What its tools are asked and how they end, it writes into the file DIARY, and there what HTTP callers show as a key.
"""

import asyncio
import os
import sys
from pathlib import Path

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError


def build(diary: Path) -> MCPServer:
    server = MCPServer("tiny")

    def note(line: str) -> None:
        with diary.open("a") as file:
            file.write(f"{line}\n")

    @server.tool()
    def add(left: int, right: int) -> str:
        """Adds two numbers."""
        return str(left + right)

    @server.tool(name="geo.find")
    def find(place: str) -> dict[str, str]:
        """Finds a place."""
        return {"place": place}

    @server.tool()
    async def wait(seconds: float) -> str:
        """Takes its time."""
        note("waiting")
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            note("cancelled")
            raise
        note("waited")
        return "done"

    @server.tool()
    def fail() -> str:
        """Never works."""
        raise ToolError("no such city")

    @server.tool()
    def long() -> str:
        """Says too much."""
        return "x" * 100_000

    @server.tool()
    def secrets() -> str:
        """What it sees of the environment."""
        return " ".join(f"{name}={os.environ.get(name, '')}" for name in ("CANARY", "GIVEN"))

    @server.tool()
    def die() -> str:
        """Ends the server."""
        os._exit(1)

    return server


def _serve(diary: Path, port: int) -> None:
    import uvicorn
    from starlette.types import ASGIApp, Receive, Scope, Send

    app: ASGIApp = build(diary).streamable_http_app(host="127.0.0.1")

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        for name, value in scope.get("headers", ()):
            if name == b"authorization":
                with diary.open("a") as file:
                    file.write(f"{value.decode()}\n")
        await app(scope, receive, send)

    uvicorn.run(watched, host="127.0.0.1", port=port, log_level="error", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        _serve(Path(sys.argv[1]), int(sys.argv[2]))
    else:
        build(Path(sys.argv[1])).run("stdio")
