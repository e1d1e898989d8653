"""Piper: neural voices as ONNX files, light enough for a CPU.

A voice is `NAME.onnx` with `NAME.onnx.json` beside it. Piper makes a sentence in one go; the first step takes the time
of the sentence, about a tenth of its length on one CPU core, the others none.
"""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from voicechat.adapters import onnx_session
from voicechat.adapters.tts import plain
from voicechat.config import Settings, TtsSettings
from voicechat.errors import AdapterUnavailable, EngineFailed
from voicechat.protocols import Capabilities, Speech, Voice

if TYPE_CHECKING:
    import piper

PIECE_SECONDS: Final = 0.2
SIMPLE_PHONEMES: Final = ("espeak", "text")
"""The kinds of voice that need nothing beside the wheel; others fetch or import more when they first speak."""

_PIPER_ERRORS: Final[tuple[type[Exception], ...]] = (LookupError, RuntimeError, TypeError, ValueError)


class Piper:
    """One voice file, with its speakers as `NAME#SPEAKER`."""

    name = "piper"

    def __init__(self, name: str, language: str, voice: "piper.PiperVoice") -> None:
        self.rate: int = voice.config.sample_rate
        self._voice = voice
        speakers = sorted(voice.config.speaker_id_map.items(), key=lambda item: item[1])
        self._speakers: dict[str, int | None] = {name: None} | {f"{name}#{key}": number for key, number in speakers}
        self.voices = tuple(Voice(voice, language) for voice in self._speakers)
        self.capabilities = Capabilities(streaming=True, languages=(language,))

    def synthesize(self, text: str, voice: str, speed: float = 1.0) -> Iterator[Speech]:
        """Pieces of at most 0.2 s, without word times."""
        name = voice or self.voices[0].name
        if name not in self._speakers:
            some = ", ".join(list(self._speakers)[:8])
            raise EngineFailed("unknown_voice", f"piper has no voice {name!r}: {some}")
        return self._speak(plain(text), self._speakers[name], speed)

    def _speak(self, text: str, speaker: int | None, speed: float) -> Iterator[Speech]:
        import piper

        how = piper.SynthesisConfig(speaker_id=speaker, length_scale=self._voice.config.length_scale / speed)
        piece = round(PIECE_SECONDS * self.rate)
        try:
            for sentence in self._voice.synthesize(text, how):
                samples = sentence.audio_int16_array
                for start in range(0, len(samples), piece):
                    yield Speech(samples[start : start + piece])
        except (*onnx_session.errors(), *_PIPER_ERRORS) as error:
            reason = onnx_session.first_line(error)
            raise EngineFailed("synthesis_failed", f"piper, {self.voices[0].name}: {reason}") from error

    def close(self) -> None:
        """Nothing: the model goes with the last reference to it."""


def load(settings: Settings) -> Piper:
    """Reads the voice and lets it say a word, so that one that cannot speak is found out here.

    Raises AdapterUnavailable without a voice file or the piper-tts package, EngineFailed for a broken voice.
    """
    path = _find(settings)
    if importlib.util.find_spec("piper") is None:
        raise AdapterUnavailable("library_missing", "piper needs the package piper-tts: pip install voicechat[piper]")
    described = _describe(path.with_name(f"{path.name}.json"))
    voice = _open(path, described, settings.tts)
    language = str(described.get("language", {}).get("code") or voice.config.espeak_voice).replace("_", "-")
    engine = Piper(path.stem, language, voice)
    for _ in engine.synthesize("Hi.", ""):
        pass
    return engine


def _find(settings: Settings) -> Path:
    model, folder = settings.tts.piper.model, settings.models.root / "piper"
    if not model:
        path = min(folder.glob("*.onnx"), default=None)
        if path is None:
            raise AdapterUnavailable("model_missing", f"piper: no voice (NAME.onnx and NAME.onnx.json) in {folder}")
        return path
    path = Path(model).expanduser() if model.endswith(".onnx") else folder / f"{model}.onnx"
    if not path.is_file():
        raise AdapterUnavailable("model_missing", f"piper: no voice {path}")
    return path


def _describe(path: Path) -> dict[str, Any]:
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EngineFailed("bad_model", f"piper: {path} cannot be read: {error}") from error
    if not isinstance(described, dict):
        raise EngineFailed("bad_model", f"piper: {path} does not describe a voice")
    return described


def _open(path: Path, described: dict[str, Any], settings: TtsSettings) -> "piper.PiperVoice":
    import piper

    try:
        config = piper.PiperConfig.from_dict(described)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EngineFailed("bad_model", f"piper: {path}.json does not describe a voice: {error!r}") from error
    if config.phoneme_type.value not in SIMPLE_PHONEMES:
        raise EngineFailed("bad_model", f"piper: {path} wants {config.phoneme_type.value} phonemes; we have none")
    session = onnx_session.open_session(path, threads=settings.piper.threads, device=settings.device)
    return piper.PiperVoice(session=session, config=config)
