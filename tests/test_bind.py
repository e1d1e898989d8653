"""Where the server may listen, and what it then needs."""

from itertools import product
from pathlib import Path

import pytest

from voicechat import bind
from voicechat.config import AccessSettings, ServerSettings, Settings, WyomingSettings
from voicechat.errors import ConfigError
from voicechat.transport.access import keys
from voicechat.transport.access.keys import NOBODYS

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


@pytest.mark.parametrize("host", WIDE)
def test_wyoming_has_to_be_opened_where_others_come(host: str) -> None:
    def opened(open: bool) -> Settings:
        return Settings(wyoming=WyomingSettings(port=10300, host=host, open=open))

    with pytest.raises(ConfigError, match=r"^wyoming\.host: found .* needed: wyoming\.open: true$"):
        bind.check(opened(False), KEYS)
    bind.check(opened(True), NOBODYS)


def test_wyoming_on_this_machine_or_closed_needs_nothing() -> None:
    bind.check(Settings(wyoming=WyomingSettings(port=0)), NOBODYS)
    bind.check(Settings(wyoming=WyomingSettings(host="0.0.0.0")), NOBODYS)
