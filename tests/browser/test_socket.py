"""The page where WebRTC does not get through: it talks over the WebSocket, and nobody has to do anything for it."""

import base64
import json
import re
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, Request, Route, WebSocket

pytestmark = pytest.mark.browser

NO_UDP = ["--webrtc-ip-handling-policy=disable_non_proxied_udp"]
"""As firms forbid WebRTC to their browsers: no address is gathered."""

SCREENS = [(360, 640), (390, 844), (844, 390), (1280, 800)]

SECRETS = ["key-of-one-who-talks", "key/of+one=who,talks/too"]
"""The second cannot be the name of a sub-protocol."""

Serve = Callable[..., AbstractContextManager[tuple[str, "subprocess.Popen[str]"]]]
Browse = Callable[..., "BrowserContext"]
Speak = Callable[..., Path]


@dataclass
class Wire:
    """What went over the page's WebSockets, in order."""

    said: list[dict[str, Any]] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)

    def follow(self, socket: "WebSocket") -> None:
        socket.on("framesent", lambda text: self.said.append(json.loads(text)))
        socket.on("framereceived", lambda text: self.told.append(json.loads(text)))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in [*self.said, *self.told] if event["type"] == kind]

    def milliseconds(self, item: str) -> float:
        """Of sound that came for an item."""
        deltas = [event["delta"] for event in self.of("response.output_audio.delta") if event["item_id"] == item]
        return sum(len(base64.b64decode(delta)) for delta in deltas) / 48

    def sound(self) -> bytes:
        """What the microphone said."""
        return b"".join(base64.b64decode(event["audio"]) for event in self.of("input_audio_buffer.append"))


def watched(page: "Page") -> Wire:
    wire = Wire()
    page.on("websocket", wire.follow)
    return wire


def loudest(page: "Page", milliseconds: int) -> float:
    """The loudest sample that the page played during the time, from 0 to 1."""
    peak = page.evaluate(
        """async (milliseconds) => {
            const samples = new Float32Array(window.ear.fftSize);
            let peak = 0;
            for (const until = performance.now() + milliseconds; performance.now() < until; ) {
                window.ear.getFloatTimeDomainData(samples);
                for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
                await new Promise((resolve) => setTimeout(resolve, 20));
            }
            return peak;
        }""",
        milliseconds,
    )
    return float(peak)


def call(page: "Page") -> None:
    from playwright.sync_api import expect

    page.click("text=Start talking")
    expect(page.locator("body[data-call=live]")).to_be_visible()
    expect(page.locator("#detour")).to_be_visible()


def say(page: "Page", words: str) -> None:
    page.fill("#text", words)
    page.press("#text", "Enter")


def test_spoken_question_is_answered_in_words_and_sound_without_webrtc(
    browse: Browse, server: str, speak: Speak
) -> None:
    from playwright.sync_api import expect

    page = browse(hears=speak((0.0, "what is your name")), also=NO_UDP).new_page()
    asked: list[Request] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(server)
    call(page)
    expect(page.locator("#transcript .user[data-stage=final]")).to_contain_text(re.compile("name", re.I))
    expect(page.locator("#state")).to_have_text("Speaking")
    assert loudest(page, 1000) > 0.05
    expect(page.locator("#transcript .assistant[data-stage=final]")).to_contain_text(re.compile(r"\w+ \w+"))
    assert int(page.inner_text("#latency-total").removesuffix(" ms")) > 0
    page.click("text=Hang up")
    expect(page.locator("body[data-call=off]")).to_be_visible()
    expect(page.locator("#detour")).to_be_hidden()
    assert [request.url for request in asked if request.method != "GET"] == [], "there was nothing to offer"
    assert [request.url for request in asked if not re.sub("^ws", "http", request.url).startswith(server)] == []
    assert page.evaluate("window.violations") == [] and complaints == []


