"""Who is believed to say where a request comes from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from voicechat.transport.access.proxies import Proxies, Whence, is_loopback, parse, plain

PROXIES = Proxies(["10.0.0.5", "172.16.0.0/12", "fd00::/8"])


def headers(**given: str) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict({name.replace("_", "-"): value for name, value in given.items()}))


def test_strangers_are_not_believed() -> None:
    told = headers(X_Forwarded_For="1.2.3.4", X_Forwarded_Proto="https")
    assert PROXIES.whence("192.0.2.1", False, told) == Whence("192.0.2.1", False, False)
    assert PROXIES.whence("192.0.2.1", True, told) == Whence("192.0.2.1", False, True)
    assert Proxies([]).whence("127.0.0.1", False, told).address == "127.0.0.1"


@pytest.mark.parametrize(
    ("chain", "address"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("6.6.6.6, 198.51.100.7", "198.51.100.7"),
        ("198.51.100.7, 172.16.3.4", "198.51.100.7"),
        ("6.6.6.6,198.51.100.7 , 172.16.3.4,10.0.0.5", "198.51.100.7"),
        ("172.16.3.4", "172.16.3.4"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:DB8::0:1", "2001:db8::1"),
        ("6.6.6.6, unknown", "10.0.0.5"),
        ("6.6.6.6, 198.51.100.7:443", "10.0.0.5"),
        ("", "10.0.0.5"),
        (", ,", "10.0.0.5"),
        ("1.1.1.1, " * 1000 + "172.16.0.1, " * 40, "172.16.0.1"),
    ],
)
def test_address_is_the_last_that_no_proxy_of_ours_has(chain: str, address: str) -> None:
    assert PROXIES.whence("10.0.0.5", False, headers(X_Forwarded_For=chain)) == Whence(address, True, None)


def test_without_the_header_it_is_the_proxy() -> None:
    assert PROXIES.whence("::ffff:10.0.0.5", False, headers()) == Whence("10.0.0.5", True, None)
    assert PROXIES.whence("fd12::1%eth0", False, headers()).proxied


@pytest.mark.parametrize(
    ("protocol", "secure"),
    [("https", True), ("HTTPS", True), ("http, https", True), ("wss", True), ("http", False), ("gopher", None)],
)
def test_proxy_says_whether_it_was_safe(protocol: str, secure: bool | None) -> None:
    assert PROXIES.whence("10.0.0.5", False, headers(X_Forwarded_Proto=protocol)).secure is secure


@given(st.text(max_size=200), st.text(max_size=20))
def test_nothing_that_a_proxy_says_breaks_the_guard(chain: str, protocol: str) -> None:
    whence = PROXIES.whence("10.0.0.5", False, headers(X_Forwarded_For=chain, X_Forwarded_Proto=protocol))
    assert whence.proxied and parse(whence.address) is not None


def test_addresses_are_told_in_one_way() -> None:
    assert plain("0:0:0:0:0:0:0:1") == "::1"
    assert (plain("kiosk.local"), plain(None)) == ("kiosk.local", "")
    assert is_loopback("127.9.9.9") and is_loopback("::ffff:127.0.0.1")
    assert not is_loopback("192.0.2.1") and not is_loopback("localhost") and not is_loopback(None)
