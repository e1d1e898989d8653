"""Keys for a short time, for programs that cannot keep a secret."""

from aiohttp import web

from voicechat.config import Settings


def routes(settings: Settings) -> list[web.AbstractRouteDef]:
    return []
