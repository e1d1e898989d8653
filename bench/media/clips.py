"""What the callers say, as ready Opus packets: the callers' own encoding shall not be measured."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import av
import numpy as np

from voicechat import adapters
from voicechat.audio import Samples, resample
from voicechat.config import Settings

RATE: Final = 48_000
FRAME: Final = 960
FRAME_SECONDS: Final = FRAME / RATE

AUDIBLE: Final = 328
"""A sample's size from which it can be heard: 40 dB below full scale."""

QUESTION: Final = "Could you tell me what the weather will be like?"
INTERRUPTION: Final = "Never mind the weather."

_LEAD, _TAIL = 5, 20
"""Packets of silence around a clip, so that it begins and ends in the codec's own silence."""


@dataclass(frozen=True, slots=True)
class Packet:
    """20 ms on the wire, and whether any of its decoded samples can be heard."""

    payload: bytes
    audible: bool


def audible(samples: Samples) -> bool:
    return len(samples) > 0 and (int(samples.max()) >= AUDIBLE or int(samples.min()) <= -AUDIBLE)


def spoken(text: str) -> list[Packet]:
    """The bundled voice. It begins and ends at its first and last audible samples, the last at a packet's end.

    Blocking. Raises AdapterError when the voice is not there.
    """
    engine = adapters.choose("tts", "espeak", Settings())
    try:
        sound = np.concatenate([part.samples for part in engine.synthesize(text, "")])
    finally:
        engine.close()
    sound = resample(sound, engine.rate, RATE)
    heard = np.flatnonzero(np.abs(sound.astype(np.int32)) >= AUDIBLE)
    sound = sound[heard[0] : heard[-1] + 1]
    pad = -len(sound) % FRAME
    return encoded(np.concatenate((np.zeros(pad, np.int16), sound)))


def encoded(sound: Samples, application: str = "voip", **options: str) -> list[Packet]:
    """(n * 960,) samples as packets, with silence before and after, as a browser would encode them: mono, 32 kbit/s."""
    sound = np.concatenate((np.zeros(_LEAD * FRAME, np.int16), sound, np.zeros(_TAIL * FRAME, np.int16)))
    codec = av.CodecContext.create("libopus", "w")
    codec.bit_rate, codec.sample_rate = 32_000, RATE
    codec.format, codec.layout = av.AudioFormat("s16"), av.AudioLayout("mono")
    codec.options = {"application": application, "frame_duration": "20", **options}
    decoder = Decoder()
    packets = []
    for start in range(0, len(sound), FRAME):
        frame = av.AudioFrame.from_ndarray(sound[None, start : start + FRAME], format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE, start
        for packet in codec.encode(frame):
            payload = bytes(packet)
            packets.append(Packet(payload, audible(decoder.samples(payload))))
    return packets


class Decoder:
    """One listener's; mono."""

    def __init__(self) -> None:
        self._codec = av.CodecContext.create("libopus", "r")
        self._codec.sample_rate = RATE
        self._codec.format, self._codec.layout = av.AudioFormat("s16"), av.AudioLayout("mono")

    def samples(self, payload: bytes) -> Samples:
        """(n,) at 48 kHz."""
        frames = self._codec.decode(av.Packet(payload))
        return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames]).astype(np.int16, copy=False)


def silent() -> Packet:
    """The packet that is sent between clips; it can follow itself for ever."""
    return encoded(np.zeros(0, np.int16))[-1]


def ends(packets: Sequence[Packet]) -> tuple[int, int]:
    """The first and the last audible packet's places."""
    places = [place for place, packet in enumerate(packets) if packet.audible]
    return places[0], places[-1]


def trimmed(packets: Sequence[Packet]) -> Iterator[Packet]:
    """Without the silence before the clip."""
    return iter(packets[max(0, ends(packets)[0] - 1) :])
