"""Whom a request really comes from, where a proxy that we were told of stands between. No I/O."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from multidict import CIMultiDictProxy

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_SECURE: Final = {"https": True, "wss": True, "http": False, "ws": False}

_CHAIN: Final = 16
"""The most proxies in a row that are believed."""


@dataclass(frozen=True, slots=True)
class Whence:
    """Where a request comes from: the address, whether it came through a proxy of ours, and whether over TLS.

    `secure` is None where a proxy does not say.
    """

    address: str
    proxied: bool
    secure: bool | None


class Proxies:
    """The proxies whose word on others counts; `networks` are addresses, or networks as 10.0.0.0/8."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ipaddress.ip_network(each, strict=False) for each in networks]

    def whence(self, remote: str | None, secure: bool, headers: CIMultiDictProxy[str]) -> Whence:
        """Of a connection from `remote`; X-Forwarded-For counts from its end to the first that is no proxy of ours."""
        if not self._trusts(remote):
            return Whence(plain(remote), False, secure)
        given = ",".join(headers.getall("X-Forwarded-For", [])).split(",")
        chain = [each.strip() for each in given if each.strip()][-_CHAIN:]
        address = plain(remote)
        for each in reversed(chain):
            if parse(each) is None:
                break  # what is left of it says somebody else
            address = plain(each)
            if not self._trusts(each):
                break
        protocol = headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip().lower()
        return Whence(address, True, _SECURE.get(protocol, secure or None))

    def _trusts(self, address: str | None) -> bool:
        found = parse(address)
        return found is not None and any(found in network for network in self._networks)


def parse(text: str | None) -> Address | None:
    """An address; one of IPv4 in IPv6's clothes as what it is."""
    try:
        found = ipaddress.ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    return (found.version == 6 and found.ipv4_mapped) or found


def plain(text: str | None) -> str:
    """The address as it is usually written; what is no address stays as it is."""
    found = parse(text)
    return text or "" if found is None else str(found)


def is_loopback(text: str | None) -> bool:
    found = parse(text)
    return found is not None and found.is_loopback
