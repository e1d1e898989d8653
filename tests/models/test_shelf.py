"""Recipes of what lies in the models' folder, and of the adapters themselves."""

from pathlib import Path

import pytest

from tests.tiny import piper
from voicechat.adapters.tts.piper import Piper
from voicechat.library.catalogue import Entry
from voicechat.models.shelf import Recipes, Shelf, original
from voicechat.models.stock import Recipe


def recipes(shelf: Shelf) -> Recipes[Piper]:
    def make(engine: str, entry: Entry | None) -> Recipe[Piper]:
        return Recipe(engine, _never, memory=entry.size if entry is not None else 0)

    return Recipes(shelf, "tts", ["espeak", "piper"], make)


def _never(device: str) -> Piper:
    raise AssertionError("nothing is made here")


def test_adapters_and_whole_models_of_the_kind_have_recipes(tmp_path: Path) -> None:
    path = piper.build(tmp_path / "piper" / "en_US-amy-medium.onnx")
    piper.build(tmp_path / "piper" / "half.onnx").with_name("half.onnx.json").unlink()
    shelf = Shelf(tmp_path)
    known = recipes(shelf)
    assert list(known) == ["espeak", "piper"]
    shelf.entries()
    assert list(known) == ["espeak", "piper", "piper-en_US-amy-medium", "tone"]
    size = path.stat().st_size + path.with_name(f"{path.name}.json").stat().st_size
    assert (known["piper-en_US-amy-medium"].memory, known["piper"].memory) == (size, 0)
    for name in ("pocketsphinx", "piper-half", "../piper", ""):
        with pytest.raises(KeyError):
            known[name]


def test_model_that_an_adapter_loads_by_itself_has_one_name(tmp_path: Path) -> None:
    path = piper.build(tmp_path / "piper" / "en_US-amy-medium.onnx")
    shelf = Shelf(tmp_path)
    shelf.entries()
    shelf.settle("piper", path)
    assert shelf.alias("piper") == "piper-en_US-amy-medium"
    assert list(recipes(shelf)) == ["espeak", "piper-en_US-amy-medium", "tone"]


def test_copies_are_made_as_the_original(tmp_path: Path) -> None:
    known = recipes(Shelf(tmp_path))
    assert (original("espeak#2"), original("espeak")) == ("espeak", "espeak")
    assert known["espeak#2"].engine == "espeak"
    assert "espeak#2" not in list(known)


def test_voice_is_called_by_its_speaker(tmp_path: Path) -> None:
    for quality in ("low", "medium"):
        piper.build(tmp_path / "piper" / f"en_US-amy-{quality}.onnx")
    shelf = Shelf(tmp_path)
    shelf.entries()
    assert shelf.alias("piper-amy") == "piper-en_US-amy-medium"
    assert shelf.alias("piper-en_US-amy-low") == "piper-en_US-amy-low"
    assert shelf.alias("en-gb") == "en-gb"
