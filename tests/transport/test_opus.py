import numpy as np
import pytest

from voicechat.audio import Samples
from voicechat.transport.libopus import Decoder
from voicechat.transport.opus import FRAME, RATE, OpusEncoder

DELAY = 120
"""Samples by which restricted low delay lags: 2.5 ms."""


def tone(frames: int, hertz: float = 440.0) -> Samples:
    return (8000 * np.sin(2 * np.pi * hertz * np.arange(frames * FRAME) / RATE)).astype(np.int16)


def frames(samples: Samples) -> list[Samples]:
    return list(samples.reshape(-1, FRAME))


def test_each_frame_gives_one_packet_from_the_first_on() -> None:
    encoder, decoder = OpusEncoder(32_000, 5), Decoder(RATE)
    for frame in frames(tone(50)):
        assert len(decoder.decode(encoder.packet(frame))) == FRAME


def test_what_goes_in_comes_out_two_and_a_half_milliseconds_later() -> None:
    encoder, decoder = OpusEncoder(32_000, 5), Decoder(RATE)
    said = tone(50)
    heard = np.concatenate([decoder.decode(encoder.packet(frame)) for frame in frames(said)])
    likeness = np.corrcoef(said[10 * FRAME : -DELAY], heard[10 * FRAME + DELAY :])[0, 1]
    assert likeness > 0.99


@pytest.mark.parametrize("bitrate", [6_000, 32_000, 128_000])
def test_packets_keep_to_the_bit_rate(bitrate: int) -> None:
    encoder = OpusEncoder(bitrate, 5)
    noise = np.random.default_rng(1).normal(0, 3000, 100 * FRAME).astype(np.int16)
    size = sum(len(encoder.packet(frame)) for frame in frames(noise)) * 8 / 2.0
    assert 0.5 * bitrate < size < 1.6 * bitrate


def test_lasting_silence_is_one_tiny_packet() -> None:
    encoder = OpusEncoder(32_000, 5)
    for frame in frames(tone(5)):
        encoder.packet(frame)
    packets = [encoder.packet(None) for _ in range(40)]
    assert len(set(packets[-15:])) == 1
    assert len(packets[-1]) <= 3


def test_silence_from_the_start_is_one_tiny_packet() -> None:
    encoder = OpusEncoder(32_000, 5)
    assert len({encoder.packet(None) for _ in range(5)}) == 1


def test_sound_falls_silent_within_two_packets_and_returns_whole() -> None:
    encoder, decoder = OpusEncoder(32_000, 5), Decoder(RATE)
    before = [decoder.decode(encoder.packet(frame)) for frame in frames(tone(10))]
    quiet = [decoder.decode(encoder.packet(None)) for _ in range(60)]
    after = [decoder.decode(encoder.packet(frame)) for frame in frames(tone(10))]
    assert np.abs(before[-1]).max() > 7000
    assert all(np.abs(frame).max() < 200 for frame in quiet[1:])
    assert np.abs(quiet[-1]).max() == 0
    assert np.abs(after[0]).max() > 7000


@pytest.mark.parametrize("packet", [b"", b"\xff" * 5, b"\x03", b"\x00\x01\x02"])
def test_what_is_not_opus_is_a_value_error_or_sound(packet: bytes) -> None:
    decoder = Decoder(RATE)
    try:
        assert decoder.decode(packet).dtype == np.int16
    except ValueError:
        pass
    assert len(decoder.decode(OpusEncoder(32_000, 5).packet(tone(1)))) == FRAME


def test_an_empty_packet_does_not_end_the_stream() -> None:
    decoder = Decoder(RATE)
    with pytest.raises(ValueError, match="empty"):
        decoder.decode(b"")
    assert len(decoder.decode(OpusEncoder(32_000, 5).packet(None))) == FRAME
