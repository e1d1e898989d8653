"""The echo canceller of WebRTC, AEC3, as browsers have it: learns the echo within a second and follows its delay."""

import importlib.util
from typing import TYPE_CHECKING

import numpy as np

from voicechat.audio import LISTEN_RATE, Samples
from voicechat.errors import AdapterUnavailable

if TYPE_CHECKING:
    from pywebrtc_audio import AudioProcessor


class WebrtcCanceller:
    """At 16 kHz, for one microphone and one loudspeaker. Its other features, gain and noise suppression, are off."""

    rate = LISTEN_RATE

    def __init__(self, processor: "AudioProcessor") -> None:
        self._processor = processor

    def cancel(self, heard: Samples, played: Samples) -> Samples:
        cleaned: Samples = np.asarray(self._processor.process(heard, played), np.int16)
        return cleaned


def load() -> WebrtcCanceller:
    """Raises AdapterUnavailable without the package."""
    if importlib.util.find_spec("pywebrtc_audio") is None:
        raise AdapterUnavailable(
            "no_canceller", "Echo cancellation needs a package: pip install 'voicechat[aec]'. Or use headphones."
        )
    from pywebrtc_audio import AudioProcessor

    return WebrtcCanceller(AudioProcessor(sample_rate=WebrtcCanceller.rate, echo_cancellation=True))
