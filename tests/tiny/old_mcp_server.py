"""A server of tools as most are in 2025: it knows `initialize` and nothing newer. Written without the mcp package.

`old_mcp_server.py DIARY`: it writes there what it is told of calls that nobody waits for any more.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

TOOL: Final = {"name": "echo", "description": "Says it again.", "inputSchema": {"type": "object"}}


def _answer(message: dict[str, Any]) -> dict[str, Any] | None:
    """The result of a request; None: it is never answered."""
    match message["method"], message.get("params") or {}:
        case "initialize", parameters:
            version = parameters["protocolVersion"]
            server = {"name": "old", "version": "1"}
            return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": server}
        case "tools/list", {"cursor": "second"}:
            return {"tools": [{"name": "wait", "inputSchema": {"type": "object"}}]}
        case "tools/list", _:
            return {"tools": [TOOL], "nextCursor": "second"}
        case "tools/call", {"name": "wait"}:
            return None
        case "tools/call", {"arguments": arguments}:
            picture = {"type": "image", "data": "AAAA", "mimeType": "image/png"}
            return {"content": [{"type": "text", "text": json.dumps(arguments)}, picture]}
    raise KeyError(message["method"])


def _serve(diary: Path) -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            with diary.open("a") as file:
                file.write(f"{message['method']}\n")
            continue
        answer: dict[str, Any]
        try:
            answer = {"result": _answer(message)}
        except KeyError:
            answer = {"error": {"code": -32601, "message": "Method not found"}}
        if answer.get("result", answer) is not None:
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
