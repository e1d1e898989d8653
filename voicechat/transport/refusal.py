"""The one way to say no: `{"error": {"message", "type", "code", "param"}}`."""

import json

from aiohttp import web


def refusal(status: int, code: str, message: str, param: str | None = None) -> web.Response:
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"message": message, "type": kind, "code": code, "param": param}
    return web.Response(status=status, body=json.dumps({"error": error}).encode(), content_type="application/json")