def test_speaking_over_an_answer_cuts_it_at_the_sound_that_was_played(
    browse: Browse, server: str, speak: Speak
) -> None:
    from playwright.sync_api import expect

    page = browse(hears=speak((0.0, "how do you work"), (4.0, "what is your name")), also=NO_UDP).new_page()
    wire = watched(page)
    page.goto(server)
    call(page)
    cut = page.locator("#transcript .assistant[data-stage=interrupted]")
    expect(cut).to_contain_text(re.compile(r"\w+ \w+"))
    expect(page.locator("#transcript .user[data-stage=final]").nth(1)).to_contain_text(re.compile("name", re.I))
    expect(page.locator("#transcript .assistant[data-stage=final]")).to_contain_text(re.compile(r"\w+ \w+"))
    (shortened,) = wire.of("conversation.item.truncate")
    item, played = shortened["item_id"], shortened["audio_end_ms"]
    assert 500 < played < wire.milliseconds(item)
    assert wire.milliseconds(item) - played < 600, "no more than the server is ahead"
    (kept,) = wire.of("conversation.item.retrieved")
    assert cut.locator("p").inner_text() == kept["item"]["content"][0]["transcript"]


def test_typing_over_an_answer_silences_it_without_a_microphone(browse: Browse, server: str) -> None:
    from playwright.sync_api import expect

    page = browse(allowed=False, also=NO_UDP).new_page()
    wire = watched(page)
    page.goto(server)
    say(page, "How do you work?")
    expect(page.locator("#state")).to_have_text("Speaking")
    assert page.get_attribute("#mute", "aria-pressed") == "true"
    assert loudest(page, 1000) > 0.05
    say(page, "What is your name?")
    expect(page.locator("#transcript .assistant").first).to_have_attribute("data-stage", "interrupted")
    expect(page.locator("#transcript .assistant[data-stage=final]")).to_contain_text(re.compile(r"\w+ \w+"))
    (shortened,) = wire.of("conversation.item.truncate")
    assert shortened["audio_end_ms"] < wire.milliseconds(shortened["item_id"])
    assert not any(wire.sound())


def test_muted_microphone_sends_silence_and_another_can_be_chosen(browse: Browse, server: str) -> None:
    from playwright.sync_api import expect

    page = browse(also=NO_UDP).new_page()
    wire = watched(page)
    page.goto(server)
    call(page)
    page.wait_for_timeout(1200)
    assert any(wire.sound()), "the microphone beeps"
    page.keyboard.press("m")
    expect(page.locator("#mute")).to_have_attribute("aria-pressed", "true")
    page.wait_for_timeout(300)
    wire.said.clear()
    page.wait_for_timeout(1500)
    assert len(wire.sound()) > 24_000 and not any(wire.sound())
    page.locator("#microphone").select_option(index=1)
    expect(page.locator("#mute")).to_have_attribute("aria-pressed", "false")
    page.wait_for_timeout(1500)
    assert any(wire.sound())
    page.keyboard.press("Escape")
    expect(page.locator("body[data-call=off]")).to_be_visible()


def test_word_of_the_detour_fits_on_every_screen(browse: Browse, server: str) -> None:
    from playwright.sync_api import expect

    page = browse(also=NO_UDP).new_page()
    page.goto(server)
    call(page)
    for width, height in SCREENS:
        page.set_viewport_size({"width": width, "height": height})
        for part in ("#detour", "#microphone", "#talk", "#text", "#state"):
            expect(page.locator(part)).to_be_in_viewport(ratio=1)
        assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("secret", SECRETS)
def test_key_is_asked_for_and_given_to_the_socket(browse: Browse, serve: Serve, tmp_path: Path, secret: str) -> None:
    from playwright.sync_api import expect

    keys = tmp_path / "keys.txt"
    keys.write_text(f"kitchen talk {secret}\n")
    keys.chmod(0o600)
    with serve(ACCESS__KEYS=str(keys)) as (url, _):
        page = browse(also=NO_UDP).new_page()
        page.goto(url)
        page.click("text=Start talking")
        expect(page.get_by_role("alert")).to_have_text("This server lets in who has a key.")
        page.fill("#key", "key-of-nobody-at-all")
        page.press("#key", "Enter")
        expect(page.get_by_role("alert")).to_contain_text("does not know that key")
        page.fill("#key", secret)
        page.press("#key", "Enter")
        expect(page.locator("body[data-call=live]")).to_be_visible()
        keys.write_text("kitchen talk another-key-altogether\n")
        expect(page.get_by_role("alert")).to_have_text("The server ended the call.")


