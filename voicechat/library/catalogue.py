"""Which models there are: each has a name, and its files lie under one root.

    whisper/NAME/            whisper-NAME: a CTranslate2 model
    piper/NAME.onnx          piper-NAME, with NAME.onnx.json and, for the licence, NAME.MODEL_CARD beside it
    voices/NAME/             ENGINE-NAME: a voice pack, see packs.py

Others are built in and need no file: espeak, pocketsphinx. A name from outside is only ever compared with the names of
what is there; it never becomes part of a path.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from voicechat.config import Settings
from voicechat.errors import AdapterUnavailable, ConfigError
from voicechat.library import packs
from voicechat.library.packs import CLONING, VoicePack

Kind = Literal["asr", "tts"]

BUILT_IN: Final[Mapping[str, Kind]] = {"espeak": "tts", "tone": "tts", "pocketsphinx": "asr", "scripted": "asr"}
"""Engines that need no file."""

FILED: Final = frozenset({"whisper", "whisperx", "piper", *CLONING})
"""Engines that are nothing without a model's files."""

NAME: Final = re.compile(r"[A-Za-z0-9](?:[._+-]?[A-Za-z0-9])*")
"""Of a model: no separator of paths, no two dots in a row, no dot in front."""

NAME_LENGTH: Final = 100
NAME_MISTAKE: Final = "its name may have letters, digits and single . _ + - between them only"

ANY: Final = "*"
"""Stands for all the languages that an engine knows."""

PIPER_QUALITIES: Final = ("medium", "high", "low", "x_low")
"""Best first, where best is a good voice soon."""

WHISPER_FILES: Final = ("model.bin", "tokenizer.json")
"""Without its tokenizer, faster-whisper would ask the network for one."""

WHISPER_VOCABULARIES: Final = ("vocabulary.json", "vocabulary.txt")
CARD: Final = ".MODEL_CARD"
CARD_BYTES: Final = 65_536

