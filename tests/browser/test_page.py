"""What a person can do with the page, in a real browser against a real server."""

import re
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.browser

SCREENS = [(360, 640), (390, 844), (844, 390), (1280, 800)]

Serve = Callable[..., AbstractContextManager[tuple[str, "subprocess.Popen[str]"]]]
Browse = Callable[..., "BrowserContext"]
Speak = Callable[..., Path]


def sound_energy(page: "Page") -> float:
    """The energy of all sound that has come back so far; 0 for digital silence."""
    energy = page.evaluate("""async () => {
        const reports = [...await window.peers.at(-1).getStats()].map(([, report]) => report);
        return reports.find(({type}) => type === "inbound-rtp").totalAudioEnergy ?? 0;
    }""")
    return float(energy)


def wait_until(page: "Page", expression: str) -> None:
    """Playwright's own wait polls with eval, which the page's security policy forbids."""
    for _attempt in range(100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came true: {expression}")


def say(page: "Page", words: str) -> None:
    page.fill("#text", words)
    page.press("#text", "Enter")


def test_spoken_question_is_answered_in_words_and_sound(browse: Browse, server: str, speak: Speak) -> None:
    from playwright.sync_api import expect

    page = browse(hears=speak((0.0, "what is your name"))).new_page()
    page.goto(server)
    page.click("text=Start talking")
    expect(page.locator("body[data-call=live]")).to_be_visible()
    expect(page.locator("#transcript .user[data-stage=final]")).to_contain_text(re.compile("name", re.I))
    expect(page.locator("#transcript .assistant[data-stage=final]")).to_contain_text(re.compile(r"\w+ \w+"))
    expect(page.locator("#announcer")).to_contain_text("Answer: ")
    assert sound_energy(page) > 1e-4
    parts = [int(text.removesuffix(" ms")) for text in page.locator("#latency dd").all_inner_texts()]
    total = int(page.inner_text("#latency-total").removesuffix(" ms"))
    assert len(parts) == 4 and abs(sum(parts) - total) <= 4 and total > 0
    page.click("text=Hang up")
    expect(page.locator("#state")).to_have_text("Ready")
    expect(page.locator("body[data-call=off]")).to_be_visible()
    wait_until(page, "window.peers[0].connectionState === 'closed'")


def test_speaking_over_an_answer_cuts_it_to_what_was_heard(browse: Browse, server: str, speak: Speak) -> None:
    from playwright.sync_api import expect

    page = browse(hears=speak((0.0, "how do you work"), (4.0, "what is your name"))).new_page()
    page.goto(server)
    page.click("text=Start talking")
    cut = page.locator("#transcript .assistant[data-stage=interrupted]")
    expect(cut).to_contain_text(re.compile(r"\w+ \w+"))
    expect(page.locator("#transcript .user[data-stage=final]").nth(1)).to_contain_text(re.compile("name", re.I))
    expect(page.locator("#transcript .assistant[data-stage=final]")).to_contain_text(re.compile(r"\w+ \w+"))


def test_typed_message_is_answered_without_a_microphone(browse: Browse, server: str) -> None:
    from playwright.sync_api import expect

    page = browse(allowed=False).new_page()
    page.goto(server)
    say(page, "What is your name?")
    expect(page.locator("#transcript .user")).to_have_text("YouWhat is your name?")
    expect(page.locator("#transcript .assistant[data-stage=final]")).to_contain_text(re.compile(r"\w+ \w+"))
    assert sound_energy(page) > 1e-4
    assert page.get_attribute("#mute", "aria-pressed") == "true"


def test_typing_over_an_answer_cuts_it_to_what_was_heard(page: "Page") -> None:
    from playwright.sync_api import expect

    say(page, "How do you work?")
    expect(page.locator("#state")).to_have_text("Speaking")
    page.wait_for_timeout(1000)  # some words must have been heard, or nothing is left of the answer
    say(page, "What is your name?")
    expect(page.locator("#transcript .assistant").first).to_have_attribute("data-stage", "interrupted")
    expect(page.locator("#transcript .assistant[data-stage=final]")).to_contain_text(re.compile(r"\w+ \w+"))


def test_denied_microphone_is_explained(browse: Browse, server: str) -> None:
    from playwright.sync_api import expect

    page = browse(allowed=False).new_page()
    page.goto(server)
    page.click("text=Start talking")
    expect(page.get_by_role("alert")).to_contain_text("microphone is blocked")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_page_on_an_insecure_origin_explains_itself(browse: Browse, insecure: str) -> None:
    from playwright.sync_api import expect

    page = browse().new_page()
    page.goto(insecure)
    page.click("text=Start talking")
    expect(page.get_by_role("alert")).to_contain_text("localhost, or over https")


def test_full_server_says_when_to_try_again(browse: Browse, serve: Serve) -> None:
    from playwright.sync_api import expect

    with serve(SERVER__MAX_SESSIONS="1") as (url, _):
        context = browse()
        first, second = context.new_page(), context.new_page()
        first.goto(url)
        first.click("text=Start talking")
        expect(first.locator("body[data-call=live]")).to_be_visible()
        second.goto(url)
        second.click("text=Start talking")
        expect(second.get_by_role("alert")).to_have_text(re.compile(r"All lines are busy, try again in \d+ seconds?\."))
        expect(second.locator("#talk")).to_have_text(re.compile(r"Try again \(\d+\)"))
        first.click("text=Hang up")
        expect(second.locator("#talk")).to_have_text("Try again")
        second.get_by_role("button", name="Try again").click()
        expect(second.locator("body[data-call=live]")).to_be_visible()


def test_leaving_the_page_gives_the_line_back(browse: Browse, serve: Serve) -> None:
    from playwright.sync_api import expect

    with serve(SERVER__MAX_SESSIONS="1") as (url, _):
        page = browse().new_page()
        for _attempt in range(2):
            page.goto(url)
            page.click("text=Start talking")
            expect(page.locator("body[data-call=live]")).to_be_visible()
            page.goto("about:blank")
            page.wait_for_timeout(300)


def test_server_that_goes_away_is_told_apart_from_one_that_is_not_there(browse: Browse, serve: Serve) -> None:
    from playwright.sync_api import expect

    with serve() as (url, process):
        page = browse().new_page()
        page.goto(url)
        page.click("text=Start talking")
        expect(page.locator("body[data-call=live]")).to_be_visible()
        process.kill()
        expect(page.get_by_role("alert")).to_have_text("The connection was lost.")
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("alert")).to_contain_text("The server can’t be reached.")


