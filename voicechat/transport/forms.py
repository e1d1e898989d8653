"""A form with a file in it, read from the wire with every size and wait bounded, and kept in memory."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import BadHttpMessage

from voicechat.errors import BadMessage

MOST_PARTS: Final = 64
MOST_TEXT: Final = 16_384
"""Bytes of a field that is no file."""

BESIDE_FILE: Final = 262_144
"""Bytes that everything but the file may take."""

BROKEN: Final = (ValueError, LookupError, RuntimeError, AssertionError, BadHttpMessage)
"""What aiohttp's parser raises for a form that is none."""


@dataclass(frozen=True, slots=True)
class Form:
    """The texts of every field by its name, without `[]` at its end; and the file, None where there is none."""

    texts: Mapping[str, Sequence[str]]
    file: bytearray | None

    def text(self, name: str, default: str = "") -> str:
        """The field's last text."""
        return self.texts.get(name, [default])[-1]


async def read(request: web.Request, name: str, *, most_bytes: int, seconds: float) -> Form:
    """The form, with the file of the field `name`.

    Raises BadMessage, HTTPRequestEntityTooLarge for a file of more than `most_bytes`, and HTTPRequestTimeout.
    """
    if request.content_type != "multipart/form-data":
        raise BadMessage("bad_content_type", f"Content-Type is {request.content_type}; multipart/form-data is expected")
    try:
        async with asyncio.timeout(seconds):
            return await _read(request, name, most_bytes)
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"The form did not come within {seconds:g} s") from None
    except BROKEN as error:
        raise BadMessage("bad_form", f"The form cannot be read: {error}") from error


async def _read(request: web.Request, name: str, most_bytes: int) -> Form:
    if (request.content_length or 0) > most_bytes + BESIDE_FILE:
        raise web.HTTPRequestEntityTooLarge(most_bytes)
    texts: dict[str, list[str]] = {}
    file: bytearray | None = None
    count = 0
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        count += 1
        if count > MOST_PARTS or not isinstance(part, BodyPartReader):
            raise ValueError(f"at most {MOST_PARTS} parts are taken, and none of parts")
        if part.name == name and file is None:
            file = await _bytes(request, part, most_bytes, most_bytes + BESIDE_FILE)
        else:
            text = await _bytes(request, part, MOST_TEXT, most_bytes + BESIDE_FILE)
            texts.setdefault((part.name or "").removesuffix("[]"), []).append(text.decode())
    return Form(texts, file)


async def _bytes(request: web.Request, part: BodyPartReader, most: int, most_of_all: int) -> bytearray:
    """The part; what was read for it and all before it counts as well, whatever it was."""
    found = bytearray()
    while chunk := await part.read_chunk():
        found += chunk
        if len(found) > most or request.content.total_bytes > most_of_all:
            raise web.HTTPRequestEntityTooLarge(most)
    return found
