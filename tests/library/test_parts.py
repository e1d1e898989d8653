"""The model that speaks with a voice, by every way to name it."""

import pytest

from voicechat.library.parts import Part, find

MODELS = {
    "espeak": ["en-us", "en-gb"],
    "piper-amy": ["amy", "amy#s1"],
    "piper-joe": [],
    "piper-joe-high": [],
    "tone": ["tone"],
}


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("", Part("espeak")),
        ("en-gb", Part("espeak", "en-gb")),
        ("espeak", Part("espeak")),
        ("espeak-en-gb", Part("espeak", "en-gb")),
        ("amy#s1", Part("piper-amy", "amy#s1")),
        ("piper-amy", Part("piper-amy")),
        ("piper-amy-amy", Part("piper-amy", "amy")),
        ("piper-amy-bob", None),
        ("tone", Part("tone", "tone")),
        ("piper-joe", Part("piper-joe")),
        ("piper-joe-high", Part("piper-joe-high")),
        ("piper-joe-high-s2", Part("piper-joe-high", "s2")),
        ("piper-joe-s2", Part("piper-joe", "s2")),
        ("piper-*", Part("piper-amy")),
        ("piper-j*", Part("piper-joe")),
        ("piper-amy-*", Part("piper-amy", "amy")),
        ("en-g*", Part("espeak", "en-gb")),
        ("*", Part("espeak")),
        ("klingon", None),
        ("klingon-*", None),
        ("espeak-klingon", None),
        ("../espeak", None),
    ],
)
def test_voice_is_found_by_each_of_its_names(wanted: str, part: Part | None) -> None:
    assert find(wanted, "espeak", MODELS) == part


def test_default_model_goes_before_others_that_have_the_voice() -> None:
    models = {"a": ["amy"], "b": ["amy"]}
    assert (find("amy", "a", models), find("amy", "b", models)) == (Part("a", "amy"), Part("b", "amy"))
