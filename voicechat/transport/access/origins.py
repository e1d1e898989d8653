"""Which names we answer to, and which pages may ask. No I/O.

Against pages of other sites that ask in a visitor's name, and against names that are made to lead to us.
"""

import re
from collections.abc import Sequence
from typing import Final

from multidict import CIMultiDictProxy

from voicechat.errors import NotAllowed
from voicechat.transport.access.proxies import parse, plain

_AUTHORITY: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?")
_ORIGIN: Final = re.compile(r"([a-z][a-z0-9+.-]*)://(.+)")
_PORTS: Final = {"http": "80", "https": "443"}
_HERE: Final = ("localhost", "127.0.0.1", "::1")


class Origins:
    """What the Host and Origin of a request may be.

    `hosts` are names that we answer to beside this machine's own and the address a connection came to; `pages` are the
    origins whose pages may ask, beside our own.
    """

    def __init__(self, hosts: Sequence[str], pages: Sequence[str]) -> None:
        self._hosts = frozenset(_named(host) for host in (*_HERE, *hosts))
        self._pages = frozenset(page.lower() for page in pages)

    def check_host(self, headers: CIMultiDictProxy[str], local: str | None) -> str:
        """Returns the Host; `local` is the address that the connection came to. Raises NotAllowed.

        A page of another site whose name is made to lead here (DNS rebinding) says its own name.
        """
        given = headers.getall("Host", [])
        match = _AUTHORITY.fullmatch(given[0]) if len(given) == 1 else None
        if match is None:
            raise NotAllowed("unknown_host", "The request does not say one Host.")
        name = _named(match[1] or match[2])
        if name not in self._hosts and (parse(name) is None or name != plain(local)):
            raise NotAllowed("unknown_host", f"This server does not answer to {name[:80]!r}; access.hosts may name it.")
        return given[0]

    def check_page(self, headers: CIMultiDictProxy[str], host: str, secure: bool | None) -> str | None:
        """The Origin when it is another that may ask; None for our own page and for what is no page. Raises NotAllowed.

        `secure` says whether the request came over TLS, None when that is not known.
        """
        given = headers.getall("Origin", [])
        if not given:
            if _is_of_a_page(headers):
                raise NotAllowed("foreign_origin", "Pages of other sites may not ask for this.")
            return None
        if len(given) == 1 and given[0].lower() in self._pages:
            return given[0]
        if len(given) == 1 and _is_own(given[0].lower(), host.lower(), secure):
            return None
        raise NotAllowed("foreign_origin", f"Pages of {given[0][:80]!r} may not ask here; access.origins may name it.")


def _is_of_a_page(headers: CIMultiDictProxy[str]) -> bool:
    """Whether a browser asks for a page of another site without saying which: for a picture or a script of it.

    A link to our page is no such thing.
    """
    site = headers.get("Sec-Fetch-Site", "none").lower()
    return site not in ("same-origin", "none") and headers.get("Sec-Fetch-Mode", "").lower() != "navigate"


def _is_own(origin: str, host: str, secure: bool | None) -> bool:
    """Whether the page came from us, by no less safe a way than the request did."""
    match = _ORIGIN.fullmatch(origin)
    if match is None or match[1] not in _PORTS or (secure and match[1] == "http"):
        return False
    page, asked = _AUTHORITY.fullmatch(match[2]), _AUTHORITY.fullmatch(host)
    if page is None or asked is None:
        return False
    usual = _PORTS[match[1]]
    return _named(page[1] or page[2]) == _named(asked[1] or asked[2]) and (page[3] or usual) == (asked[3] or usual)


def _named(host: str) -> str:
    return plain(host.lower().strip("[]"))
