"""The examples of docs/examples.md, as somebody would run who copies them."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.clients import chat
from tests.clients.conftest import Browse
from tests.clients.house import CLIENTS, KEY, QUESTION, ROOT, House

LONGEST: Final = 60.0

SAID: Final = {
    "Say something": "",
    "Understand a recording": QUESTION,
    "List the voices": '"model": "espeak"',
    "Make a key for a browser": '"value": "ek_',
    "Speak and understand": QUESTION,
    "Type, and read the answer": chat.GREETING,
    "Have the agent call a function": chat.read_out("The hall of the dinosaurs is open from nine to six."),
    "Speak to a file, in Node": "bytes",
    "Call from a page": chat.GREETING,
    "Call with OpenAI's agents": chat.GREETING,
}
"""What each prints, among other things."""

WRITTEN: Final = {"Say something": "hello.mp3", "Speak to a file, in Node": "node.wav"}

BUNDLE: Final = "agents/openai-realtime-agents.mjs"

IN_PAGES: Final = ("Call from a page", "Call with OpenAI's agents")


class Example(NamedTuple):
    heading: str
    language: str
    text: str


def examples() -> list[Example]:
    text = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    found = re.finditer(r"^### (.+?)$(?:(?!^#).)*?^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Example(*match.groups()) for match in found]


EXAMPLES: Final = {example.heading: example for example in examples()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: some use what those before them have written."""
    return tmp_path_factory.mktemp("examples")


def test_no_example_is_left_out() -> None:
    text = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    assert list(EXAMPLES) == list(SAID)
    assert len(re.findall(r"^```\w+$", text, re.MULTILINE)) == len(EXAMPLES)


@pytest.mark.parametrize("heading", [heading for heading in SAID if heading not in IN_PAGES])
def test_example_does_what_it_says(heading: str, house: House, folder: Path) -> None:
    example = EXAMPLES[heading]
    done = subprocess.run(
        _command(example.language, _filled(example.text, house.url, KEY), folder),
        cwd=folder, capture_output=True, text=True, timeout=LONGEST, check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "no_proxy": "*"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert SAID[heading] in done.stdout
    if heading in WRITTEN:
        assert (folder / WRITTEN[heading]).stat().st_size > 5_000


@pytest.mark.parametrize("heading", IN_PAGES)
def test_example_for_pages_talks(heading: str, house: House, browse: Browse) -> None:
    page = browse()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    code = _filled(EXAMPLES[heading].text, house.url, house.ticket())
    code = code.replace("@openai/agents-realtime", page.url.replace("empty.html", BUNDLE))
    page.evaluate("(code) => import(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })))", code)
    _wait(page.wait_for_timeout, lambda: chat.GREETING in "".join(said))
    assert SAID[heading] in "".join(said)
    page.close()
    assert house.empty()


def _wait(pause: Callable[[float], None], happened: Callable[[], bool]) -> None:
    for _ in range(300):
        if happened():
            return
        pause(100)


def _filled(text: str, url: str, key: str) -> str:
    assert "your-key" in text
    return text.replace("http://127.0.0.1:8080", url).replace("your-key", key)


def _command(language: str, text: str, folder: Path) -> Sequence[str]:
    if language == "sh":
        return ["bash", "-euc", text]
    if language == "python":
        return [str(CLIENTS / "bin" / "python"), "-c", text]
    node = shutil.which("node")
    assert language == "js" and node is not None
    (folder / "example.mjs").write_text(text, encoding="utf-8")
    return [node, "example.mjs"]
