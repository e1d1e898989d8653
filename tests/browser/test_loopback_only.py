"""A kiosk without any network: nothing but the loopback interface is up, for the server and for the browser."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

pytestmark = pytest.mark.browser

LIVE = """
import fcntl, socket, struct, sys
with socket.socket() as probe:
    fcntl.ioctl(probe, 0x8914, struct.pack("16sh", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
print("up", flush=True)
sys.stdin.read()
"""

Serve = Callable[..., AbstractContextManager[tuple[str, "subprocess.Popen[str]"]]]
Browse = Callable[..., "BrowserContext"]
Speak = Callable[..., Path]


@pytest.fixture
def inside() -> Iterator[list[str]]:
    """The command that runs another where loopback is all there is."""
    if not (shutil.which("unshare") and shutil.which("nsenter")):
        pytest.skip("needs unshare and nsenter, of util-linux")
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", LIVE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as keeper:
        assert keeper.stdin and keeper.stdout and keeper.stderr
        if keeper.stdout.readline() != b"up\n":
            pytest.skip(f"needs a network namespace of its own: {keeper.stderr.read().decode().strip()[-200:]}")
        yield ["nsenter", "--target", str(keeper.pid), "--user", "--net", "--preserve-credentials"]
        keeper.stdin.close()


@pytest.fixture
def program(inside: list[str], tmp_path: Path) -> str:
    """A Chromium that runs there."""
    path = tmp_path / "chromium"
    path.write_text(f'#!/bin/sh\nexec {" ".join(inside)} chromium "$@"\n')
    path.chmod(0o755)
    return str(path)


def test_page_talks_where_there_is_no_network(
    browse: Browse, serve: Serve, speak: Speak, inside: list[str], program: str
) -> None:
    from playwright.sync_api import expect

    with serve(within=inside) as (url, _):
        page = browse(hears=speak((0.0, "what is your name")), program=program).new_page()
        page.goto(url)
        page.click("text=Start talking")
        expect(page.locator("body[data-call=live]")).to_be_visible()
        expect(page.locator("#detour")).to_be_visible()
        expect(page.locator("#transcript .user[data-stage=final]")).to_contain_text(re.compile("name", re.I))
        expect(page.locator("#transcript .assistant[data-stage=final]")).to_contain_text(re.compile(r"\w+ \w+"))
        page.click("text=Hang up")
        expect(page.locator("body[data-call=off]")).to_be_visible()
