"""A form with a file in it, read from the wire with every size and wait bounded, and kept in memory."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import BadHttpMessage

from voicechat.errors import BadMessage
from voicechat.transport.pieces import Pieces

MOST_PARTS: Final = 64
MOST_TEXT: Final = 16_384
"""Bytes of a field that is no file."""

BESIDE_FILE: Final = 262_144
"""Bytes that everything but the file may take."""

_CHUNK: Final = 65_536
"""Bytes read at once. aiohttp hands over what it has without a pause, so after each of them others come between."""

BROKEN: Final = (ValueError, LookupError, RuntimeError, AssertionError, BadHttpMessage)
"""What aiohttp's parser raises for a form that is none."""


@dataclass(frozen=True, slots=True)
class Form:
    """The texts of every field by its name, without `[]` at its end; and the file, None where there is none."""

    texts: Mapping[str, Sequence[str]]
    file: Pieces | None

    def text(self, name: str, default: str = "") -> str:
        """The field's last text."""
        return self.texts.get(name, [default])[-1]


async def read(
    request: web.Request, name: str, *, most_bytes: int, seconds: float, take: Callable[[int], None]
) -> Form:
    """The form, with the file of the field `name`; `take` is told of each piece's bytes, and may refuse them.

    Raises BadMessage, for a file of more than `most_bytes` and for a form that does not come as well, and what `take`
    raises.
    """
    if request.content_type != "multipart/form-data":
        raise BadMessage("bad_content_type", f"Content-Type is {request.content_type}; multipart/form-data is expected")
    try:
        async with asyncio.timeout(seconds):
            return await _read(request, name, most_bytes, take)
    except TimeoutError:
        raise BadMessage("request_timeout", f"The form did not come within {seconds:g} s") from None
    except BROKEN as error:
        raise BadMessage("bad_form", f"The form cannot be read: {error}") from error


async def _read(request: web.Request, name: str, most_bytes: int, take: Callable[[int], None]) -> Form:
    if (request.content_length or 0) > most_bytes + BESIDE_FILE:
        raise _too_large(most_bytes)
    texts: dict[str, list[str]] = {}
    file: Pieces | None = None
    most_of_all = most_bytes + BESIDE_FILE
    count = 0
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        count += 1
        if count > MOST_PARTS or not isinstance(part, BodyPartReader):
            raise ValueError(f"at most {MOST_PARTS} parts are taken, and none of parts")
        if part.name == name and file is None:
            file = await _pieces(request, part, most_bytes, most_of_all, take)
        else:
            text = (await _pieces(request, part, MOST_TEXT, most_of_all, _nobody)).head(MOST_TEXT)
            texts.setdefault((part.name or "").removesuffix("[]"), []).append(text.decode())
    return Form(texts, file)


async def _pieces(
    request: web.Request, part: BodyPartReader, most: int, most_of_all: int, take: Callable[[int], None]
) -> Pieces:
    """The part; what was read for it and all before it counts as well, whatever it was."""
    found = Pieces()
    while chunk := await part.read_chunk(_CHUNK):
        take(len(chunk))
        found.append(bytes(chunk))
        if found.size > most or request.content.total_bytes > most_of_all:
            raise _too_large(most)
        await asyncio.sleep(0)
    return found


def _too_large(most: int) -> BadMessage:
    return BadMessage("request_too_large", f"The form, or a part of it, is too large: {most} bytes are taken")


def _nobody(size: int) -> None:
    """Texts are small, and counted by nobody."""
