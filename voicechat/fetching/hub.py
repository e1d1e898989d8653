"""The hub that models are fetched from: what a repository holds, and one of its files, resumed and checked.

huggingface_hub, which faster-whisper brings, does less: since version 1 it throws a partial file away when it fails, it
compares sizes and not checksums, and of a full disk it only warns.
"""

import asyncio
import hashlib
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import aiohttp
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from voicechat.errors import VoicechatError

PAUSES: Final = (1.0, 2.0, 4.0, 8.0)
"""Seconds before each further try; after one that brought something they begin anew."""

TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=15.0, sock_read=30.0)
"""Of silence: a large model may take as long as it does."""

BLOCK: Final = 1024 * 1024
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_ABSENT: Final = frozenset({401, 403, 404})
"""The hub says 401 of a repository that is not there, since it might be somebody's own."""


class _Lfs(BaseModel):
    oid: str = Field(pattern=r"^[0-9a-f]{64}$")


class _Node(BaseModel):
    """What the hub says of a file or folder; of a large file it knows the SHA-256, of another git's own checksum."""

    type: str
    path: str
    oid: str = Field(pattern=r"^[0-9a-f]{40,64}$")
    size: int = Field(default=0, ge=0)
    lfs: _Lfs | None = None


_TREE: Final = TypeAdapter(list[_Node])


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file in a repository. `sha256` is empty where the hub knows only the checksum that git has for it."""

    path: str
    size: int
    git: str
    sha256: str = ""

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def checksum(self) -> str:
        return self.sha256 or self.git

    def matches(self, path: Path) -> bool:
        """Whether a file on this machine is the same. Blocking: reads all of it."""
        if self.sha256:
            digest = hashlib.sha256()
        else:
            digest = hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)  # as git does
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
        return digest.hexdigest() == self.checksum


class _Broken(Exception):
    """The connection or the hub failed in a way that may pass."""


class _Away(_Broken):
    """There is no connection at all, and hardly one a moment later."""


class Hub:
    """One hub, by the address that all its paths begin with. Each method raises VoicechatError."""

    def __init__(self, client: aiohttp.ClientSession, address: str, pauses: Sequence[float] = PAUSES) -> None:
        self.address = address.rstrip("/")
        self._client = client
        self._pauses = pauses

    async def files(self, repository: str, folder: str = "") -> list[RemoteFile]:
        """The files of a folder, without those of folders in it."""
        path = f"api/models/{repository}/tree/main" + (f"/{folder}" if folder else "")
        pauses = iter(self._pauses)
        while True:
            try:
                return await self._list(self._url(path))
            except _Away as error:
                await self._wait(iter(()), error)
            except _Broken as error:
                await self._wait(pauses, error)

    async def fetch(self, repository: str, file: RemoteFile, part: Path, told: Callable[[int], None]) -> None:
        """Completes the partial file `part`, and checks it; `told` is called with the bytes that are there.

        Cancelled, or when it fails for another reason than a wrong checksum, it leaves what has come.
        """
        url = self._url(f"{repository}/resolve/main/{file.path}")
        pauses = iter(self._pauses)
        while (there := _begin(part, file.size)) < file.size:
            told(there)
            try:
                await self._append(url, file.size, part, told)
            except _Broken as error:
                if _size(part) > there:
                    pauses = iter(self._pauses)
                await self._wait(pauses, error)
        told(file.size)
        if not await asyncio.to_thread(file.matches, part):
            _write(part, b"", anew=True)
            raise VoicechatError(
                "wrong_checksum", f"{url}: is not what the hub says it is, and was thrown away; try again"
            )

    async def _list(self, url: str) -> list[RemoteFile]:
        with _told():
            async with self._client.get(url, timeout=TIMEOUT) as answer:
                self._check(answer)
                text = await answer.read()
        try:
            nodes = _TREE.validate_json(text)
        except ValidationError:
            raise VoicechatError("bad_hub", f"{url}: the answer is none of a hub's") from None
        return [
            RemoteFile(node.path, node.size, node.oid, node.lfs.oid if node.lfs else "")
            for node in nodes
            if node.type == "file"
        ]

    async def _append(self, url: str, size: int, part: Path, told: Callable[[int], None]) -> None:
        """One try. Raises _Broken when not all came."""
        there = _size(part)
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={there}-"} if there else {})
        with _told():
            async with self._client.get(url, headers=headers, timeout=TIMEOUT, max_redirects=5) as answer:
                if there and not _continues(answer, there):
                    there = 0
                    _write(part, b"", anew=True)
                if answer.status == 416:
                    raise _Broken("it does not resume")
                self._check(answer)
                async for block in answer.content.iter_chunked(BLOCK):
                    there += len(block)
                    if there > size:
                        _write(part, b"", anew=True)
                        raise VoicechatError("wrong_checksum", f"{url}: is larger than the hub says, try again")
                    _write(part, block)
                    told(there)
        if there < size:
            raise _Broken("the connection was cut")

    def _check(self, answer: aiohttp.ClientResponse) -> None:
        if answer.status in _ABSENT:
            raise VoicechatError("model_not_found", f"{answer.url}: the hub has no such thing for everybody")
        if answer.status in _AGAIN:
            raise _Broken(f"it answers {answer.status} {answer.reason or ''}".strip())
        if answer.status not in (200, 206):
            raise VoicechatError("bad_hub", f"{answer.url}: the hub answers {answer.status}")

    async def _wait(self, pauses: Iterator[float], error: _Broken) -> None:
        pause = next(pauses, None)
        if pause is None:
            raise VoicechatError("hub_unreachable", f"{self.address} cannot be reached: {error}") from error
        await asyncio.sleep(pause)

    def _url(self, path: str) -> str:
        return f"{self.address}/{quote(path)}"


@contextmanager
def _told() -> Iterator[None]:
    """What a connection fails with becomes _Broken."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError:
        raise _Away("nothing came in time") from None
    except TimeoutError:
        raise _Broken("nothing came in time") from None
    except aiohttp.ClientPayloadError:
        raise _Broken("the connection was cut") from None
    except aiohttp.ClientSSLError as error:
        raise _Away(_line(error)) from None
    except aiohttp.ClientConnectorError as error:
        cause = error.os_error
        unknown = isinstance(cause, socket.gaierror)  # its numbers are not the system's
        raise _Away(os.strerror(cause.errno) if cause.errno and not unknown else _line(cause)) from None
    except aiohttp.ClientError as error:
        raise _Broken(_line(error)) from None


def _line(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())[:100] or type(error).__name__


def _continues(answer: aiohttp.ClientResponse, there: int) -> bool:
    """Whether it is the rest that was asked for; some servers send all of it again. A failure changes nothing."""
    if answer.status == 206:
        return answer.headers.get("Content-Range", "").startswith(f"bytes {there}-")
    return answer.status not in (200, 416)


def _begin(part: Path, size: int) -> int:
    """The bytes that are there; one that is too large is begun anew."""
    there = _size(part)
    if there > size or not part.exists():
        _write(part, b"", anew=True)
        return 0
    return there


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _write(part: Path, block: bytes, *, anew: bool = False) -> None:
    """Appends; the disk may be full."""
    try:
        with part.open("wb" if anew else "ab") as file:
            file.write(block)
    except OSError as error:
        raise VoicechatError("unwritable", f"{part}: cannot be written: {error.strerror}") from error
