"""Clients that others wrote, unchanged, in front of a real server. `make clients` installs them."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.clients import house as houses
from tests.clients.house import CLIENTS, House
from voicechat.adapters.tts import espeak
from voicechat.audio import Samples, resample, silence, write_wav
from voicechat.config import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Page

Fact = dict[str, Any]
"""What a client's program tells: `fact` names it, the rest is about it."""

CHROMIUM = shutil.which("chromium")
NODE = shutil.which("node")
FLAGS = [
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",
]

PATIENCE = 100.0
"""Seconds for a client's program; some import for ten on a busy machine."""

LEAD_IN, PAUSE = 2.5, 6.0
"""Seconds of silence at a browser's microphone: before the question, and before it is asked again."""

Python = Callable[..., list[Fact]]
Node = Callable[..., list[Fact]]
Browse = Callable[[], "Page"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A client needs more than the usual minute where the machine is busy."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(180))


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    if not (CLIENTS / ".installed").exists():
        pytest.skip("other people's clients are not installed; `make clients` does it")


@pytest.fixture(scope="session")
def chat() -> Iterator[str]:
    """The base URL of the chat server that all houses ask."""
    with houses.chatting() as url:
        yield url


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, question: Path) -> Iterator[str]:
    """Where pages are, on an origin that is not the server's; `/` is one that does nothing."""
    folder = tmp_path_factory.mktemp("site")
    houses.lay_out(folder)
    shutil.copy(question, folder / "question.wav")
    with houses.site(folder) as url:
        yield url


@pytest.fixture(scope="session")
def house(chat: str, site: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The server that all clients call."""
    with houses.open_house(tmp_path_factory.mktemp("house"), chat, site) as house:
        yield house


@pytest.fixture(scope="session")
def question(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WAV of somebody who asks the question, 24 kHz mono, without silence around it."""
    path = tmp_path_factory.mktemp("speech") / "question.wav"
    write_wav(path, 24_000, _asked(24_000))
    return path


@pytest.fixture(scope="session")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WAV for a browser's microphone: the question, and after PAUSE seconds the question again."""
    asked = _asked(16_000)
    pieces = [silence(LEAD_IN, 16_000), asked, silence(PAUSE, 16_000), asked, silence(30.0, 16_000)]
    path = tmp_path_factory.mktemp("speech") / "microphone.wav"
    write_wav(path, 16_000, np.concatenate(pieces))
    return path


def _asked(rate: int) -> Samples:
    engine = espeak.load(Settings())
    try:
        sound = [piece.samples for piece in engine.synthesize(houses.QUESTION, engine.voices[0].name)]
    finally:
        engine.close()
    return resample(np.concatenate(sound), engine.rate, rate)


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Python:
    """Runs a program of `tests/clients/python` with the clients' own Python; gives the facts it told."""
    home = tmp_path_factory.mktemp("home")

    def run(program: str, *arguments: str) -> list[Fact]:
        command = [str(CLIENTS / "bin" / "python"), str(Path(__file__).parent / "python" / program), *arguments]
        quiet = {"HOME": str(home), "PATH": os.environ["PATH"], "no_proxy": "*", "OPENAI_AGENTS_DISABLE_TRACING": "1"}
        return _told(command, quiet)

    return run


def _told(command: list[str], environment: dict[str, str]) -> list[Fact]:
    """Runs a client's program to its end; the facts that it printed."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, f"{command[1]} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"fact"')]


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Runs a program of `tests/clients/node` with the packages of `make clients`; gives the facts it told."""
    if NODE is None:
        pytest.skip("needs node on the path")
    folder = tmp_path_factory.mktemp("node")
    for program in (*Path(__file__).parent.glob("node/*.mjs"), Path(__file__).parent / "pages" / "scene.mjs"):
        shutil.copy(program, folder)
    (folder / "node_modules").symlink_to((CLIENTS / "npm" / "node_modules").resolve())

    def run(program: str, *arguments: str) -> list[Fact]:
        quiet = {"HOME": str(folder), "PATH": os.environ["PATH"], "no_proxy": "*"}
        return _told([str(NODE), str(folder / program), *arguments], quiet)

    return run


@pytest.fixture
def browse(site: str, microphone: Path) -> Iterator[Browse]:
    """Opens Chromium, with `microphone`, at a page of the site that does nothing."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    if CHROMIUM is None:
        pytest.skip("needs chromium on the path")
    with ExitStack() as stack:
        playwright = stack.enter_context(sync_api.sync_playwright())

        def open_page() -> "Page":
            flags = [*FLAGS, f"--use-file-for-fake-audio-capture={microphone}%noloop"]
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
            stack.callback(browser.close)
            page: Page = browser.new_page()
            page.goto(f"{site}/empty.html")
            return page

        yield open_page
