"""Those who try keys: how many wrong ones came from an address. No I/O, no clock."""

import ipaddress
from typing import Final

SECONDS: Final = 60.0
"""Wrong keys are counted over so long, and an address that gave too many waits so long."""

_ADDRESSES: Final = 4096
"""The most that are remembered; of more, the oldest is forgotten."""


class Attempts:
    """Counts for each address, an IPv6 one with its whole network: a /64 is one customer. Times are in seconds."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: dict[str, tuple[float, int]] = {}

    def too_many(self, address: str, now: float) -> bool:
        since, count = self._counts.get(_network(address), (now, 0))
        return count >= self._most and now - since < SECONDS

    def failed(self, address: str, now: float) -> None:
        """A wrong key came from there."""
        network = _network(address)
        since, count = self._counts.pop(network, (now, 0))
        if now - since >= SECONDS:
            since, count = now, 0
        if count + 1 >= self._most:
            since = now  # the whole wait begins with the last one
        self._counts[network] = (since, count + 1)
        if len(self._counts) > _ADDRESSES:
            del self._counts[next(iter(self._counts))]


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False))
