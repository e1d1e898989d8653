"""Which models there are: their names, what is known of them, and that no name leads out of the root."""

from pathlib import Path

import pytest

from tests.tiny import piper, whisper
from voicechat.config import Settings
from voicechat.errors import AdapterUnavailable
from voicechat.library.catalogue import BUILT_IN, Catalogue, Entry

CARD = "# Model card for amy (medium)\n\n* Language: en_US\n\n## Dataset\n\n* License: CC BY 4.0\n"
PACK = "{engine: piper, model: voice.onnx, languages: [en-GB], sample_rate: 22050, licence: MIT}"


def filed(root: Path) -> dict[str, Entry]:
    """The models that have files, by name."""
    return {entry.name: entry for entry in Catalogue(root).entries() if entry.place is not None}


def packed(root: Path, name: str, text: str = PACK) -> Path:
    folder = root / "voices" / name
    piper.build(folder / "voice.onnx")
    (folder / "metadata.yaml").write_text(text)
    return folder


def test_without_any_files_there_are_the_built_in_models(tmp_path: Path) -> None:
    entries = Catalogue(tmp_path / "nowhere").entries()
    assert {entry.name: entry.kind for entry in entries} == BUILT_IN
    assert all(entry.complete and entry.size == 0 for entry in entries)


def test_whisper_model_is_told_with_its_size_languages_and_licence(tmp_path: Path) -> None:
    whisper.build(tmp_path / "whisper" / "tiny.en")
    (tmp_path / "whisper" / "tiny.en" / "README.md").write_text("---\nlanguage:\n- en\nlicense: mit\n---\n# Tiny\n")
    whisper.build(tmp_path / "whisper" / "tiny")
    found = filed(tmp_path)
    english = found["whisper-tiny.en"]
    assert (english.kind, english.engine, english.complete) == ("asr", "whisper", True)
    assert (english.languages, english.licence) == (("en",), "mit")
    assert 700_000 < english.size < 2_000_000
    assert (found["whisper-tiny"].languages, found["whisper-tiny"].licence) == (("*",), "")


def test_voice_of_piper_is_told_with_its_size_language_and_licence(tmp_path: Path) -> None:
    path = piper.build(tmp_path / "piper" / "en_US-amy-medium.onnx", language="en_US")
    (tmp_path / "piper" / "en_US-amy-medium.MODEL_CARD").write_text(CARD)
    (voice,) = filed(tmp_path).values()
    assert (voice.name, voice.kind, voice.engine) == ("piper-en_US-amy-medium", "tts", "piper")
    assert (voice.languages, voice.licence, voice.complete) == (("en-US",), "CC BY 4.0", True)
    assert voice.size == path.stat().st_size + path.with_name(f"{path.name}.json").stat().st_size


def test_voice_pack_is_told_as_its_metadata_says(tmp_path: Path) -> None:
    folder = packed(tmp_path, "amy")
    (voice,) = filed(tmp_path).values()
    assert (voice.name, voice.kind, voice.engine) == ("piper-amy", "tts", "piper")
    assert (voice.languages, voice.licence) == (("en-GB",), "MIT")
    assert voice.model == folder / "voice.onnx"


def test_missing_files_make_a_model_incomplete(tmp_path: Path) -> None:
    piper.build(tmp_path / "piper" / "amy.onnx").with_name("amy.onnx.json").unlink()
    for name in ("tokenizer.json", "vocabulary.json"):
        (whisper.build(tmp_path / "whisper" / "tiny") / name).unlink()
    packed(tmp_path, "bea", PACK.replace("licence: MIT", "license: MIT"))
    found = filed(tmp_path)
    assert found["piper-amy"].faults == ("amy.onnx.json is missing",)
    assert found["whisper-tiny"].faults == ("vocabulary.json is missing",)
    metadata = tmp_path / "voices" / "bea" / "metadata.yaml"
    assert found["voice-bea"].faults == (
        f"{metadata}: licence: is missing",
        f"{metadata}: license: no such setting; did you mean 'licence'?",
    )
    assert not any(entry.complete for entry in found.values())


