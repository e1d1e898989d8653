"""Hosts and origins, one by one."""

from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from voicechat.errors import NotAllowed
from voicechat.transport.access.origins import Origins

ORIGINS = Origins(["Kiosk.local", "fd00::5"], ["https://app.example.org", "capacitor://localhost"])


def headers(**given: str) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict({name.replace("_", "-"): value for name, value in given.items()}))


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:1", "[::1]:8080", "[0:0:0:0:0:0:0:1]", "kiosk.local:443",
        "[fd00::5]", "192.168.1.7:8080",
    ],
)  # fmt: skip
def test_our_names_and_the_address_that_was_called_are_answered(host: str) -> None:
    assert ORIGINS.check_host(headers(Host=host), "192.168.1.7") == host


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "kiosk.local.", "localhost.", "192.168.1.8",
        "0.0.0.0", "[::]", "[::2]", "::1", "", " ", "localhost:", "localhost:x", "local host", "localhost/",
        "a@localhost", "xn--kisk-8qa.local", "2130706433", "0x7f.1", "127.1",
    ],
)  # fmt: skip
def test_other_names_are_not_answered(host: str) -> None:
    with pytest.raises(NotAllowed) as refused:
        ORIGINS.check_host(headers(Host=host), "192.168.1.7")
    assert refused.value.code == "unknown_host"


def test_one_host_is_said() -> None:
    for said in (CIMultiDict[str](), CIMultiDict([("Host", "localhost"), ("Host", "localhost")])):
        with pytest.raises(NotAllowed):
            ORIGINS.check_host(CIMultiDictProxy(said), None)


@pytest.mark.parametrize(
    ("origin", "host", "secure"),
    [
        ("http://localhost:8080", "localhost:8080", False),
        ("HTTP://LocalHost:8080", "localhost:8080", False),
        ("http://[::1]:8080", "[::1]:8080", False),
        ("https://kiosk.local", "kiosk.local", True),
        ("https://kiosk.local", "kiosk.local:443", True),
        ("https://kiosk.local", "kiosk.local", None),  # a proxy that does not say how it was reached
        ("https://kiosk.local", "kiosk.local", False),
        ("http://kiosk.local", "kiosk.local:80", None),
    ],
)
def test_own_page_may_ask(origin: str, host: str, secure: bool | None) -> None:
    assert ORIGINS.check_page(headers(Origin=origin), host, secure) is None


@pytest.mark.parametrize(
    ("origin", "host", "secure"),
    [
        ("http://evil.example", "localhost:8080", False),
        ("http://localhost:3000", "localhost:8080", False),
        ("http://localhost", "localhost:8080", False),
        ("http://127.0.0.1:8080", "localhost:8080", False),
        ("http://kiosk.local", "kiosk.local", True),  # somebody on the way has put that page there
        ("ftp://localhost:8080", "localhost:8080", False),
        ("http://localhost:8080.evil.example", "localhost:8080", False),
        ("http://localhost:8080@evil.example", "localhost:8080", False),
        ("http://localhost:8080/", "localhost:8080", False),
        ("localhost:8080", "localhost:8080", False),
        ("null", "localhost:8080", False),
        ("", "localhost:8080", False),
        ("https://app.example.org.evil.example", "localhost:8080", False),
        ("http://app.example.org", "localhost:8080", False),
    ],
)
def test_other_pages_may_not(origin: str, host: str, secure: bool | None) -> None:
    with pytest.raises(NotAllowed) as refused:
        ORIGINS.check_page(headers(Origin=origin), host, secure)
    assert refused.value.code == "foreign_origin"


@given(st.text(max_size=60), st.text(max_size=60), st.sampled_from([True, False, None]))
def test_nothing_that_is_said_breaks_the_guard(said: str, host: str, secure: bool | None) -> None:
    """It lets in or refuses; what it lets in names one of ours."""
    with suppress(NotAllowed):
        ORIGINS.check_host(headers(Host=said), "192.168.1.7")
        assert any(name in said.lower() for name in ("localhost", "127.0.0.1", "kiosk.local", "192.168.1.7", ":"))
    for origin in (said, f"http://{said}", f"https://{host}"):
        with suppress(NotAllowed):
            assert ORIGINS.check_page(headers(Origin=origin), host, secure) is None
            assert urlsplit(origin).hostname == urlsplit(f"//{host}").hostname


@pytest.mark.parametrize("origin", ["https://app.example.org", "https://APP.example.org", "capacitor://localhost"])
def test_listed_page_may_ask_and_is_told_so(origin: str) -> None:
    assert ORIGINS.check_page(headers(Origin=origin), "localhost:8080", False) == origin


@pytest.mark.parametrize(
    ("site", "mode", "allowed"),
    [
        ("none", "navigate", True),
        ("same-origin", "cors", True),
        ("cross-site", "navigate", True),
        ("cross-site", "no-cors", False),
        ("same-site", "no-cors", False),
        ("cross-site", "websocket", False),
        ("anything", "", False),
    ],
)
def test_browser_that_hides_the_page_is_judged_by_its_site(site: str, mode: str, allowed: bool) -> None:
    told = headers(Sec_Fetch_Site=site, Sec_Fetch_Mode=mode)
    if allowed:
        assert ORIGINS.check_page(told, "localhost:8080", False) is None
    else:
        with pytest.raises(NotAllowed):
            ORIGINS.check_page(told, "localhost:8080", False)
