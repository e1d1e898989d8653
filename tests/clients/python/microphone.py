"""Somebody at a microphone who is silent until told to speak: 24 kHz mono, 16 bits, in real time."""

import asyncio
import wave
from collections.abc import AsyncIterator

RATE = 24_000
PIECE = 0.04
"""Seconds."""

_BYTES = round(PIECE * RATE) * 2


class Microphone:
    """`path` is a WAV of what is said."""

    def __init__(self, path: str) -> None:
        with wave.open(path) as sound:
            self._speech = sound.readframes(sound.getnframes())
        self._left = b""

    def speak(self) -> None:
        self._left = self._speech

    async def pieces(self) -> AsyncIterator[bytes]:
        """For ever, each when it is due."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            piece, self._left = self._left[:_BYTES], self._left[_BYTES:]
            yield piece.ljust(_BYTES, b"\0")
            due += PIECE
            await asyncio.sleep(max(0.0, due - loop.time()))
