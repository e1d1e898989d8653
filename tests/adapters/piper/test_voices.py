"""Which of Piper's voices speaks where none is named."""

from pathlib import Path

import pytest

from tests.tiny import piper
from voicechat.adapters.piper import voices
from voicechat.config import AsrSettings, ModelSettings, Settings


@pytest.mark.parametrize(
    ("language", "name"), [("en", "en_GB-alan-low"), ("fr-FR", "fr_FR-siwis-low"), ("ja", "de_DE-otto-medium")]
)
def test_first_voice_of_the_callers_language_speaks(tmp_path: Path, language: str, name: str) -> None:
    for voice in ("de_DE-otto-medium", "en_GB-alan-low", "en_US-amy-medium", "fr_FR-siwis-low"):
        piper.build(tmp_path / "piper" / f"{voice}.onnx")
    wanted = Settings(models=ModelSettings(root=tmp_path), asr=AsrSettings(language=language))
    assert voices.find(wanted).stem == name
