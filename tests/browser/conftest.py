"""A real browser in front of a real server: the page is judged by what a person would see and hear."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from voicechat.adapters.tts import espeak
from voicechat.audio import resample, silence, write_wav
from voicechat.config import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium")
HOST = "voicechat.test"
"""A name for this machine that is no secure origin, unlike localhost."""
FLAGS = [
    "--use-fake-device-for-media-stream",
    f"--host-resolver-rules=MAP {HOST} 127.0.0.1 , MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--allow-loopback-in-peer-connection",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",
]
LEAD_IN = 2.5
"""Seconds of silence before the speech: the file begins when the microphone opens, well before the call is up."""

WATCH = """
  window.peers = [];
  window.violations = [];
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...given) { super(...given); window.peers.push(this); }
  };
  if (window.AudioWorkletNode) { // not on insecure pages
    const Node = window.AudioWorkletNode;
    window.AudioWorkletNode = class extends Node {
      constructor(context, name, options) {
        super(context, name, options);
        if (name === "player") this.connect((window.ear = new AnalyserNode(context)));
      }
    };
  }
  document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.blockedURI));
"""

Serve = Callable[..., AbstractContextManager[tuple[str, "subprocess.Popen[str]"]]]
Browse = Callable[..., "BrowserContext"]


@contextmanager
def _serving(within: Sequence[str] = (), **settings: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A server's URL and its process, with settings as VOICECHAT__ names them; `within` is the command that runs it."""
    own = {key: value for key, value in os.environ.items() if not key.upper().startswith("VOICECHAT__")}
    engines = {"ASR__ENGINE": "pocketsphinx", "TTS__ENGINE": "espeak", "AGENT__ENGINE": "faq"}
    chosen = {f"VOICECHAT__{key}": value for key, value in {**engines, **settings}.items()}
    command = [*within, sys.executable, "-m", "voicechat", "serve", "--port", "0"]
    with subprocess.Popen(
        command, cwd=ROOT, env={**own, **chosen}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"https?://\S+", process.stdout.readline())
            assert found, "the server did not say that it is ready"
            yield found.group(), process
        finally:
            process.terminate()
            process.wait(timeout=20)


@pytest.fixture(scope="session")
def serve() -> Serve:
    return _serving


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[str]:
    """The URL of a server that the module's tests share."""
    with serve(ACCESS__HOSTS=HOST) as (url, _):
        yield url


@pytest.fixture
def browse() -> Iterator[Browse]:
    """Opens a browser and gives a context of it: `hears` is the WAV at its microphone, `allowed` the permission.

    `trusts` is the digest of a public key whose certificates it believes, `also` are more of its flags, `program` runs
    it if not the plain Chromium.
    """
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    if CHROMIUM is None:
        pytest.skip("needs chromium on the path")
    sync_api.expect.set_options(timeout=25_000)
    with ExitStack() as stack:
        playwright = stack.enter_context(sync_api.sync_playwright())

        def open_browser(
            hears: Path | None = None,
            allowed: bool = True,
            trusts: str = "",
            also: Sequence[str] = (),
            program: str | None = CHROMIUM,
        ) -> "BrowserContext":
            flags = [*FLAGS, *also, *(["--use-fake-ui-for-media-stream"] if allowed else [])]
            if trusts:
                flags = [*flags, f"--ignore-certificate-errors-spki-list={trusts}"]
            if hears is not None:
                flags = [*flags, f"--use-file-for-fake-audio-capture={hears}%noloop"]
            browser: Browser = playwright.chromium.launch(executable_path=program, args=flags)
            stack.callback(browser.close)
            context = browser.new_context()
            context.add_init_script(WATCH)
            return context

        yield open_browser


@pytest.fixture
def speak(tmp_path: Path) -> Callable[..., Path]:
    """Writes a WAV of sentences, each so many seconds of silence after the one before, and LEAD_IN before them all."""

    def write(*spoken: tuple[float, str]) -> Path:
        engine = espeak.load(Settings())
        voice = engine.voices[0].name
        pieces = [silence(LEAD_IN, 16_000)]
        for pause, text in spoken:
            sound = [piece.samples for piece in engine.synthesize(text, voice)]
            pieces += [silence(pause, 16_000), resample(np.concatenate(sound), engine.rate, 16_000)]
        path = tmp_path / "microphone.wav"
        write_wav(path, 16_000, np.concatenate([*pieces, silence(20.0, 16_000)]))
        return path

    return write


@pytest.fixture
def insecure(server: str) -> str:
    """The shared server's URL by a name that browsers do not trust."""
    return server.replace("127.0.0.1", HOST)


@pytest.fixture
def page(browse: Browse, server: str) -> "Page":
    """The page of the shared server, in a browser whose microphone beeps."""
    page = browse().new_page()
    page.goto(server)
    return page
