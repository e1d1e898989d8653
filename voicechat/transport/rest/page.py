"""The web page: its files, and the headers that keep it to itself."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from aiohttp import web

from voicechat.transport.access.scopes import Scope, scope

STATIC: Final = Path(__file__).parent / "static"

_TYPES: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".wav": "audio/wav",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""What is served; the types of the machine's own tables differ from one to the next."""

_BINARY: Final = (".ico", ".png", ".wav", ".woff2")

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; media-src 'self' blob:; worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def routes(folder: Path = STATIC) -> list[web.AbstractRouteDef]:
    """`/` and `/static/…`: one route for each file that is there now, so that no path leads elsewhere."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix in _TYPES]
    named = [web.get(f"/static/{path.relative_to(folder).as_posix()}", _give(path)) for path in files]
    return [web.get("/", _give(folder / "index.html")), *named]


def _give(path: Path) -> Callable[[web.Request], Awaitable[web.FileResponse]]:
    kind = _TYPES[path.suffix]
    content_type = kind if path.suffix in _BINARY else f"{kind}; charset=utf-8"

    @scope(Scope.OPEN)
    async def give(request: web.Request) -> web.FileResponse:
        return web.FileResponse(path, headers={**HEADERS, "Content-Type": content_type})

    return give
