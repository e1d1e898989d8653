"""What a route asks of those who come: every route declares it where it is written."""

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:  # keys are read before aiohttp, which takes half a second, is needed
    from aiohttp import web

Handler = TypeVar("Handler", bound=Callable[..., object])

_MARK: Final = "voicechat_scope"


class Scope(StrEnum):
    """Nothing implies anything else: a key has the scopes that it names."""

    OPEN = "open"
    """Everybody who is let in at all: the page, and whether the server lives."""
    TALK = "talk"
    OPERATE = "operate"
    METRICS = "metrics"


def scope(wanted: Scope) -> Callable[[Handler], Handler]:
    """Declares, above a route's handler, what it asks for."""

    def mark(handler: Handler) -> Handler:
        setattr(handler, _MARK, wanted)
        return handler

    return mark


def declared(handler: object) -> Scope | None:
    """What the handler asks for; None where nothing was declared."""
    found = getattr(handler, _MARK, None)
    return found if isinstance(found, Scope) else None


def undeclared(router: "web.UrlDispatcher") -> list[str]:
    """The routes that do not say what they ask for."""
    return [str(route) for route in router.routes() if declared(route.handler) is None]
