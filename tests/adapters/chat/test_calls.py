"""Calls as servers send them: in pieces, whole, numbered or not."""

from types import SimpleNamespace
from typing import Any

import pytest

from voicechat.adapters.chat.calls import Calls


def piece(index: int | None, id: str | None = None, name: str | None = None, arguments: str | None = None) -> object:
    return SimpleNamespace(index=index, id=id, function=SimpleNamespace(name=name, arguments=arguments))


def read(*pieces: object) -> list[tuple[str, str, str]]:
    calls = Calls()
    calls.add(pieces)
    return [(call.id, call.name, call.arguments) for call in calls.finished()]


A, B = ("a", "f", "{}"), ("b", "g", "{}")
CASES = {
    "bit by bit": ([piece(0, "a", "f", ""), piece(0, arguments="{"), piece(0, arguments="}")], A),
    "two": ([piece(0, *A), piece(1, *B)], A, B),
    "interleaved": (
        [piece(0, "a", "f", "{"), piece(1, "b", "g", "{"), piece(0, arguments="}"), piece(1, arguments="}")],
        A,
        B,
    ),
    "all numbered 0": ([piece(0, *A), piece(0, *B)], A, B),
    "not numbered": ([piece(None, *A), piece(None, *B)], A, B),
    "name repeated": ([piece(0, "a", "f"), piece(0, *A)], A),
    "null": ([piece(0, "a", "f", "null")], A),
    "without arguments": ([piece(0, "a", "f")], A),
    "nameless": ([piece(0, "a", None, "{}")],),
    "no function": ([SimpleNamespace(), piece(1, *A)], A),
    "nothing": ([],),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_pieces_make_calls(case: tuple[Any, ...]) -> None:
    pieces, *expected = case
    assert read(*pieces) == expected


def test_calls_without_ids_or_numbers_get_ids_of_their_own() -> None:
    first, second = read(piece(None, None, "f", "{}"), piece(None, None, "g", "{}"))
    assert (first[1], second[1]) == ("f", "g")
    assert first[0] != second[0] and first[0].startswith("call_")


@pytest.mark.parametrize("id", ["", "used", "x" * 65])
def test_an_id_that_cannot_be_kept_is_replaced(id: str) -> None:
    calls = Calls({"used"})
    calls.add([piece(0, id, "f", "{}")])
    (call,) = calls.finished()
    assert call.id.startswith("call_")


@pytest.mark.parametrize("arguments", ['{"x": ', "[1]", '"text"', "[" * 5000])
def test_arguments_must_be_an_object(arguments: str) -> None:
    calls = Calls()
    calls.add([piece(0, "a", "f", "{}"), piece(1, "b", "g", arguments)])
    with pytest.raises(ValueError, match="called 'g' with arguments that are no JSON object"):
        calls.finished()
    assert [call.name for call in calls.finished(cut=True)] == ["f"]


def test_it_counts_what_it_takes() -> None:
    assert Calls().add([piece(0, "ab", "f", "{}"), piece(0, arguments="1234")]) == 9
