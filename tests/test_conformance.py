"""The tables of docs/protocol.md: nothing is missing from them, and nothing is called done that no test shows."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from openai.types.realtime.realtime_client_event import RealtimeClientEvent
from openai.types.realtime.realtime_server_event import RealtimeServerEvent

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "protocol.md").read_text()

TABLES = ("Doors", "What clients may say", "What the server says", "Settings of a session", "Errors")


def rows(title: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    section = TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ") and "`" in line]
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines]


def kinds(union: Any) -> set[str]:
    """The types of all events in one of OpenAI's unions."""
    annotated, *_ = get_args(union)
    return {get_args(event.model_fields["type"].annotation)[0] for event in get_args(annotated)}


def homes() -> dict[str, list[str]]:
    """The texts of the files that have a test, by its name."""
    found: dict[str, list[str]] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        text = path.read_text()
        for name in re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE):
            found.setdefault(name, []).append(text)
    return found


@pytest.mark.parametrize(
    ("title", "union"), [("What clients may say", RealtimeClientEvent), ("What the server says", RealtimeServerEvent)]
)
def test_every_event_of_openais_package_has_a_row(title: str, union: Any) -> None:
    listed = [row[0].strip("`") for row in rows(title)]
    assert len(listed) == len(set(listed))
    assert set(listed) == kinds(union)


@pytest.mark.parametrize("title", TABLES)
def test_every_row_names_tests_that_exist(title: str) -> None:
    known = homes().keys()
    for row in rows(title):
        named = re.findall(r"test_\w+", row[-1])
        assert set(named) <= known, f"{row[0]}: {set(named) - known}"
        assert named or row[1] == "not sent", f"{row[0]} is shown by nothing"


@pytest.mark.parametrize("title", ["What clients may say", "What the server says"])
def test_every_event_is_named_where_its_tests_are(title: str) -> None:
    texts = homes()
    for row in rows(title):
        named = [text for name in re.findall(r"test_\w+", row[-1]) for text in texts[name]]
        event = row[0].strip("`")
        assert not named or any(f'"{event}"' in text for text in named), f"{event} is in none of its tests' files"


def test_every_state_is_one_that_the_page_explains() -> None:
    states = {row[1] for title in TABLES[:4] for row in rows(title)}
    assert states <= {"done", "partly", "not sent", "refused", "echoed"}
