"""Voice packs: a folder `voices/NAME/` with the files of one voice, and a `metadata.yaml` that says what they are."""

import wave
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError

from voicechat.audio import MAX_RATE, MIN_RATE, level, read_wav
from voicechat.config.mistakes import explain
from voicechat.config.yaml_file import read_yaml
from voicechat.errors import ConfigError

METADATA: Final = "metadata.yaml"

CLONING: Final = frozenset({"cosyvoice2", "csm", "xtts"})
"""Engines that take their voice from the sound of a person."""

REFERENCE_SECONDS: Final = (1.0, 60.0)
"""Less is no voice to imitate; more is a mistake, and no engine uses it."""

REFERENCE_RATE: Final = 16_000
"""Hz. Below it the sibilants are missing that make a voice."""

REFERENCE_BYTES: Final = 64 * 1024**2
QUIET_DB: Final = -50.0
"""A recording without a word in it stays below."""

Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Reference(_Section):
    """What a cloning engine imitates."""

    audio: Annotated[str, Field(min_length=1)]
    """A WAV in the pack: mono or stereo, 16 to 48 kHz, 1 to 60 s of one person speaking."""
    transcript: Annotated[str, Field(min_length=1)]
    """What is said in it, word for word."""


class Metadata(_Section):
    """What stands in metadata.yaml."""

    engine: str
    model: str = ""
    """The model's file or folder in the pack. Piper's is NAME.onnx, with NAME.onnx.json beside it."""
    languages: tuple[Language, ...]
    tags: tuple[str, ...] = ()
    sample_rate: Annotated[int, Field(ge=MIN_RATE, le=MAX_RATE)]
    """Hz, as the engine makes it."""
    reference: Reference | None = None
    licence: Annotated[str, Field(min_length=1)]
    """Of the files, e.g. CC0-1.0."""
    consent: StrictBool = False
    """The person whose voice it is agreed to its imitation. Nothing is cloned without."""


@dataclass(frozen=True, slots=True)
class VoicePack:
    """A pack whose files have been checked."""

    folder: Path
    metadata: Metadata

    @property
    def model(self) -> Path | None:
        return self.folder / self.metadata.model if self.metadata.model else None

    @property
    def reference(self) -> Path | None:
        return self.folder / self.metadata.reference.audio if self.metadata.reference else None


def load(folder: Path, engines: Collection[str]) -> VoicePack:
    """The pack in a folder, for one of these engines. Blocking: reads the reference audio too.

    Raises ConfigError with one line for each mistake.
    """
    path = folder / METADATA
    if not is_inside(path, folder):
        raise ConfigError("bad_voice_pack", f"{path}: leads out of the pack")
    values = read_yaml(path)
    try:
        metadata = Metadata.model_validate(values)
    except ValidationError as error:
        lines = [explain(details, str(path), {}, Metadata) for details in error.errors()]
    else:
        lines = [f"{path}: {line}" for line in _mistakes(folder, metadata, engines)]
    if lines:
        raise ConfigError("bad_voice_pack", "\n".join(lines))
    return VoicePack(folder, metadata)


def is_inside(path: Path, folder: Path) -> bool:
    """Whether the path, all links followed, stays in the folder. It need not exist."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # links in a circle
        return False


def _mistakes(folder: Path, metadata: Metadata, engines: Collection[str]) -> list[str]:
    lines = [*_plain_mistakes(metadata, engines), *_model_mistakes(folder, metadata)]
    cloned = metadata.engine in CLONING or metadata.reference is not None
    if metadata.engine in CLONING and metadata.reference is None:
        lines.append(f"reference: is missing; {metadata.engine} imitates a recording")
    if cloned and not metadata.consent:
        lines.append("consent: found False; a voice is cloned only with 'consent: true', by the person whose it is")
    if metadata.reference is not None:
        lines += [f"reference.audio: {line}" for line in _sound_mistakes(folder, metadata.reference.audio)]
    return lines


def _plain_mistakes(metadata: Metadata, engines: Collection[str]) -> list[str]:
    lines = []
    if metadata.engine not in engines:
        lines.append(f"engine: found '{metadata.engine}'; allowed: {', '.join(sorted(engines))}")
    if not metadata.languages:
        lines.append("languages: found (); at least one is expected")
    return lines


def _model_mistakes(folder: Path, metadata: Metadata) -> list[str]:
    if not metadata.model:
        return ["model: is missing; a voice of piper is a file NAME.onnx"] if metadata.engine == "piper" else []
    path = folder / metadata.model
    if line := _file_mistake(folder, metadata.model):
        return [f"model: {line}"]
    if metadata.engine != "piper":
        return []
    if path.suffix != ".onnx" or not path.is_file():
        return [f"model: found '{metadata.model}'; allowed with piper: a file NAME.onnx"]
    line = _file_mistake(folder, f"{metadata.model}.json")
    return [f"model: {line}"] if line else []


def _file_mistake(folder: Path, name: str) -> str:
    """Why the file of a pack cannot be taken; empty: it can."""
    path = folder / name
    if not is_inside(path, folder) or path.resolve() == folder.resolve():
        return f"found '{name}'; it leads out of the pack"
    return "" if path.exists() else f"found '{name}'; the pack has no such file"


def _sound_mistakes(folder: Path, name: str) -> list[str]:
    if line := _file_mistake(folder, name):
        return [line]
    path = folder / name
    try:
        if path.stat().st_size > REFERENCE_BYTES:
            return [f"found '{name}'; it is larger than {REFERENCE_BYTES // 1024**2} MB"]
        sound = read_wav(path)
    except OSError as error:
        return [f"found '{name}'; it cannot be read: {error.strerror}"]
    except (ValueError, wave.Error, EOFError) as error:
        reason = str(error).removeprefix(f"{path}: ") or "it ends too early"
        return [f"found '{name}'; it is not a WAV that can be used: {reason}"]
    least, most = REFERENCE_SECONDS
    if sound.rate < REFERENCE_RATE:
        return [f"found {sound.rate} Hz; allowed: {REFERENCE_RATE} to {MAX_RATE} Hz"]
    if not least <= sound.seconds <= most:
        return [f"found {sound.seconds:.1f} s; allowed: {least:.0f} to {most:.0f} s"]
    if level(sound.samples) < QUIET_DB:
        return [f"found '{name}'; it is silent"]
    return []
