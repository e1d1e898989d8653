"""What is promised to whoever changes only the base URL of a client: five promises, kept to each client alike."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.clients import chat
from tests.clients.conftest import Browse, Fact, Node, Python
from tests.clients.house import KEY, QUESTION, House

PROGRAMS: Final = {
    "openai": "openai_realtime.py",
    "openai-agents": "openai_agents.py",
    "livekit": "livekit_agents.py",
    "pipecat": "pipecat_service.py",
}
IN_NODE: Final = {"agents-js-node": "agents.mjs"}
BROWSERS: Final = {"agents-js-websocket": "websocket", "agents-js-webrtc": "webrtc"}

HOURS: Final = "The dinosaurs are open until six."
"""What each client's tool says."""


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a scene: the `facts` of the client, the lines of the server's `log`, and whether it left."""

    facts: list[Fact]
    log: list[dict[str, Any]]
    left: bool

    def all(self, fact: str) -> list[Fact]:
        return [told for told in self.facts if told["fact"] == fact]

    def said(self) -> list[tuple[str, str]]:
        """Who said what, as the client has it; pipecat hands a tool's text on in quotes."""
        return [(told["role"], told["text"].strip().replace('"', "")) for told in self.all("said")]


Play = Callable[[str], Played]
Scenes = dict[tuple[str, str], Played]


@pytest.fixture(scope="module")
def played() -> Scenes:
    """The scenes that were played already, by client and name: several tests look at the same."""
    return {}


@pytest.fixture(params=[*PROGRAMS, *IN_NODE, *BROWSERS])
def play(request: pytest.FixtureRequest, house: House, question: Path, python: Python, played: Scenes) -> Play:
    """Plays a scene with one client: turn, interrupt or tool."""
    client: str = request.param

    def run(scene: str) -> list[Fact]:
        if client in PROGRAMS:
            return python(PROGRAMS[client], house.url, KEY, str(question), scene)
        if client in IN_NODE:
            node: Node = request.getfixturevalue("node")
            return node(IN_NODE[client], house.url, KEY, str(question), scene)
        browse: Browse = request.getfixturevalue("browse")
        facts: list[Fact] = browse().evaluate(
            "async (given) => (await import('./agents.mjs')).play(...given)",
            [house.url, house.ticket(), BROWSERS[client], scene],
        )
        return facts

    def play(scene: str) -> Played:
        if (client, scene) not in played:
            before = house.written()
            facts = run(scene)
            left = house.empty()
            played[client, scene] = Played(facts, house.told(before), left)
        return played[client, scene]

    return play


def test_client_connects_and_is_told_of_no_fault(play: Play) -> None:
    scene = play("turn")

    (connected,) = scene.all("connected")
    assert connected.get("call", "a WebSocket is no call") != ""
    assert scene.all("error") == []


def test_spoken_turn_has_the_words_of_both_sides(play: Play) -> None:
    scene = play("turn")

    assert scene.said()[-2:] == [("user", QUESTION), ("assistant", chat.BRIEF)]
    assert scene.all("sound")[0]["seconds"] > 1.0


def test_interruption_leaves_what_was_heard_in_the_history(play: Play) -> None:
    scene = play("interrupt")

    (cut,) = scene.all("cut")
    heard = cut["text"].strip()
    assert heard and chat.LONG.startswith(heard) and len(heard) < len(chat.LONG) / 2
    assert scene.all("error") == []


def test_tool_of_the_client_is_called_and_its_result_is_spoken(play: Play) -> None:
    scene = play("tool")

    assert [(told["name"], told["arguments"]) for told in scene.all("tool")] == [(chat.TOOL, chat.ARGUMENTS)]
    assert scene.said()[-1] == ("assistant", chat.read_out(HOURS))
    assert scene.all("error") == []


@pytest.mark.parametrize("scene", ["turn", "interrupt", "tool"])
def test_client_that_leaves_is_gone(play: Play, scene: str) -> None:
    ended = play(scene)

    assert len(ended.all("closed")) == 1
    assert ended.left
    assert [line["reason"] for line in ended.log if line["event"] == "session ended"] == ["hung_up"]
    assert [line for line in ended.log if line["level"] in ("error", "critical")] == []
