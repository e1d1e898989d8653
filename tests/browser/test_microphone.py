"""What the page asks of the browser's microphone."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def test_page_asks_the_browser_to_cancel_the_echo(page: "Page") -> None:
    from playwright.sync_api import expect

    page.click("text=Start talking")
    expect(page.locator("body[data-call=live]")).to_be_visible()
    wishes, granted = page.evaluate("""() => {
        const { track } = window.peers[0].getSenders().find(({ track }) => track?.kind === "audio");
        return [track.getConstraints(), track.getSettings()];
    }""")
    assert wishes["echoCancellation"] is True
    assert granted["echoCancellation"] is True
