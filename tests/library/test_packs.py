"""Voice packs: what is taken, and one clear line for each mistake."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.tiny import piper
from voicechat.audio import Samples, write_wav
from voicechat.errors import ConfigError
from voicechat.library import packs

ENGINES = frozenset({"piper", "xtts"})
CLONED = {"engine": "xtts", "languages": ["en-GB"], "sample_rate": 24_000, "licence": "CC0-1.0"}


def speech(seconds: float = 2.0, rate: int = 24_000, loudness: float = 4_000.0) -> Samples:
    wave = loudness * np.sin(2 * np.pi * 220 / rate * np.arange(round(seconds * rate)))
    return np.asarray(wave, np.int16)


def cloned(folder: Path, **changes: Any) -> Path:
    """A pack of a cloning engine; None leaves a key out."""
    folder.mkdir(parents=True, exist_ok=True)
    write_wav(folder / "reference.wav", 24_000, speech())
    about = {
        **CLONED, "reference": {"audio": "reference.wav", "transcript": "The museum opens at ten."}, "consent": True,
        **changes,
    }  # fmt: skip
    about = {key: value for key, value in about.items() if value is not None}
    (folder / "metadata.yaml").write_text(yaml.safe_dump(about), encoding="utf-8")
    return folder


def mistakes(folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        packs.load(folder, ENGINES)
    lines = caught.value.message.splitlines()
    assert all(line.startswith(f"{folder / 'metadata.yaml'}: ") for line in lines), lines
    return [line.removeprefix(f"{folder / 'metadata.yaml'}: ") for line in lines]


def test_pack_of_piper_names_its_model(tmp_path: Path) -> None:
    piper.build(tmp_path / "amy" / "voice.onnx")
    text = "{engine: piper, model: voice.onnx, languages: [en-US], tags: [calm], sample_rate: 22050, licence: MIT}"
    (tmp_path / "amy" / "metadata.yaml").write_text(text)
    pack = packs.load(tmp_path / "amy", ENGINES)
    assert (pack.model, pack.reference) == (tmp_path / "amy" / "voice.onnx", None)
    assert (pack.metadata.tags, pack.metadata.consent) == (("calm",), False)


def test_pack_of_a_cloned_voice_has_sound_and_consent(tmp_path: Path) -> None:
    pack = packs.load(cloned(tmp_path / "anna"), ENGINES)
    assert (pack.model, pack.reference) == (None, tmp_path / "anna" / "reference.wav")
    assert pack.metadata.reference is not None
    assert pack.metadata.reference.transcript == "The museum opens at ten."


def test_example_in_the_documentation_is_a_good_pack(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "voices.md").read_text(encoding="utf-8")
    for number, block in enumerate(text.split("```yaml\n")[1:]):
        folder = cloned(tmp_path / str(number))
        (folder / "metadata.yaml").write_text(block.partition("```")[0], encoding="utf-8")
        piper.build(folder / "amy.onnx")
        assert packs.load(folder, ENGINES).metadata.licence
    assert text.count("```yaml\n") == 2


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"engine": "pipr"}, "engine: found 'pipr'; allowed: piper, xtts"),
        ({"engine": None}, "engine: is missing"),
        ({"licence": ""}, "licence: found ''; string should have at least 1 character"),
        ({"languages": []}, "languages: found (); at least one is expected"),
        ({"languages": ["English"]}, "languages.0: found 'English'; allowed: tags such as en or en-GB"),
        ({"sample_rate": 96_000}, "sample_rate: found 96000; allowed: less than or equal to 48000"),
        ({"license": "MIT"}, "license: no such setting; did you mean 'licence'?"),
        ({"consent": "maybe"}, "consent: found 'maybe'; allowed: a valid boolean"),
        (
            {"consent": None},
            "consent: found False; a voice is cloned only with 'consent: true', by the person whose it is",
        ),
        ({"reference": None}, "reference: is missing; xtts imitates a recording"),
        ({"reference": {"audio": "reference.wav"}}, "reference.transcript: is missing"),
        (
            {"reference": {"audio": "reference.wav", "transcript": "Hi.", "txt": 1}},
            "reference.txt: no such setting; allowed here: audio, transcript",
        ),
        (
            {"reference": {"audio": "../anna.wav", "transcript": "Hi."}},
            "reference.audio: found '../anna.wav'; it leads out of the pack",
        ),
        (
            {"reference": {"audio": "/etc/passwd", "transcript": "Hi."}},
            "reference.audio: found '/etc/passwd'; it leads out of the pack",
        ),
        ({"model": "."}, "model: found '.'; it leads out of the pack"),
        ({"model": "model.pth"}, "model: found 'model.pth'; the pack has no such file"),
        ({"engine": "piper", "reference": None}, "model: is missing; a voice of piper is a file NAME.onnx"),
        (
            {"engine": "piper", "reference": None, "model": "reference.wav"},
            "model: found 'reference.wav'; allowed with piper: a file NAME.onnx",
        ),
    ],
)
def test_mistake_is_one_line_with_key_finding_and_choice(tmp_path: Path, changes: dict[str, Any], line: str) -> None:
    assert mistakes(cloned(tmp_path / "anna", **changes)) == [line]


def test_every_mistake_gets_its_own_line(tmp_path: Path) -> None:
    lines = mistakes(cloned(tmp_path / "anna", engine="x", model="none.pth", consent=False))
    assert [line.partition(":")[0] for line in lines] == ["engine", "model", "consent"]


@pytest.mark.parametrize(
    ("seconds", "rate", "loudness", "line"),
    [
        (2.0, 24_000, 0.0, "reference.audio: found 'reference.wav'; it is silent"),
        (2.0, 24_000, 30.0, "reference.audio: found 'reference.wav'; it is silent"),
        (2.0, 8_000, 4_000.0, "reference.audio: found 8000 Hz; allowed: 16000 to 48000 Hz"),
        (0.5, 24_000, 4_000.0, "reference.audio: found 0.5 s; allowed: 1 to 60 s"),
        (61.0, 16_000, 4_000.0, "reference.audio: found 61.0 s; allowed: 1 to 60 s"),
    ],
)
def test_reference_is_a_sound_that_can_be_imitated(
    tmp_path: Path, seconds: float, rate: int, loudness: float, line: str
) -> None:
    folder = cloned(tmp_path / "anna")
    write_wav(folder / "reference.wav", rate, speech(seconds, rate, loudness))
    assert mistakes(folder) == [line]


def test_reference_that_is_no_wav_is_told(tmp_path: Path) -> None:
    folder = cloned(tmp_path / "anna")
    (folder / "reference.wav").write_bytes(b"RIFF, or so it says, and nothing else that could be sound")
    (line,) = mistakes(folder)
    assert line.startswith("reference.audio: found 'reference.wav'; it is not a WAV that can be used: ")


def test_link_out_of_the_pack_is_refused(tmp_path: Path) -> None:
    folder = cloned(tmp_path / "anna")
    (folder / "reference.wav").rename(tmp_path / "elsewhere.wav")
    (folder / "reference.wav").symlink_to(tmp_path / "elsewhere.wav")
    assert mistakes(folder) == ["reference.audio: found 'reference.wav'; it leads out of the pack"]


def test_description_that_is_not_there_or_no_yaml_is_told(tmp_path: Path) -> None:
    (tmp_path / "anna").mkdir()
    assert mistakes(tmp_path / "anna") == ["cannot be read: No such file or directory"]
    (tmp_path / "anna" / "metadata.yaml").write_text("engine: [")
    assert mistakes(tmp_path / "anna")[0].startswith("is not YAML: ")
