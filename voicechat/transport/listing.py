"""Which models and voices there are."""

from aiohttp import web

from voicechat.config import Settings
from voicechat.protocols import Studio


def routes(settings: Settings, studio: Studio) -> list[web.AbstractRouteDef]:
    return []
