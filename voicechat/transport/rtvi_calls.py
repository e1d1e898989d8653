"""WebRTC calls by programs that speak RTVI."""

from aiohttp import web

from voicechat.config import Settings
from voicechat.protocols import Reception
from voicechat.transport.calls import Calls


def routes(settings: Settings, reception: Reception, calls: Calls) -> list[web.AbstractRouteDef]:
    return []
