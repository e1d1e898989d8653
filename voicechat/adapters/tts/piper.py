"""Piper: neural voices as ONNX files, light enough for a CPU.

A voice is `NAME.onnx` with `NAME.onnx.json` beside it. Piper makes a sentence in one go; the first step takes the time
of the sentence, about a tenth of its length on one CPU core, the others none.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, Field, ValidationError

from voicechat.adapters import onnx_session
from voicechat.adapters.tts import plain
from voicechat.audio import MAX_RATE, MIN_RATE
from voicechat.config import Settings
from voicechat.errors import AdapterUnavailable, EngineFailed
from voicechat.protocols import Capabilities, Speech, Voice

if TYPE_CHECKING:
    import piper

PIECE_SECONDS: Final = 0.2
_PIPER_ERRORS: Final[tuple[type[Exception], ...]] = (LookupError, RuntimeError, TypeError, ValueError)


class _Audio(BaseModel):
    sample_rate: int = Field(ge=MIN_RATE, le=MAX_RATE)


class _Espeak(BaseModel):
    voice: str


class _Language(BaseModel):
    code: str = ""


class _Inference(BaseModel):
    noise_scale: float = 0.667
    length_scale: float = 1.0
    noise_w: float = 0.8


class _Description(BaseModel):
    """What we and piper-tts read of NAME.onnx.json."""

    audio: _Audio
    espeak: _Espeak
    language: _Language = _Language()
    phoneme_type: Literal["espeak", "text"] = "espeak"  # other kinds fetch or import more when they first speak
    phoneme_id_map: dict[str, list[int]]
    num_symbols: int
    num_speakers: int
    speaker_id_map: dict[str, int] = {}
    default_speaker_id: int = 0
    inference: _Inference = _Inference()
    hop_length: int = 256
    vowel_clusters: list[list[str]] = []


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
        return self._speak(plain(text).replace("[[", "[ ["), self._speakers[name], speed)  # [[ starts raw phonemes

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
    description = _describe(path.with_name(f"{path.name}.json"))
    session = onnx_session.open_session(path, threads=settings.tts.piper.threads, device=settings.tts.device)
    import piper

    voice = piper.PiperVoice(session=session, config=piper.PiperConfig.from_dict(description.model_dump()))
    language = description.language.code or description.espeak.voice
    engine = Piper(path.stem, language.replace("_", "-"), voice)
    for _ in engine.synthesize("Hi.", ""):
        pass
    return engine


def _find(settings: Settings) -> Path:
    model, folder = settings.tts.piper.model, settings.models.root / "piper"
    if not model:
        first = min(folder.glob("*.onnx"), default=None)
        if first is None:
            raise AdapterUnavailable("model_missing", f"piper: no voice (NAME.onnx and NAME.onnx.json) in {folder}")
        return first
    path = Path(model).expanduser() if model.endswith(".onnx") else folder / f"{model}.onnx"
    if not path.is_file():
        raise AdapterUnavailable("model_missing", f"piper: no voice {path}")
    return path


def _describe(path: Path) -> _Description:
    try:
        return _Description.model_validate_json(path.read_bytes())
    except OSError as error:
        raise EngineFailed("bad_model", f"piper: {path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise EngineFailed("bad_model", f"piper: {path} describes no voice: {key}: {first['msg']}") from error
