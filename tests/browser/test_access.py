"""Who has a key, and a phone on the network: what the page asks for, and what it keeps."""

import base64
import hashlib
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from voicechat.terminal import certificate

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.browser

SECRET = "key-of-one-who-talks"
PHONE = "voicechat.test"
SCREENS = [(360, 640), (390, 844), (844, 390), (1280, 800)]

Serve = Callable[..., AbstractContextManager[tuple[str, "subprocess.Popen[str]"]]]
Browse = Callable[..., "BrowserContext"]


@pytest.fixture(scope="module")
def locked(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that wants a key."""
    path = tmp_path_factory.mktemp("keys") / "keys.txt"
    path.write_text(f"kitchen talk {SECRET}\nmonitor metrics key-of-one-who-counts\n")
    path.chmod(0o600)
    with serve(ACCESS__KEYS=str(path)) as (url, _):
        yield url


def enter(page: "Page", key: str) -> None:
    page.fill("#key", key)
    page.press("#key", "Enter")


def test_key_is_asked_for_once_and_kept_while_the_tab_is_open(browse: Browse, locked: str) -> None:
    from playwright.sync_api import expect

    context = browse()
    page = context.new_page()
    page.goto(locked)
    expect(page.locator("#unlock")).to_be_hidden()
    page.click("text=Start talking")
    expect(page.get_by_role("alert")).to_have_text("This server lets in who has a key.")
    expect(page.locator("#key")).to_be_focused()
    enter(page, "key-of-nobody-at-all")
    expect(page.get_by_role("alert")).to_contain_text("does not know that key")
    page.fill("#key", "key-of-one-who-counts")
    page.click("text=Try again")  # is as good as the form's own button
    expect(page.get_by_role("alert")).to_contain_text("needs a key with the scope talk")
    enter(page, SECRET)
    expect(page.locator("body[data-call=live]")).to_be_visible()
    expect(page.locator("#unlock")).to_be_hidden()
    with page.expect_response(lambda response: response.request.method == "DELETE") as hung_up:
        page.click("text=Hang up")
    assert hung_up.value.status == 204
    page.reload()
    page.click("text=Start talking")
    expect(page.locator("body[data-call=live]")).to_be_visible()
    assert SECRET not in page.url and page.evaluate("localStorage.length + document.cookie.length") == 0
    page.click("text=Hang up")
    other = context.new_page()
    other.goto(locked)
    other.click("text=Start talking")
    expect(other.locator("#key")).to_be_visible()


def test_typed_message_waits_for_the_key_and_is_then_sent(browse: Browse, locked: str) -> None:
    from playwright.sync_api import expect

    page = browse(allowed=False).new_page()
    page.goto(locked)
    page.fill("#text", "What is your name?")
    page.press("#text", "Enter")
    expect(page.locator("#key")).to_be_focused()
    enter(page, SECRET)
    expect(page.locator("#transcript .user")).to_have_text("YouWhat is your name?")
    expect(page.locator("#transcript .assistant[data-stage=final]")).to_contain_text(re.compile(r"\w+ \w+"))
    page.click("text=Hang up")


def test_form_for_the_key_fits_on_every_screen(browse: Browse, locked: str) -> None:
    from playwright.sync_api import expect

    page = browse().new_page()
    for width, height in SCREENS:
        page.set_viewport_size({"width": width, "height": height})
        page.goto(locked)
        page.click("text=Start talking")
        expect(page.locator("#key")).to_be_in_viewport(ratio=1)
        expect(page.get_by_role("button", name="Use it")).to_be_in_viewport(ratio=1)
        expect(page.locator("#talk")).to_be_in_viewport(ratio=1)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_phone_on_the_network_may_use_its_microphone(browse: Browse, serve: Serve, tmp_path: Path) -> None:
    """Over TLS by the name in the certificate, which the phone trusts through its authority."""
    from playwright.sync_api import expect

    made = certificate.make(tmp_path, [PHONE])
    tls = {"SERVER__TLS_CERT": str(made.certificate), "SERVER__TLS_KEY": str(made.key), "ACCESS__HOSTS": PHONE}
    with serve(**tls) as (url, _):
        assert url.startswith("https://127.0.0.1:")
        page = browse(trusts=digest_of_key(made.authority)).new_page()
        page.goto(url.replace("127.0.0.1", PHONE))
        assert page.evaluate("isSecureContext")
        page.click("text=Start talking")
        expect(page.locator("body[data-call=live]")).to_be_visible()
        assert page.get_attribute("#mute", "aria-pressed") == "false"
        page.click("text=Hang up")


def digest_of_key(path: Path) -> str:
    """As Chromium wants it of a certificate that it shall trust."""
    public = x509.load_pem_x509_certificate(path.read_bytes()).public_key()
    info = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(info).digest()).decode()
