"""Where Piper's voices lie on this machine, and what is written about them; nothing is ever fetched."""

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, Field, ValidationError

from voicechat.audio import MAX_RATE, MIN_RATE
from voicechat.config import Settings
from voicechat.errors import AdapterUnavailable, EngineFailed
from voicechat.library.catalogue import Catalogue

PREFIX: Final = "piper-"


class _Audio(BaseModel):
    sample_rate: int = Field(ge=MIN_RATE, le=MAX_RATE)


class _Espeak(BaseModel):
    voice: str


class _Language(BaseModel):
    code: str = ""


class _Inference(BaseModel):
    noise_scale: float = 0.667
    length_scale: float = Field(default=1.0, gt=0)
    noise_w: float = 0.8


class Description(BaseModel):
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


def find(settings: Settings) -> Path:
    """The .onnx of the wanted voice, or of the first, of the callers' language if there is one: its name begins so.

    Raises AdapterUnavailable with the code model_missing.
    """
    wanted, folder = settings.tts.piper.model, settings.models.root.expanduser() / "piper"
    if not wanted:
        language = settings.asr.language.lower().partition("-")[0]
        found = sorted(folder.glob("*.onnx"))
        first = min(found, key=lambda path: path.name.partition("_")[0] != language, default=None)
        if first is None:
            raise AdapterUnavailable("model_missing", f"piper: no voice (NAME.onnx and NAME.onnx.json) in {folder}")
        return first
    path = Path(wanted).expanduser() if wanted.endswith(".onnx") else named(wanted, settings.models.root)
    if not path.is_file():
        raise AdapterUnavailable("model_missing", f"piper: no voice {path}")
    return path


def named(name: str, root: Path) -> Path:
    """The .onnx of a voice by its name in the catalogue, piper-amy, or without the engine's: amy, en_US-amy-medium."""
    try:
        entry = Catalogue(root).find(f"{PREFIX}{name.removeprefix(PREFIX)}")
    except AdapterUnavailable as error:
        raise AdapterUnavailable("model_missing", f"piper: no voice {name!r} in {root / 'piper'}") from error
    if entry.model is None or entry.engine != "piper":
        raise AdapterUnavailable("model_missing", f"piper: {name!r} in {root} is no voice of piper")
    return entry.model


def describe(path: Path) -> Description:
    """Of a voice's .onnx. Raises EngineFailed with the code bad_model."""
    path = path.with_name(f"{path.name}.json")
    try:
        return Description.model_validate_json(path.read_bytes())
    except OSError as error:
        raise EngineFailed("bad_model", f"piper: {path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise EngineFailed("bad_model", f"piper: {path} describes no voice: {key}: {first['msg']}") from error