def test_full_server_and_one_that_goes_away_are_told_apart(browse: Browse, serve: Serve) -> None:
    from playwright.sync_api import expect

    with serve(SERVER__MAX_SESSIONS="1") as (url, process):
        context = browse(also=NO_UDP)
        first, second, third = (context.new_page() for _ in range(3))
        first.goto(url)
        call(first)
        third.goto(url)
        second.goto(url)
        second.click("text=Start talking")
        expect(second.get_by_role("alert")).to_have_text(re.compile(r"All lines are busy, try again in \d+ seconds?\."))
        first.goto("about:blank")  # leaving the page gives the line back
        expect(second.locator("#talk")).to_have_text("Try again")
        second.get_by_role("button", name="Try again").click()
        expect(second.locator("body[data-call=live]")).to_be_visible()
        process.kill()
        expect(second.get_by_role("alert")).to_have_text("The connection was lost.")
        second.get_by_role("button", name="Try again").click()
        third.click("text=Start talking")
        for page in (second, third):
            expect(page.get_by_role("alert")).to_contain_text("The server can’t be reached.")


def test_socket_that_takes_nothing_is_given_up_and_never_filled(browse: Browse, server: str) -> None:
    from playwright.sync_api import expect

    context = browse(also=NO_UDP)
    context.add_init_script("""
        const { get } = Object.getOwnPropertyDescriptor(WebSocket.prototype, "bufferedAmount");
        Object.defineProperty(WebSocket.prototype, "bufferedAmount", {
            get() { return window.stuck ? 100000 : get.call(this); },
        });
    """)
    page = context.new_page()
    wire = watched(page)
    page.goto(server)
    call(page)
    page.evaluate("window.stuck = true")
    page.wait_for_timeout(200)
    wire.said.clear()
    page.wait_for_timeout(500)
    assert wire.of("input_audio_buffer.append") == []
    page.evaluate("window.stuck = false")
    page.wait_for_timeout(500)
    assert wire.of("input_audio_buffer.append") != [], "a moment of it only leaves out what was said"
    page.evaluate("window.stuck = true")
    expect(page.get_by_role("alert")).to_have_text("The connection was lost.")


def test_call_whose_packets_are_lost_goes_on_over_the_socket(browse: Browse, serve: Serve) -> None:
    """Behind a firewall or Docker's port mapping: both sides have addresses, and nothing comes of it."""
    from playwright.sync_api import expect

    def lose(text: str) -> str:
        return re.sub(r"(?m)^(a=candidate:\S+ \d+ udp \d+ \S+) \d+", r"\1 9", text)

    def stand_between(route: "Route") -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        answer = route.fetch(post_data=lose(route.request.post_data or ""))
        headers = {**answer.headers, "location": answer.headers["location"]}
        route.fulfill(status=answer.status, headers=headers, body=lose(answer.text()))

    with serve(SERVER__MAX_SESSIONS="1") as (url, _):
        page = browse().new_page()
        calls: list[str] = []
        page.on("request", lambda request: calls.append(request.method) if "/calls" in request.url else None)
        page.route("**/v1/realtime/calls*", stand_between)
        page.route("**/v1/realtime/calls/*", stand_between)
        page.goto(url)
        call(page)
        assert calls == ["POST", "DELETE"], "the server's only line was given back first"
        say(page, "What is your name?")
        expect(page.locator("#transcript .assistant[data-stage=final]")).to_contain_text(re.compile(r"\w+ \w+"))
        page.click("text=Hang up")
        page.click("text=Start talking")
        expect(page.locator("#detour")).to_be_visible()
        assert calls == ["POST", "DELETE"], "it remembers that there is no way"