def test_call_can_be_held_with_the_keyboard_alone(page: "Page") -> None:
    from playwright.sync_api import expect

    for _press in range(5):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "talk":
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.locator("body[data-call=live]")).to_be_visible()
    page.keyboard.press("m")
    expect(page.locator("#mute")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("window.peers[0].getSenders()[0].track.enabled") is False
    page.keyboard.press("m")
    expect(page.locator("#mute")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("Escape")
    expect(page.locator("body[data-call=off]")).to_be_visible()
    page.keyboard.press("Space")
    expect(page.locator("body[data-call=live]")).to_be_visible()


def test_microphones_can_be_chosen_during_the_call(page: "Page") -> None:
    from playwright.sync_api import expect

    page.click("text=Start talking")
    choice = page.locator("#microphone")
    expect(choice).to_be_visible()
    before = page.evaluate("window.peers[0].getSenders()[0].track.id")
    choice.select_option(index=1)
    wait_until(page, f"window.peers[0].getSenders()[0].track.id !== '{before}'")
    wait_until(page, "window.peers[0].getSenders()[0].track.readyState === 'live'")


def test_page_keeps_to_its_own_server_and_its_console_is_clean(browse: Browse, server: str, speak: Speak) -> None:
    from playwright.sync_api import expect

    page = browse(hears=speak()).new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(server)
    page.click("text=Start talking")
    expect(page.locator("body[data-call=live]")).to_be_visible()
    say(page, "What is your name?")
    expect(page.locator("#transcript .assistant[data-stage=final]")).to_be_visible()
    page.click("text=Hang up")
    page.wait_for_timeout(200)
    assert any(url.endswith("/v1/realtime/calls") for url in asked)
    assert [url for url in asked if not url.startswith(f"{server}/")] == []
    assert page.evaluate("window.violations") == []
    assert complaints == []


def test_everything_fits_on_every_screen(page: "Page") -> None:
    from playwright.sync_api import expect

    say(page, "What is your name?")
    expect(page.locator("#transcript .assistant")).to_contain_text(re.compile(r"\w+"))
    for width, height in SCREENS:
        page.set_viewport_size({"width": width, "height": height})
        for part in ("#talk", "#text", "#state"):
            expect(page.locator(part)).to_be_in_viewport(ratio=1)
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_words_that_may_still_change_are_dim_until_they_are_sure(browse: Browse, server: str) -> None:
    page = browse().new_page()
    page.goto(server)
    page.evaluate("""async () => {
        const { Conversation } = await import("/static/conversation.js");
        const { Transcript } = await import("/static/transcript.js");
        const list = document.querySelector("#transcript");
        const transcript = new Transcript(list, document.querySelector("#announcer"));
        window.talk = new Conversation({ transcript, send() {} });
    }""")
    kind = "conversation.item.input_audio_transcription"
    told = [
        {"type": "voicechat.partial", "item_id": "i", "stable": "", "tail": "what time"},
        {"type": f"{kind}.delta", "item_id": "i", "delta": "what"},
        {"type": "voicechat.partial", "item_id": "i", "stable": "what", "tail": " time is"},
        {"type": f"{kind}.delta", "item_id": "i", "delta": " time"},
        {"type": f"{kind}.completed", "item_id": "i", "transcript": "What time?"},
        {"type": "voicechat.partial", "item_id": "i", "stable": "what time", "tail": " too late"},
    ]
    seen = []
    for event in told:
        page.evaluate("event => talk.take(event)", event)
        entry = page.locator("#transcript .user")
        guesses = entry.locator(".guess").all_text_contents()
        seen.append((entry.locator("p").text_content(), guesses, entry.get_attribute("data-stage")))
    assert seen == [
        ("what time", ["what time"], "partial"),
        ("what", [], "partial"),
        ("what time is", [" time is"], "partial"),
        ("what time", [], "partial"),
        ("What time?", [], "final"),
        ("What time?", [], "final"),
    ]
