"""The studio of a real house: what one engine says, the other understands."""

import numpy as np

from voicechat.audio import LISTEN_RATE, AudioFrame, Resampler, silence
from voicechat.config import AsrSettings, Settings, TtsSettings
from voicechat.house import House

QUESTION = "what is your name"


async def test_what_is_spoken_is_understood() -> None:
    house = House(Settings(asr=AsrSettings(engine="pocketsphinx"), tts=TtsSettings(engine="espeak")))
    try:
        await house.open()
        studio = house.studio
        assert studio is not None
        assert {"espeak", "pocketsphinx"} <= set(studio.models)
        frames = [frame async for frame in studio.speak(QUESTION, "en-us", 1.0)]
        resampler = Resampler(frames[0].rate, LISTEN_RATE)
        asked = np.concatenate([*(resampler.push(frame.samples) for frame in frames), resampler.flush()])
        pause = silence(2.0, LISTEN_RATE)
        hearer = studio.listen("en")
        await hearer.hear(AudioFrame(np.concatenate([pause, asked, pause, asked, pause]), LISTEN_RATE))
        transcript = await hearer.finish()
        await hearer.close()
        assert [passage.transcript.text for passage in hearer.passages] == [QUESTION, QUESTION]
        assert transcript.text == f"{QUESTION} {QUESTION}"
        length = len(asked) / LISTEN_RATE
        for number, passage in enumerate(hearer.passages):
            begin = 2.0 + number * (2.0 + length)
            assert begin - 0.5 <= passage.start <= begin + 0.2
            assert begin + 0.5 * length <= passage.end <= begin + length + 0.2
    finally:
        await house.close()
