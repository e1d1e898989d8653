"""The body of a request, read within limits: the server below has no deadline for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from voicechat.errors import BadOffer

SECONDS: Final = 5.0
"""For an offer to come in."""


@asynccontextmanager
async def patience() -> AsyncIterator[None]:
    """Raises BadOffer when what is done within takes too long."""
    try:
        async with asyncio.timeout(SECONDS):
            yield
    except TimeoutError:
        raise BadOffer("offer_too_slow", f"the offer did not come within {SECONDS} s") from None


async def read(request: web.Request, most: int) -> bytes:
    """All of it, at most `most` bytes. Raises BadOffer."""
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > most:
            raise BadOffer("offer_too_large", f"the offer is larger than {most} bytes")
    return bytes(body)
