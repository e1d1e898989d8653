import numpy as np

from voicechat.adapters.asr import scripted
from voicechat.audio import LISTEN_RATE, AudioFrame, silence
from voicechat.config import Settings
from voicechat.conversation import Transcript


def test_any_sound_is_understood_as_the_script_says() -> None:
    engine = scripted.load(Settings.model_validate({"asr": {"scripted": {"text": "Good morning."}}}), ())
    stream = engine.open(None)
    stream.accept(AudioFrame(np.full(LISTEN_RATE, -32768, np.int16), LISTEN_RATE))
    stream.accept(AudioFrame(silence(0.1, LISTEN_RATE), LISTEN_RATE))
    assert stream.finish() == Transcript("Good morning.")
