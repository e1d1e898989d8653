"""Engines by name: the one that is wanted, or the best that can be loaded here."""

from pathlib import Path

import pytest

from tests.tiny import piper, whisper
from voicechat import adapters
from voicechat.config import ModelSettings, Settings
from voicechat.errors import AdapterUnavailable, ConfigError


def with_models(root: Path) -> Settings:
    return Settings(models=ModelSettings(root=root))


def test_without_models_the_embedded_engines_are_chosen(tmp_path: Path) -> None:
    settings = with_models(tmp_path)
    speaker = adapters.choose("tts", "auto", settings)
    listener = adapters.choose("asr", "auto", settings, ())
    assert (speaker.name, listener.name) == ("espeak", "pocketsphinx")
    speaker.close()
    listener.close()


def test_models_that_are_there_are_preferred(tmp_path: Path) -> None:
    (tmp_path / "piper").mkdir()
    piper.build(tmp_path / "piper" / "voice.onnx")
    whisper.build(tmp_path / "whisper" / "tiny.en", " Good morning.")
    settings = with_models(tmp_path)
    speaker = adapters.choose("tts", "auto", settings)
    listener = adapters.choose("asr", "auto", settings, ())
    assert (speaker.name, listener.name) == ("piper", "whisper")
    speaker.close()
    listener.close()


@pytest.mark.parametrize("kind", ["vad", "asr", "agent", "tts"])
def test_an_unknown_engine_is_told_with_those_there_are(kind: str) -> None:
    with pytest.raises(ConfigError, match=rf"{kind}.engine: found 'nonesuch'; allowed: .*{adapters.names(kind)[0]}"):
        adapters.choose(kind, "nonesuch")


def test_an_engine_without_its_model_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(AdapterUnavailable):
        adapters.choose("tts", "piper", with_models(tmp_path))
