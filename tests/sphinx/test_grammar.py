from pathlib import Path

import pytest

from voicechat.sphinx.grammar import build

DICTIONARY = """the DH AH
the(2) DH IY
exit EH G Z IH T
where W EH R
is IH Z
please P L IY Z
hello HH AH L OW
hi HH AY
excuse IH K S K Y UW Z
me M IY
sorry S AA R IY
can K AE N
could K UH D
you Y UW
tell T EH L
i AY
would W UH D
like L AY K
to T UW
know N OW
do D UW
thank TH AE NG K
twelve T W EH L V
zebra Z IY B R AH
"""


@pytest.fixture
def dictionary(tmp_path: Path) -> Path:
    path = tmp_path / "some.dict"
    path.write_text(DICTIONARY)
    return path


def test_phrases_stand_in_the_grammar_as_they_are_spoken(dictionary: Path) -> None:
    grammar = build(["Where is the exit?", "Is the exit 12?"], dictionary)
    assert "is the exit twelve | where is the exit" in grammar.text
    assert grammar.text.startswith("#JSGF V1.0;")
    assert not grammar.unknown


def test_the_dictionary_has_every_pronunciation_of_the_words_in_use_and_no_other(dictionary: Path) -> None:
    lines = build(["where is the exit"], dictionary).dictionary.splitlines()
    assert "the DH AH" in lines and "the(2) DH IY" in lines
    assert "zebra Z IY B R AH" not in lines


def test_each_pronunciation_is_known_by_its_own_name(dictionary: Path) -> None:
    pronunciations = build(["where is the exit"], dictionary).pronunciations()
    assert pronunciations["the(2)"] == ("DH", "IY")
    assert pronunciations["exit"] == ("EH", "G", "Z", "IH", "T")


def test_a_phrase_with_an_unknown_word_is_left_out_and_named(dictionary: Path) -> None:
    grammar = build(["where is the exit", "where is the flurble"], dictionary)
    assert "flurble" not in grammar.text
    assert grammar.unknown == {"where is the flurble": ("flurble",)}


def test_asides_stand_beside_the_phrases_and_are_told_from_them(dictionary: Path) -> None:
    grammar = build(["where is the exit"], dictionary, ["tell me", "where is the exit", "flurble"])
    assert "tell me | where is the exit" in grammar.text
    assert grammar.is_aside("tell me") and grammar.is_aside("hello tell me please")
    assert not grammar.is_aside("where is the exit")
    assert not grammar.unknown, "nobody is asked about what cannot be pronounced"
    assert build([], dictionary, ["tell me"]).text == "", "an agent without phrases hears all openly"


def test_a_phrase_without_words_is_left_out(dictionary: Path) -> None:
    assert build(["?!"], dictionary).unknown == {"?!": ()}


@pytest.mark.parametrize("phrases", [[], ["flurble"]])
def test_without_usable_phrases_there_is_no_grammar(phrases: list[str], dictionary: Path) -> None:
    assert build(phrases, dictionary).text == ""


def test_a_phrase_that_is_polite_itself_takes_no_more_politeness(dictionary: Path) -> None:
    grammar = build(["please tell me where the exit is", "where is the exit"], dictionary)
    rule = grammar.text.splitlines()[-1]
    assert rule == (
        "public <phrase> = ( please tell me where the exit is ) | [ <lead> ] ( where is the exit ) [ <end> ];"
    )
