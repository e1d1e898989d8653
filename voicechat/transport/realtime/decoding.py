"""A client's message on its way in: a large one is read on a thread, so that the loop serves others meanwhile."""

import asyncio
from typing import Final, Protocol, TypeVar

from voicechat.transport.fields import parse

LARGE: Final = 131_072
"""Characters from which on a message is read elsewhere; as many take about half a millisecond of the loop."""

Wish = TypeVar("Wish", covariant=True)


class Decoder(Protocol[Wish]):
    """What reads messages, here or, their JSON, on a thread; one at a time."""

    def decode(self, message: str) -> Wish: ...

    def understand(self, value: object) -> Wish: ...


async def decoded(decoder: Decoder[Wish], message: str) -> Wish:
    """What the message asks. The next may be read when this one has been. Raises what `decode` raises."""
    if len(message) < LARGE:
        return decoder.decode(message)
    value = await asyncio.to_thread(parse, message)  # two steps: each may keep the interpreter from the loop to its end
    return await asyncio.to_thread(decoder.understand, value)
