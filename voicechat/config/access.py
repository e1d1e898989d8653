"""Settings of who may come in: `access`."""

import ipaddress
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from voicechat.config.section import Count, List, Section

_HOST: Final = r"^([A-Za-z0-9._-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$"
_ORIGIN: Final = r"^[a-z][a-z0-9+.-]*://[^/\s*]+$"


def _network(given: str) -> str:
    return str(ipaddress.ip_network(given, strict=False))


class AccessSettings(Section):
    """Whoever has no key comes in nowhere, once there is one; without any, everybody on this machine."""

    keys: Path | None = None
    """A file with a line for each key: its name, its scopes and itself; only its owner may be able to read it."""
    hosts: Annotated[tuple[Annotated[str, Field(pattern=_HOST)], ...], List] = ()
    """Names that we answer to, beside localhost, server.host and the address a connection came to."""
    origins: Annotated[tuple[Annotated[str, Field(pattern=_ORIGIN)], ...], List] = ()
    """Other origins whose pages may ask."""
    behind_proxy: Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], List] = ()
    """Addresses or networks of proxies, whose word on where a request comes from counts."""
    ticket_seconds: Annotated[int, Field(ge=10, le=7200)] = 600
    """How long a key that was made for a browser is good, unless it is asked for otherwise."""
    attempts: Count = 20
    """Wrong keys in a minute from which on an address has to wait."""
