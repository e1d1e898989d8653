"""The first work of a new engine, that nobody waits for: what libraries put off until they are used is done then."""

from contextlib import aclosing
from typing import Final

import numpy as np

from voicechat.audio import LISTEN_RATE, AudioFrame
from voicechat.protocols import AsrEngine, AsrStream, Lane, TtsEngine

TEXT: Final = "Hello."
QUIET_SECONDS: Final = 0.5


async def speak(engine: TtsEngine, lane: Lane) -> None:
    """A word, a piece at a time, so that callers on the same lane have their turns. Raises EngineFailed."""
    async with aclosing(lane.stream(lambda: engine.synthesize(TEXT, ""))) as pieces:
        async for _ in pieces:
            pass


async def listen(engine: AsrEngine, lane: Lane) -> None:
    """Half a second of quiet. Raises EngineFailed."""
    opened: list[AsrStream] = []  # filled on the lane, so that a cancelled opening is closed too
    quiet = AudioFrame(np.zeros(round(QUIET_SECONDS * LISTEN_RATE), np.int16), LISTEN_RATE)
    try:
        await lane.run(lambda: opened.append(engine.open(None)))
        await lane.run(lambda: opened[0].accept(quiet))
        await lane.run(lambda: opened[0].finish())
    finally:
        lane.post(lambda: _close(opened))


def _close(streams: list[AsrStream]) -> None:
    for stream in streams:
        stream.close()