def test_links_within_the_root_are_followed_and_others_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    whisper.build(tmp_path / "elsewhere")
    whisper.build(root / "whisper" / "tiny")
    (root / "whisper" / "default").symlink_to("tiny")
    (root / "whisper" / "foreign").symlink_to(tmp_path / "elsewhere")
    (root / "whisper" / "circle").symlink_to("circle")
    mixed = whisper.build(root / "whisper" / "mixed")
    (mixed / "model.bin").unlink()
    (mixed / "model.bin").symlink_to(tmp_path / "elsewhere" / "model.bin")
    packed(tmp_path, "amy").rename(tmp_path / "amy")
    (root / "voices").mkdir()
    (root / "voices" / "amy").symlink_to(tmp_path / "amy")
    (root / "piper").mkdir()
    (root / "piper" / "out.onnx").symlink_to(piper.build(tmp_path / "out.onnx"))
    found = filed(root)
    assert {name for name, entry in found.items() if entry.complete} == {"whisper-tiny", "whisper-default"}
    assert found["whisper-foreign"].faults == (f"foreign leads out of {root}",)
    assert found["whisper-mixed"].faults == (f"model.bin leads out of {root}",)
    assert found["voice-amy"].faults == (f"amy leads out of {root}",)
    assert found["piper-out"].faults == (f"out.onnx leads out of {root}",)


def test_root_may_itself_be_a_link(tmp_path: Path) -> None:
    whisper.build(tmp_path / "disk" / "whisper" / "tiny")
    (tmp_path / "models").symlink_to(tmp_path / "disk")
    assert filed(tmp_path / "models")["whisper-tiny"].complete


@pytest.mark.parametrize("name", ["my model", "-x", "a..b", "a'b", "x" * 101, "tiny\n"])
def test_odd_names_are_told_and_not_used(tmp_path: Path, name: str) -> None:
    whisper.build(tmp_path / "whisper" / name)
    (entry,) = filed(tmp_path).values()
    assert entry.faults == ("its name may have letters, digits and single . _ + - between them only",)


def test_hidden_folders_are_no_models(tmp_path: Path) -> None:
    (tmp_path / "whisper" / ".unfinished").mkdir(parents=True)
    assert filed(tmp_path) == {}


@pytest.mark.parametrize(
    "name",
    ["", "whisper-small", "../whisper/tiny", "whisper-../tiny", "tiny", "/etc", "whisper-tiny/", "WHISPER-TINY",
     "https://hub.example/whisper-tiny", "voice-", "piper-"],
)  # fmt: skip
def test_name_that_is_not_in_the_catalogue_finds_nothing(tmp_path: Path, name: str) -> None:
    whisper.build(tmp_path / "whisper" / "tiny")
    piper.build(tmp_path / "piper" / "amy.onnx")
    with pytest.raises(AdapterUnavailable) as caught:
        Catalogue(tmp_path).find(name)
    assert caught.value.code == "model_not_found"
    assert "there are pocketsphinx, scripted, whisper-tiny, espeak, piper-amy, tone" in caught.value.message


def test_voice_is_found_by_its_speaker_too_and_the_medium_one_first(tmp_path: Path) -> None:
    for name in ("en_US-amy-low", "en_US-amy-medium", "en_US-joe-high", "en_GB-amy-high"):
        piper.build(tmp_path / "piper" / f"{name}.onnx")
    catalogue = Catalogue(tmp_path)
    assert catalogue.find("piper-amy").name == "piper-en_US-amy-medium"
    assert catalogue.find("piper-joe").name == "piper-en_US-joe-high"
    (tmp_path / "piper" / "en_US-amy-medium.onnx.json").unlink()
    assert catalogue.find("piper-amy").name == "piper-en_GB-amy-high"
    packed(tmp_path, "amy")
    assert catalogue.find("piper-amy").languages == ("en-GB",)


def test_two_models_of_one_name_are_both_refused(tmp_path: Path) -> None:
    piper.build(tmp_path / "piper" / "amy.onnx")
    packed(tmp_path, "amy")
    found = [entry for entry in Catalogue(tmp_path).entries() if entry.name == "piper-amy"]
    assert [entry.faults for entry in found] == [("two models have this name; rename one of them",)] * 2


def test_settings_for_a_model_name_its_engine_and_files(tmp_path: Path) -> None:
    whisper.build(tmp_path / "whisper" / "tiny")
    folder = packed(tmp_path, "amy")
    catalogue = Catalogue(tmp_path)
    settings = Settings()
    hearing = catalogue.find("whisper-tiny").chosen(settings)
    assert (hearing.asr.engine, hearing.asr.whisper.model) == ("whisper", str(tmp_path / "whisper" / "tiny"))
    speaking = catalogue.find("piper-amy").chosen(settings)
    assert (speaking.tts.engine, speaking.tts.piper.model) == ("piper", str(folder / "voice.onnx"))
    assert catalogue.find("espeak").chosen(settings).tts.engine == "espeak"
    assert settings == Settings()


def test_engine_of_ones_own_is_in_the_catalogue(tmp_path: Path) -> None:
    assert Catalogue(tmp_path, {"hum": "tts"}).find("hum").kind == "tts"
