"""Fetches a model from the hub into the models' folder: all of it, or nothing that is seen.

Files come into a hidden folder beside the models and stay there until all have come and are what the hub says they are;
what has come is used again by the next try. Then the model is moved into its place at once.
"""

import asyncio
import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

import aiohttp
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from voicechat.adapters.whisper import models
from voicechat.config import Settings
from voicechat.errors import VoicechatError
from voicechat.fetching.hub import Hub, RemoteFile
from voicechat.library.catalogue import CARD, WHISPER_FILES, WHISPER_VOCABULARIES, Catalogue

PIPER_REPOSITORY: Final = "rhasspy/piper-voices"
PIPER_NAME: Final = re.compile(r"([a-z]{2,3})_([A-Z]{2}|\d{3})-([A-Za-z0-9_]+)-(x_low|low|medium|high)")

WHISPER_WANTED: Final = (*WHISPER_FILES, *WHISPER_VOCABULARIES, "config.json", "preprocessor_config.json", "README.md")
"""README.md names the licence."""

SPARE_BYTES: Final = 256 * 1024**2
"""Of the disk; a full one stops more than us."""


COLUMNS: Final = (
    TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Order:
    """A model that the hub has: where it is there, and what of it is wanted under which names here."""

    name: str
    """As in the catalogue."""
    engine: Literal["whisper", "piper"]
    short: str
    """Its name in the engine's folder."""
    repository: str
    folder: str = ""

    def keep(self, name: str) -> str:
        """What a file of the folder is called here; empty: it is not wanted."""
        if self.engine == "whisper":
            return name if name in WHISPER_WANTED else ""
        return {
            f"{self.short}.onnx": f"{self.short}.onnx",
            f"{self.short}.onnx.json": f"{self.short}.onnx.json",
            "MODEL_CARD": f"{self.short}{CARD}",
        }.get(name, "")

    def by_hand(self, root: Path, address: str) -> str:
        """What a person can do without the hub."""
        place = f"{address}/{self.repository}" + (f"/tree/main/{self.folder}" if self.folder else "")
        if self.engine == "piper":
            return f"put {self.short}.onnx and {self.short}.onnx.json of {place} into {root / 'piper'}"
        files = f"{', '.join(WHISPER_FILES)}, config.json and {' or '.join(WHISPER_VOCABULARIES)}"
        return f"put {files} of {place} into {root / 'whisper' / self.short}"


def order(name: str) -> Order:
    """For `whisper-small.en` or `piper-en_US-amy-medium`, or either without its engine. Raises VoicechatError."""
    short = name.removeprefix("whisper-")
    if short in models.KNOWN:
        return Order(f"whisper-{short}", "whisper", short, models.repository(short))
    short = name.removeprefix("piper-")
    if found := PIPER_NAME.fullmatch(short):
        language, region, speaker, quality = found.groups()
        folder = f"{language}/{language}_{region}/{speaker}/{quality}"
        return Order(f"piper-{short}", "piper", short, PIPER_REPOSITORY, folder)
    known = ", ".join(f"whisper-{known}" for known in models.KNOWN)
    raise VoicechatError(
        "model_not_found",
        f"{name[:100]!r} is nothing that the hub has; it has voices such as piper-en_US-amy-medium, and {known}",
    )


def run(settings: Settings, name: str) -> Path:
    """Fetches a model and shows how far it is; returns where it lies. Blocking. Raises VoicechatError."""
    wanted = order(name)
    screen = Console(stderr=True)
    with Progress(*COLUMNS, console=screen, transient=True, disable=not screen.is_terminal) as progress:
        bars = {}

        def told(file: RemoteFile, there: int) -> None:
            if file.path not in bars:
                bars[file.path] = progress.add_task(file.name, total=file.size)
            progress.update(bars[file.path], completed=there)

        async def fetch() -> Path:
            async with aiohttp.ClientSession(trust_env=True) as client:
                return await pull(wanted, settings.models.root, Hub(client, settings.models.hub), told)

        return asyncio.run(fetch())


async def pull(
    wanted: Order,
    root: Path,
    hub: Hub,
    told: Callable[[RemoteFile, int], None],
    free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
) -> Path:
    """Where the model lies, when it has come; at once if it is there. `free` gives the bytes left where a folder is.

    Raises VoicechatError; of a hub that cannot be reached it says what to do without.
    """
    there = _there(wanted, root)
    if there is not None:
        return there
    with _staging(wanted, root) as staging:
        try:
            files = await _listed(wanted, hub)
            parts = {file: staging / f"{wanted.keep(file.name)}.{file.checksum[:16]}.part" for file in files}
            _clear(staging, keep=set(parts.values()))
            _check_room(parts, free(staging))
            for file, part in parts.items():
                await hub.fetch(wanted.repository, file, part, partial(told, file))
        except VoicechatError as error:
            if error.code != "hub_unreachable":
                raise
            raise VoicechatError(error.code, f"{error.message}; {wanted.by_hand(root, hub.address)}") from error
        return _settle(wanted, root, staging, {wanted.keep(file.name): part for file, part in parts.items()})


async def _listed(wanted: Order, hub: Hub) -> list[RemoteFile]:
    """The files that make up the model."""
    files = [file for file in await hub.files(wanted.repository, wanted.folder) if wanted.keep(file.name)]
    names = {file.name for file in files}
    if wanted.engine == "piper":
        missing = {f"{wanted.short}.onnx", f"{wanted.short}.onnx.json"} - names
    else:
        missing = set(WHISPER_FILES) - names
        if names.isdisjoint(WHISPER_VOCABULARIES):
            missing.add(WHISPER_VOCABULARIES[0])
    if missing:
        raise VoicechatError(
            "model_not_found", f"{hub.address}/{wanted.repository}: the hub has no {', '.join(sorted(missing))} there"
        )
    return sorted(files, key=lambda file: file.size)


def _there(wanted: Order, root: Path) -> Path | None:
    """Where the whole model lies, if it does."""
    for entry in Catalogue(root).entries():
        if entry.name == wanted.name and entry.complete:
            return entry.place
    return None


@contextmanager
def _staging(wanted: Order, root: Path) -> Iterator[Path]:
    """The hidden folder that this pull alone may write to. Raises VoicechatError."""
    folder = root / wanted.engine / f".{wanted.short}.pull"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise VoicechatError("unwritable", f"{folder}: cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    except BlockingIOError:
        raise VoicechatError("being_pulled", f"{wanted.name} is being fetched already, into {folder}") from None
    finally:
        os.close(lock)
        with suppress(OSError):
            folder.rmdir()  # unless something has come


def _clear(staging: Path, keep: set[Path]) -> None:
    """Of a model that has changed on the hub, nothing is used again."""
    for path in staging.iterdir():
        if path not in keep:
            path.unlink()


def _check_room(parts: dict[RemoteFile, Path], free: int) -> None:
    needed = sum(file.size - (part.stat().st_size if part.exists() else 0) for file, part in parts.items())
    if needed + SPARE_BYTES > free:
        folder = next(iter(parts.values())).parent
        raise VoicechatError(
            "disk_full",
            f"{folder}: {needed / 1e6:.0f} MB are needed, and {SPARE_BYTES / 1e6:.0f} MB to spare;"
            f" there are {free / 1e6:.0f} MB",
        )


def _settle(wanted: Order, root: Path, staging: Path, parts: dict[str, Path]) -> Path:
    """Moves the model into its place: whoever looks sees all of it or nothing. Raises VoicechatError."""
    try:
        for name, part in parts.items():
            _sync(part)
            part.rename(staging / name)
        if wanted.engine == "whisper":
            return _settle_folder(root / "whisper" / wanted.short, staging)
        for name in sorted(parts, key=lambda name: name.endswith(".onnx")):  # it is what is looked for: last
            (staging / name).rename(root / "piper" / name)
        return root / "piper" / f"{wanted.short}.onnx"
    except OSError as error:
        raise VoicechatError("unwritable", f"{error.filename}: cannot be moved: {error.strerror}") from error


def _settle_folder(place: Path, staging: Path) -> Path:
    if place.exists() or place.is_symlink():
        old = staging.with_name(f"{staging.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        place.rename(old)
        staging.rename(place)
        shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
    else:
        staging.rename(place)
    return place


def _sync(path: Path) -> None:
    """A model that was moved into place is whole, after a power cut too."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