_LICENCE: Final = re.compile(r"^[\s*-]*licen[cs]e:\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Entry:
    """A model, loaded or not. `size` in bytes on disk; `faults` say in a line each why it cannot be loaded."""

    name: str
    kind: Kind
    engine: str
    place: Path | None = None
    """Its file or folder; None: it is built in."""
    size: int = 0
    languages: tuple[str, ...] = ()
    """BCP 47; "*" is any that the engine knows, empty: see the engine."""
    licence: str = ""
    faults: tuple[str, ...] = ()
    pack: VoicePack | None = None

    @property
    def complete(self) -> bool:
        return not self.faults

    @property
    def model(self) -> Path | None:
        """What its engine loads."""
        return self.pack.model if self.pack is not None else self.place

    def told(self) -> dict[str, object]:
        """As JSON, for those who need not know where it lies."""
        return {
            "name": self.name,
            "kind": self.kind,
            "engine": self.engine,
            "size": self.size,
            "languages": list(self.languages),
            "licence": self.licence,
            "complete": self.complete,
            "faults": list(self.faults),
        }

    def chosen(self, settings: Settings) -> Settings:
        """Settings with which the adapters load this model."""
        section = getattr(settings, self.kind)
        changes: dict[str, Any] = {"engine": self.engine}
        if self.model is not None:
            own = getattr(section, self.engine)
            changes[self.engine] = own.model_copy(update={"model": str(self.model)})
        return settings.model_copy(update={self.kind: section.model_copy(update=changes)})


class Catalogue:
    """The models under `root`, read anew at each call. Blocking.

    `built_in` are the engines that need no file; `speaking` the adapters that voice packs may name.
    """

    def __init__(
        self, root: Path, built_in: Mapping[str, Kind] = BUILT_IN, speaking: frozenset[str] = frozenset({"piper"})
    ) -> None:
        self.root = root.expanduser()
        self._built_in = built_in
        self._speaking = speaking

    def entries(self) -> list[Entry]:
        """All, complete or not, by name. Raises AdapterUnavailable when a folder cannot be read."""
        found = [Entry(name, kind, name) for name, kind in self._built_in.items()]
        try:
            found += [*self._whisper(), *self._piper(), *self._packs()]
        except OSError as error:
            raise AdapterUnavailable(
                "unreadable_models", f"{error.filename or self.root}: cannot be read: {error.strerror}"
            ) from error
        times = Counter(entry.name for entry in found)
        twice = ("two models have this name; rename one of them",)
        found = [replace(entry, faults=twice) if times[entry.name] > 1 else entry for entry in found]
        return sorted(found, key=lambda entry: (entry.kind, entry.name))

    def find(self, name: str) -> Entry:
        """A model by its name; `piper-amy` is `piper-en_US-amy-medium` where nothing else has that name.

        It may be incomplete. Raises AdapterUnavailable with the code model_not_found.
        """
        entries = self.entries()
        found = named(name, entries)
        if found is None:
            known = ", ".join(entry.name for entry in entries if entry.complete)
            raise AdapterUnavailable("model_not_found", f"there is no model {name[:NAME_LENGTH]!r}; there are {known}")
        return found

    def _whisper(self) -> Iterator[Entry]:
        for folder in self._children("whisper"):
            if folder.is_dir():
                faults = self._whisper_faults(folder)
                size = 0 if faults else sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
                yield Entry(
                    f"whisper-{folder.name}", "asr", "whisper", folder, size,
                    whisper_languages(folder.name), "" if faults else _licence(folder / "README.md"), faults,
                )  # fmt: skip

    def _whisper_faults(self, folder: Path) -> tuple[str, ...]:
        files = [folder / name for name in (*WHISPER_FILES, *WHISPER_VOCABULARIES)]
        return self._refused(folder, *files) or tuple(f"{name} is missing" for name in whisper_lacks(folder))

    def _piper(self) -> Iterator[Entry]:
        for path in self._children("piper"):
            if path.suffix != ".onnx":
                continue
            description, card = path.with_name(f"{path.name}.json"), path.with_name(f"{path.stem}{CARD}")
            faults = self._refused(path, path, description, card)
            if not faults and not path.is_file():
                faults = (f"{path.name} is missing",)
            if not faults and not description.is_file():
                faults = (f"{description.name} is missing",)
            size = 0 if faults else path.stat().st_size + description.stat().st_size
            languages, licence = ((), "") if faults else (_piper_languages(description), _licence(card))
            yield Entry(f"piper-{path.stem}", "tts", "piper", path, size, languages, licence, faults)

    def _packs(self) -> Iterator[Entry]:
        for folder in self._children("voices"):
            if not folder.is_dir():
                continue
            if faults := self._refused(folder, folder):
                yield Entry(f"voice-{folder.name}", "tts", "", folder, faults=faults)
                continue
            try:
                pack = packs.load(folder, self._speaking)
            except ConfigError as error:
                faults = tuple(error.message.splitlines())
                yield Entry(f"voice-{folder.name}", "tts", "", folder, faults=faults)
                continue
            about = pack.metadata
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            yield Entry(
                f"{about.engine}-{folder.name}", "tts", about.engine, folder, size,
                about.languages, about.licence, pack=pack,
            )  # fmt: skip

    def _children(self, name: str) -> list[Path]:
        folder = self.root / name
        try:
            return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        except FileNotFoundError:
            return []

    def _refused(self, place: Path, *files: Path) -> tuple[str, ...]:
        """Why a model is not even looked into."""
        name = place.stem if place.suffix == ".onnx" else place.name
        if not NAME.fullmatch(name) or len(name) > NAME_LENGTH:
            return (NAME_MISTAKE,)
        if place.is_dir() and not os.access(place, os.R_OK | os.X_OK):
            return (f"{place.name} cannot be read",)
        outside = next((path for path in (place, *files) if not packs.is_inside(path, self.root)), None)
        return (f"{outside.name} leads out of {self.root}",) if outside is not None else ()


def named(name: str, entries: Collection[Entry]) -> Entry | None:
    """The model of that name, or else the best one whose speaker is called so."""
    for entry in entries:
        if entry.name == name:
            return entry
    spoken = [entry for entry in entries if _speaker(entry) and f"{entry.engine}-{_speaker(entry)}" == name]
    return min(spoken, key=_rank, default=None)


def whisper_lacks(folder: Path) -> list[str]:
    """The files that a Whisper model lacks."""
    lacks = [name for name in WHISPER_FILES if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in WHISPER_VOCABULARIES):
        lacks.append(WHISPER_VOCABULARIES[0])
    return lacks


def whisper_languages(name: str) -> tuple[str, ...]:
    """What a Whisper model understands, by its name: the distilled ones are English, too."""
    return ("en",) if name.endswith(".en") or name.startswith("distil-") else (ANY,)


def _piper_languages(description: Path) -> tuple[str, ...]:
    """As the voice says itself; none when it does not, which its engine complains of."""
    try:
        about = json.loads(description.read_bytes())
        code = about.get("language", {}).get("code") or about["espeak"]["voice"]
        return (code.replace("_", "-"),)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()


def _licence(card: Path) -> str:
    """The line of a model card that names it."""
    try:
        with card.open(encoding="utf-8", errors="replace") as file:
            found = _LICENCE.search(file.read(CARD_BYTES))
    except OSError:
        return ""
    return found.group(1)[:100] if found else ""


def _speaker(entry: Entry) -> str:
    """The middle of Piper's LANGUAGE-SPEAKER-QUALITY."""
    parts = entry.place.stem.split("-") if entry.engine == "piper" and entry.place else []
    return parts[1] if len(parts) == 3 else ""


def _rank(entry: Entry) -> tuple[bool, int, str]:
    """Complete ones first, then by quality."""
    quality = entry.name.rpartition("-")[2]
    place = PIPER_QUALITIES.index(quality) if quality in PIPER_QUALITIES else len(PIPER_QUALITIES)
    return (not entry.complete, place, entry.name)
