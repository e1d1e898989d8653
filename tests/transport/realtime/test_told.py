from hypothesis import given
from hypothesis import strategies as st

from voicechat.transport.realtime.told import Told

SENTENCES = st.lists(st.sampled_from(["a", "an", "ant", "the", "then"]), max_size=6).map(" ".join)


def test_only_what_is_new_is_told() -> None:
    told = Told()
    assert [told.grow("i", text) for text in ("", "one", "one", "one two")] == ["", "one", "", " two"]
    assert told.finish("i", "one two, three.") == (", three.", False)


def test_utterances_do_not_mix() -> None:
    told = Told()
    assert [told.grow("i", "one"), told.grow("j", "six")] == ["one", "six"]
    assert told.finish("i", "one two") == (" two", False)
    assert told.finish("j", "seven") == ("", True)


def test_only_the_latest_utterances_are_remembered() -> None:
    told = Told()
    for number in range(100):
        told.grow(f"item_{number}", "one")
    assert told.finish("item_99", "one two") == (" two", False)
    assert told.finish("item_0", "one two") == ("one two", False)


@given(st.lists(SENTENCES, max_size=6), SENTENCES)
def test_deltas_join_to_the_transcript_or_it_is_a_revision(texts: list[str], transcript: str) -> None:
    told, joined = Told(), ""
    for text in texts:
        joined += told.grow("i", text)
    rest, revised = told.finish("i", transcript)
    assert (joined + rest == transcript) is not revised
