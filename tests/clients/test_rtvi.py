"""Pipecat's own client in a real browser, unchanged, from a page of another origin: it starts, calls, talks, leaves."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.clients import chat
from tests.clients.conftest import Browse, Fact
from tests.clients.house import QUESTION, House

HOURS = "The dinosaurs are open until six."


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a scene: the `facts` of the client, the lines of the server's `log`, and whether it left."""

    facts: list[Fact]
    log: list[dict[str, Any]]
    left: bool

    def all(self, fact: str) -> list[Fact]:
        return [told for told in self.facts if told["fact"] == fact]

    def said(self) -> list[tuple[str, str]]:
        return [(told["role"], told["text"].strip()) for told in self.all("said")]


Play = Callable[[str], Played]


@pytest.fixture(scope="module")
def played() -> dict[str, Played]:
    """The scenes that were played already: several tests look at the same."""
    return {}


@pytest.fixture
def play(house: House, browse: Browse, played: dict[str, Played]) -> Play:
    """Plays a scene: turn, interrupt, tool, typed, lost or leave."""

    def play(scene: str) -> Played:
        if scene not in played:
            before = house.written()
            facts: list[Fact] = browse().evaluate(
                "async (given) => (await import('./rtvi.mjs')).play(...given)", [house.url, house.ticket(), scene]
            )
            left = house.empty()
            played[scene] = Played(facts, house.told(before), left)
        return played[scene]

    return play


def test_client_connects_and_is_told_of_no_fault(play: Play) -> None:
    scene = play("turn")

    (connected,) = scene.all("connected")
    assert (connected["version"], connected["library"]) == ("2.1.0", "voicechat")
    assert scene.all("error") == []


def test_spoken_turn_has_the_words_of_both_sides(play: Play) -> None:
    scene = play("turn")

    assert scene.said()[-2:] == [("user", QUESTION), ("assistant", chat.BRIEF)]
    assert scene.all("sound")[0]["seconds"] > 1.0
    assert scene.all("sound")[0]["energy"] > 0.001


def test_interruption_says_how_much_was_heard(play: Play) -> None:
    scene = play("interrupt")

    (cut,) = scene.all("cut")
    assert cut["text"] and chat.LONG.startswith(cut["text"]) and len(cut["text"]) < len(chat.LONG) / 2
    assert not cut["whole"]
    assert scene.all("error") == []


def test_tool_of_the_client_is_called_and_its_result_is_spoken(play: Play) -> None:
    scene = play("tool")

    assert [(told["name"], told["arguments"]) for told in scene.all("tool")] == [(chat.TOOL, chat.ARGUMENTS)]
    assert scene.said()[-1] == ("assistant", chat.read_out(HOURS))
    assert scene.all("error") == []


def test_typed_text_is_answered_aloud(play: Play) -> None:
    scene = play("typed")

    assert scene.said()[-1] == ("assistant", chat.BRIEF)
    assert scene.all("error") == []


def test_conversation_goes_on_by_another_connection(play: Play) -> None:
    scene = play("lost")

    assert scene.said()[-2:] == [("assistant", chat.BRIEF), ("assistant", chat.counted(2))]
    assert scene.all("error") == [] and len(scene.all("closed")) == 1
    assert scene.left
    assert [line["reason"] for line in scene.log if line["event"] == "session ended"] == ["hung_up"] * 2


@pytest.mark.parametrize("scene", ["turn", "interrupt", "tool", "typed", "leave"])
def test_client_that_leaves_is_gone(play: Play, scene: str) -> None:
    ended = play(scene)

    assert len(ended.all("closed")) == 1
    assert ended.all("closed")[0]["status"] == "disconnected"
    assert ended.left
    assert [line["reason"] for line in ended.log if line["event"] == "session ended"] == ["hung_up"]
    assert [line for line in ended.log if line["level"] in ("error", "critical")] == []
