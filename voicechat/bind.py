"""Whether the server may listen where it is told to: where others reach it, not without a key, nor in the clear."""

import ipaddress

from voicechat.config import Settings, WyomingSettings
from voicechat.errors import ConfigError
from voicechat.transport.access.keys import VARIABLE, Keys


def check(settings: Settings, keys: Keys) -> None:
    """Raises ConfigError, in one line, when it may not."""
    _check_wyoming(settings.wyoming)
    if _is_here(settings.server.host):
        return
    missing = []
    if not keys:
        missing.append(f"a key (access.keys, or {VARIABLE})")
    if settings.server.tls_cert is None and not settings.access.behind_proxy:
        missing.append("TLS (--tls-cert and --tls-key) or a proxy with it (--behind-proxy ADDRESS)")
    if missing:
        found = f"server.host: found {settings.server.host!r}, where others reach it"
        raise ConfigError("bad_config", f"{found}; needed: {', and '.join(missing)}")


def _check_wyoming(wyoming: WyomingSettings) -> None:
    """Its programs can neither show a key nor speak TLS."""
    if wyoming.port is None or wyoming.open or _is_here(wyoming.host):
        return
    found = f"wyoming.host: found {wyoming.host!r}, where others reach it"
    raise ConfigError("bad_config", f"{found}, and none of them needs a key; needed: wyoming.open: true")


def _is_here(host: str) -> bool:
    """Whether only this machine reaches it. A name might lead anywhere, but for the one that may not."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
