"""The routes described for machines."""

from aiohttp import web


def routes() -> list[web.AbstractRouteDef]:
    return []
