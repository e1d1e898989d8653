"""Where the server may listen, and what it then needs."""

from itertools import product
from pathlib import Path

import pytest

from voicechat import bind
from voicechat.config import AccessSettings, ServerSettings, Settings
from voicechat.errors import ConfigError
from voicechat.transport import keys
from voicechat.transport.keys import NOBODYS

KEYS = keys.load(None, {keys.VARIABLE: "kitchen talk Vq2nZk8mX1uY7sTe"})
WIDE = ("0.0.0.0", "::", "", "192.168.1.7", "fe80::1", "kiosk.local", "localhost.evil.example", "ip6-localhost")


def settings(host: str, *, tls: bool = False, proxy: bool = False) -> Settings:
    return Settings(
        server=ServerSettings(host=host, tls_cert=Path("server.pem") if tls else None),
        access=AccessSettings(behind_proxy=("10.0.0.5",) if proxy else ()),
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "LOCALHOST"])
def test_on_this_machine_nothing_is_needed(host: str) -> None:
    bind.check(settings(host), NOBODYS)


@pytest.mark.parametrize(("host", "tls", "proxy"), list(product(WIDE, (False, True), (False, True))))
def test_where_others_come_a_key_is_needed_and_tls_or_a_proxy(host: str, tls: bool, proxy: bool) -> None:
    wide = settings(host, tls=tls, proxy=proxy)
    with pytest.raises(ConfigError) as refused:
        bind.check(wide, NOBODYS)
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"server.host: found {host!r}") and "VOICECHAT_KEYS" in line and len(line) <= 200
    if tls or proxy:
        bind.check(wide, KEYS)
        assert "--tls-cert" not in line
    else:
        with pytest.raises(ConfigError, match="--tls-cert and --tls-key"):
            bind.check(wide, KEYS)
