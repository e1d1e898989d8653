"""The package `wyoming`, unchanged, as Home Assistant uses it: it looks, is understood and answered, hears, leaves."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clients import chat as chats
from tests.clients import guide
from tests.clients import house as houses
from tests.clients.conftest import Fact, Python
from tests.clients.house import QUESTION, House

TOOLS = [{"name": chats.TOOL, "python": f"{guide.__name__}:opening_hours"}]


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a scene: the `facts` of the client, the `house` it was played in, and the lines of its `log`."""

    facts: list[Fact]
    house: House
    log: list[dict[str, Any]]

    def all(self, fact: str) -> list[Fact]:
        return [told for told in self.facts if told["fact"] == fact]

    def said(self) -> list[tuple[str, str]]:
        return [(told["role"], told["text"]) for told in self.all("said")]


def played(scene: str, house: House, python: Python, question: Path) -> Played:
    (port,) = (str(line["port"]) for line in house.told() if line["event"] == "wyoming listens")
    facts = python("wyoming_home.py", port, str(question), scene)
    assert house.empty()
    return Played(facts, house, house.told())


@pytest.fixture(scope="module")
def open_house(chat: str, site: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A server with a port for Wyoming."""
    with houses.open_house(tmp_path_factory.mktemp("house"), chat, site, WYOMING__PORT="0") as house:
        yield house


@pytest.fixture(scope="module")
def turn(open_house: House, python: Python, question: Path) -> Played:
    return played("turn", open_house, python, question)


def test_client_connects_and_finds_ears_a_voice_and_an_agent(turn: Played) -> None:
    (connected,) = turn.all("connected")
    assert (connected["pong"], connected["models"], connected["agents"]) == ("hello", ["scripted"], ["voicechat"])
    assert "en-gb" in connected["voices"] and "piper" not in connected["voices"]
    assert turn.all("error") == []


def test_spoken_turn_has_the_words_of_both_sides(turn: Played) -> None:
    assert turn.said() == [("user", QUESTION), ("assistant", chats.BRIEF), ("assistant", chats.GREETING)]
    for said in turn.all("said"):
        assert said["parts"].strip() == said["text"]
    whole, streamed = (sound["seconds"] for sound in turn.all("sound"))
    assert whole > 1.0 and streamed > 1.0


def test_client_that_leaves_in_the_middle_of_a_speech_frees_the_voice(
    open_house: House, python: Python, question: Path
) -> None:
    scene = played("interrupt", open_house, python, question)

    def stopped() -> bool:
        cancelled = open_house.measured('voicechat_synthesis_clauses_total{engine="espeak",outcome="cancelled"}')
        return bool(cancelled) and open_house.measured('voicechat_synthesis_clauses_now{engine="espeak"}') == 0

    deadline = time.monotonic() + 10
    while not stopped() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert stopped()
    assert len(scene.all("cut")) == 1 and scene.said() == [("assistant", chats.GREETING)]


def test_tool_of_the_house_is_run_and_its_result_is_told(
    chat: str, site: str, tmp_path: Path, python: Python, question: Path
) -> None:
    config = tmp_path / "tools.yaml"
    config.write_text(json.dumps({"agent": {"tools": {"functions": TOOLS}}}))
    with houses.open_house(tmp_path, chat, site, config=config, WYOMING__PORT="0") as house:
        scene = played("tool", house, python, question)
    assert scene.said() == [("assistant", chats.read_out(guide.HOURS))]
    assert scene.all("error") == []


def test_client_that_leaves_is_gone(turn: Played) -> None:
    assert len(turn.all("closed")) == 1
    assert {line["reason"] for line in turn.log if line["event"] == "session ended"} == {"hung_up"}
    assert [line for line in turn.log if line["level"] in ("error", "critical")] == []
