"""The Wyoming protocol, on a port of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from voicechat.config import Settings
from voicechat.protocols import Reception, Studio


@asynccontextmanager
async def serving(settings: Settings, reception: Reception, studio: Studio | None) -> AsyncIterator[None]:
    """The port is open until this is left. Raises VoicechatError when it cannot be had."""
    yield
