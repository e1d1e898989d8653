"""Where a tool on the network may not be, and its address and key as the operator gave them."""

import asyncio
import errno
import ipaddress
import os
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from voicechat.errors import ConfigError

METADATA: Final = (ipaddress.ip_address("fd00:ec2::254"), ipaddress.ip_address("100.100.100.200"))
"""Where clouds tell a machine its secrets, beside the link-local 169.254.169.254."""

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def is_forbidden(address: str) -> bool:
    """Whether a name may not stand for the address: it is link-local, or a cloud's metadata are there."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return found.is_link_local or found in METADATA


def check(host: str, addresses: Iterable[str]) -> None:
    """Raises OSError where one of a name's addresses is forbidden. Whoever means one writes it as it is."""
    if forbidden := next(filter(is_forbidden, addresses), None):
        raise OSError(errno.EHOSTUNREACH, f"{host} is {forbidden}, which no name may stand for")


async def look_up(url: str) -> None:
    """Raises OSError where the URL's host is unknown, or a name for a forbidden address."""
    host = host_of(url)
    if not is_literal(host):
        found = await asyncio.get_running_loop().getaddrinfo(host, None)
        check(host, (str(entry[4][0]) for entry in found))


def host_of(url: str) -> str:
    return urlsplit(url).hostname or ""


def is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_here(url: str) -> bool:
    """On this machine: no proxy stands before it."""
    return host_of(url) in LOOPBACK


def headers(where: str, token_env: str) -> dict[str, str]:
    """With the token of that variable. Raises ConfigError when it is not set; `where` names the setting."""
    if not token_env:
        return {}
    token = os.environ.get(token_env, "").strip()
    if not token:
        raise ConfigError("bad_config", f"{where}.token_env: the environment has no {token_env}")
    return {"Authorization": f"Bearer {token}"}
