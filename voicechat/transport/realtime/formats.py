"""How sound and its times are written: PCM at 24 kHz or G.711 at 8 kHz, as JSON and as bytes; milliseconds. No I/O."""

import base64
import binascii
from typing import Final

import numpy as np

from voicechat import g711
from voicechat.audio import AudioFrame, Resampler, Samples
from voicechat.conversation import Codec
from voicechat.transport.fields import Fields

RATE: Final = 24_000
"""Hz; what the protocol calls audio/pcm, and what all sound is before it is written."""

_LAWS: Final = {Codec.MULAW: g711.MULAW, Codec.ALAW: g711.ALAW}


def milliseconds(seconds: float) -> int:
    return round(1000 * seconds)


def rate(codec: Codec) -> int:
    """Hz."""
    return g711.RATE if codec in _LAWS else RATE


def write(codec: Codec) -> dict[str, object]:
    """G.711 knows one rate only, so that none is said."""
    return {"type": str(codec)} if codec in _LAWS else {"type": str(codec), "rate": RATE}


def read(audio: Fields) -> Codec | None:
    """The `format` among the fields; None: nothing is said of it. Raises BadMessage."""
    if not audio.has("format"):
        return None
    form = audio.inner("format")
    codec = Codec(form.one_of("type", *Codec))
    if form.has("rate"):
        form.integer("rate", rate(codec), rate(codec))
    return codec


def decode(codec: Codec, data: bytes) -> AudioFrame:
    """Sound at the codec's own rate. Raises ValueError for half a sample."""
    law = _LAWS.get(codec)
    samples = np.frombuffer(data, "<i2").astype(np.int16) if law is None else law.decode(data)
    return AudioFrame(samples, rate(codec))


def read_sound(part: Fields, codec: Codec) -> AudioFrame | None:
    """The sound that is in `audio`, at the codec's own rate; None: there is none in it. Raises BadMessage."""
    text = part.text("audio")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        part.refuse("audio", "it is not base64", "audio_not_base64")
    if not data:
        return None
    try:
        return decode(codec, data)
    except ValueError:
        part.refuse("audio", f"{len(data)} bytes are not whole 16-bit samples", "audio_odd_length")


class Writer:
    """A stream of sound, written. G.711 comes a few milliseconds late, the rest with `finish`."""

    def __init__(self, codec: Codec) -> None:
        self._law = _LAWS.get(codec)
        self._resampler = Resampler(RATE, rate(codec))

    def push(self, samples: Samples) -> bytes:
        """(n,) samples at 24 kHz."""
        return self._bytes(self._resampler.push(samples))

    def finish(self) -> bytes:
        """The sound is over."""
        return self._bytes(self._resampler.flush())

    def _bytes(self, samples: Samples) -> bytes:
        return samples.astype("<i2", copy=False).tobytes() if self._law is None else self._law.encode(samples)
