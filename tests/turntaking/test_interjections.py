"""Words that want the floor and words that do not."""

import pytest

from voicechat.config import BargeInSettings
from voicechat.turntaking.interjections import Interjections, Said

DEFAULTS = BargeInSettings()
KNOWN = Interjections(DEFAULTS.back_channels, DEFAULTS.stop_phrases)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", Said()),
        ("...", Said()),
        ("Mhm.", Said(1)),
        ("mmmhmmm", Said(1)),
        ("Hmmm, okay; I see!", Said(4)),
        ("Uh-huh", Said(2)),
        ("yeah yeah yeah", Said(3)),
        ("okay but why", Said(3, 2)),
        ("I see a dog", Said(4, 2)),
        ("good", Said(1)),
        ("god", Said(1, 1)),
        ("Stop!", Said(1, 1, True)),
        ("could you please hold on", Said(5, 5, True)),
        ("holding on", Said(2, 2)),
    ],
)
def test_texts_are_read_word_by_word(text: str, said: Said) -> None:
    assert KNOWN.read(text) == said


@pytest.mark.parametrize(
    ("text", "stops"),
    [
        ("Stop.", True),
        ("stop, stop", True),
        ("Okay, stop it please!", True),
        ("stop the dog", False),
        ("okay", False),
        ("please", False),
        ("", False),
        ("hold on", True),
        ("on hold", False),
    ],
)
def test_a_text_that_is_a_stop_phrase_and_nothing_else_is_known(text: str, stops: bool) -> None:
    assert KNOWN.stops(text) is stops


def test_without_lists_all_words_are_words() -> None:
    assert Interjections().read("mhm stop") == Said(2, 2)


def test_the_lists_do_not_contradict_each_other() -> None:
    assert not any(KNOWN.read(phrase).stops for phrase in DEFAULTS.back_channels)
    assert all(KNOWN.read(phrase).others for phrase in DEFAULTS.stop_phrases)
