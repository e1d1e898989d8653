"""The telephone's sound, against the tables of the recommendation and another program's codecs."""

from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from voicechat.audio import Samples
from voicechat.g711 import ALAW, MULAW, RATE, Law

EVERY_CODE = bytes(range(256))
EVERY_SAMPLE: Samples = np.arange(-32768, 32768).astype(np.int16)

LAWS = pytest.mark.parametrize(("law", "name"), [(MULAW, "pcm_mulaw"), (ALAW, "pcm_alaw")])


def decoded_elsewhere(name: str, data: bytes) -> list[int]:
    """By FFmpeg."""
    decoder = av.CodecContext.create(name, "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.sample_rate, decoder.layout = RATE, "mono"
    packet: av.Packet[Any] = av.Packet(data)
    packet.pts, packet.time_base = 0, Fraction(1, RATE)
    return [int(value) for frame in [*decoder.decode(packet), *decoder.decode(None)] for value in frame.to_ndarray()[0]]


@pytest.mark.parametrize(
    ("law", "code", "sample"),
    [
        (MULAW, 0x00, -32124), (MULAW, 0x80, 32124), (MULAW, 0xFF, 0), (MULAW, 0x7F, 0), (MULAW, 0xFE, 8),
        (MULAW, 0xEF, 132), (ALAW, 0xAA, 32256), (ALAW, 0x2A, -32256), (ALAW, 0xD5, 8), (ALAW, 0x55, -8),
        (ALAW, 0xC5, 264), (ALAW, 0x45, -264),
    ],
)  # fmt: skip
def test_codes_are_those_of_the_recommendation(law: Law, code: int, sample: int) -> None:
    assert law.decode(bytes([code])).tolist() == [sample]


@LAWS
def test_every_code_sounds_as_it_does_elsewhere(law: Law, name: str) -> None:
    assert law.decode(EVERY_CODE).tolist() == decoded_elsewhere(name, EVERY_CODE)


@LAWS
def test_every_code_survives_the_way_there_and_back(law: Law, name: str) -> None:
    again = law.encode(law.decode(EVERY_CODE))
    changed = [code for code in EVERY_CODE if again[code] != code]
    assert changed == ([0x7F] if law is MULAW else [])  # the µ-law's second zero becomes the first


@LAWS
def test_every_sample_becomes_the_code_of_its_own_interval(law: Law, name: str) -> None:
    steps = np.unique(law.decode(EVERY_CODE)).astype(int)
    sounds = law.decode(law.encode(EVERY_SAMPLE)).astype(int)
    assert (np.diff(sounds) >= 0).all(), "a louder sample never sounds softer"
    assert set(sounds) == set(steps)
    place = np.searchsorted(steps, sounds)
    samples = EVERY_SAMPLE.astype(int)
    softer, louder = steps[np.maximum(place - 1, 0)], steps[np.minimum(place + 1, len(steps) - 1)]
    inside = (samples > steps[0]) & (samples < steps[-1])
    assert ((samples >= softer) & (samples <= louder))[inside].all()
    assert (np.abs(sounds - samples) <= np.maximum(16, np.abs(samples) / 16)).all()
