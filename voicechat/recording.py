"""A recording on its way from sound to text, bite by bite, so that those who speak now come between."""

from functools import partial
from typing import Final

from voicechat.audio import LISTEN_RATE, AudioFrame, resample
from voicechat.conversation import Transcript
from voicechat.protocols import AsrEngine, AsrStream, Lane
from voicechat.utterance import opening

BITE_SECONDS: Final = 1.0
"""Sound that a recogniser is given in one job."""


async def understood(
    sound: AudioFrame, engine: AsrEngine, lane: Lane, language: str | None, *, weighs: bool = False
) -> Transcript:
    """The transcript of sound at any rate; `weighs` asks how likely its words are.

    Raises EngineFailed. Cancelling it frees the engine's stream.
    """
    opened: list[AsrStream] = []  # filled on the lane, so that a cancelled opening is closed too
    try:
        await lane.run(lambda: opened.append(opening(engine, language, weighs=weighs)))
        stream = opened[0]
        heard = await lane.run(lambda: resample(sound.samples, sound.rate, LISTEN_RATE))
        size = round(BITE_SECONDS * LISTEN_RATE)
        for start in range(0, len(heard), size):
            bite = AudioFrame(heard[start : start + size], LISTEN_RATE)
            await lane.run(partial(stream.accept, bite))
        return await lane.run(stream.finish)
    finally:
        lane.post(lambda: _close(opened))


def _close(streams: list[AsrStream]) -> None:
    for stream in streams:
        stream.close()
