"""Where Whisper models lie on this machine; nothing is ever fetched."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from voicechat.config import Settings
from voicechat.errors import AdapterUnavailable, EngineFailed
from voicechat.library.catalogue import whisper_lacks

PREFERENCE: Final = (
    "large-v3-turbo",
    "turbo",
    "distil-large-v3.5",
    "distil-large-v3",
    "distil-medium.en",
    "distil-small.en",
    "large-v3",
    "medium.en",
    "medium",
    "small.en",
    "small",
    "base.en",
    "base",
    "tiny.en",
    "tiny",
)
"""Best first, where best is good words soon: the distilled ones answer before the large one they come from."""

KNOWN: Final = (*PREFERENCE, "large-v2", "large-v1", "distil-large-v2")
"""All that the hub has."""

REPOSITORIES: Final = {
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
}
"""Those that are not Systran/faster-whisper-NAME."""

WEIGHTS: Final = "model.bin"


def repository(name: str) -> str:
    """Where the hub has a known model."""
    return REPOSITORIES.get(name, f"Systran/faster-whisper-{name}")


def find(settings: Settings) -> Path:
    """The directory of the wanted model, or of the best one. Raises AdapterUnavailable with the code no_model."""
    wanted, shelf = settings.asr.whisper.model, settings.models.root.expanduser() / "whisper"
    if wanted:
        for directory in _named(wanted, shelf):
            if directory.is_dir():
                return directory
        raise AdapterUnavailable(
            "no_model",
            f"asr.whisper.model: found {wanted!r}; it is no directory, and neither {shelf} nor {_cache()} has it",
        )
    for directory in _best(shelf, settings.asr.language):
        if (directory / WEIGHTS).is_file():
            return directory
    raise AdapterUnavailable("no_model", f"whisper: no model in {shelf} or {_cache()}")


def check(directory: Path) -> None:
    """Raises EngineFailed when files are missing or cut short.

    Without its tokenizer, faster-whisper would ask the network for one.
    """
    for name in whisper_lacks(directory):
        raise EngineFailed("bad_model", f"{directory}: {name} is missing")
    for name in ("config.json", "vocabulary.json", "preprocessor_config.json"):
        if (directory / name).is_file():
            _json(directory / name)
    tokenizer = _json(directory / "tokenizer.json")
    if not isinstance(tokenizer, dict) or not isinstance(tokenizer.get("model"), dict):
        raise EngineFailed("bad_model", f"{directory}: tokenizer.json holds no tokenizer")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise EngineFailed("bad_model", f"{path.parent}: {path.name} cannot be read: {error}") from error


def _named(name: str, shelf: Path) -> Iterator[Path]:
    """A directory, a name on our shelf or in the cache, or an owner/name in the cache."""
    yield Path(name).expanduser()
    yield shelf / name
    yield from _cached(name if "/" in name else repository(name))


def _best(shelf: Path, language: str) -> Iterator[Path]:
    """Known models for the language, best first; then whatever else is on the shelf."""
    english = language.lower().partition("-")[0] == "en"
    known = [name for name in PREFERENCE if english or not name.startswith("distil-") and not name.endswith(".en")]
    for name in known:
        yield shelf / name
        yield from _cached(repository(name))
    if shelf.is_dir():
        mine = (path for path in sorted(shelf.iterdir()) if path.name not in PREFERENCE)
        yield from (path for path in mine if not path.name.startswith("."))  # hidden: one that is being fetched


def _cached(source: str) -> Iterator[Path]:
    """Snapshots in the Hugging Face cache: first the one its main branch names, then the newest."""
    place = _cache() / f"models--{source.replace('/', '--')}"
    snapshots = place / "snapshots"
    if not snapshots.is_dir():
        return
    main = place / "refs" / "main"
    if main.is_file():
        yield snapshots / main.read_text().strip()
    yield from sorted(snapshots.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)


def _cache() -> Path:
    for variable, tail in (
        ("HF_HUB_CACHE", ""),
        ("HUGGINGFACE_HUB_CACHE", ""),
        ("HF_HOME", "hub"),
        ("XDG_CACHE_HOME", "huggingface/hub"),
    ):
        if value := os.environ.get(variable):
            return Path(value).expanduser() / tail
    return Path.home() / ".cache/huggingface/hub"
