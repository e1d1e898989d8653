from collections.abc import Sequence

import numpy as np
import pytest

from voicechat.audio import Samples
from voicechat.transport.media.libopus import Decoder
from voicechat.transport.media.opus import FRAME, RATE, OpusEncoder

DELAY = 120
"""Samples by which restricted low delay lags: 2.5 ms."""


def tone(frames: int, hertz: float = 440.0) -> Samples:
    return (8000 * np.sin(2 * np.pi * hertz * np.arange(frames * FRAME) / RATE)).astype(np.int16)


def frames(samples: Samples) -> list[Samples]:
    return list(samples.reshape(-1, FRAME))


def made(encoder: OpusEncoder, said: Sequence[Samples | None]) -> list[bytes]:
    """Its packets, of which none is left out."""
    packets = [encoder.packet(frame) for frame in said]
    assert None not in packets
    return [packet for packet in packets if packet is not None]


def test_each_frame_gives_one_packet_from_the_first_on() -> None:
    encoder, decoder = OpusEncoder(32_000, 5), Decoder(RATE)
    for packet in made(encoder, frames(tone(50))):
        assert len(decoder.decode(packet)) == FRAME


def test_what_goes_in_comes_out_two_and_a_half_milliseconds_later() -> None:
    encoder, decoder = OpusEncoder(32_000, 5), Decoder(RATE)
    said = tone(50)
    heard = np.concatenate([decoder.decode(packet) for packet in made(encoder, frames(said))])
    likeness = np.corrcoef(said[10 * FRAME : -DELAY], heard[10 * FRAME + DELAY :])[0, 1]
    assert likeness > 0.99


@pytest.mark.parametrize("bitrate", [6_000, 32_000, 128_000])
def test_packets_keep_to_the_bit_rate(bitrate: int) -> None:
    encoder = OpusEncoder(bitrate, 5)
    noise = np.random.default_rng(1).normal(0, 3000, 100 * FRAME).astype(np.int16)
    size = sum(map(len, made(encoder, frames(noise)))) * 8 / 2.0
    assert 0.5 * bitrate < size < 1.6 * bitrate


def test_lasting_silence_is_one_tiny_packet() -> None:
    encoder = OpusEncoder(32_000, 5)
    packets = made(encoder, [*frames(tone(5)), *[None] * 40])
    assert len(set(packets[-15:])) == 1
    assert len(packets[-1]) <= 3


def test_silence_from_the_start_is_one_tiny_packet() -> None:
    encoder = OpusEncoder(32_000, 5)
    assert len(set(made(encoder, [None] * 5))) == 1


@pytest.mark.parametrize("repairs", [False, True])
def test_sound_falls_silent_within_two_packets_and_returns_whole(repairs: bool) -> None:
    encoder, decoder = OpusEncoder(32_000, 5, repairs=repairs), Decoder(RATE)
    before, quiet, after = (
        [decoder.decode(packet) for packet in made(encoder, said)]
        for said in (frames(tone(10)), [None] * 60, frames(tone(10)))
    )
    assert np.abs(before[-1]).max() > 7000
    assert all(np.abs(frame).max() < 500 for frame in quiet[1:])
    assert np.abs(quiet[-1]).max() == 0
    assert np.abs(after[0]).max() > 7000


def test_a_receiver_that_loses_packets_gets_copies_from_the_next_silence_on() -> None:
    encoder, decoder = OpusEncoder(32_000, 5), Decoder(RATE)
    said = np.random.default_rng(1).normal(0, 1, 60 * FRAME)
    said = (4000 * np.convolve(said, np.hanning(60) * np.cos(np.arange(60) / 6), "same")).clip(-9000, 9000)
    before = made(encoder, frames(said.astype(np.int16)))
    encoder.repair(20)
    assert made(encoder, frames(tone(1)))[0][0] >> 3 >= 16, "CELT still: the sound goes on"
    made(encoder, [None])
    encoder.repair(30)
    after = made(encoder, frames(said.astype(np.int16)))
    assert {packet[0] >> 3 < 16 for packet in before} == {False}
    assert {packet[0] >> 3 < 16 for packet in after} == {True}, "SILK or hybrid, which carry copies"
    for packet in after[:30]:
        decoder.decode(packet)
    repaired = decoder.recover(after[31])
    whole = Decoder(RATE)
    truth = [whole.decode(packet) for packet in after[:31]][-1]
    guessed = Decoder(RATE)
    for packet in after[:30]:
        guessed.decode(packet)
    errors = [float(np.square(truth.astype(float) - each).sum()) for each in (repaired, guessed.recover(None))]
    assert errors[0] < 0.7 * errors[1]


def test_a_silence_that_is_not_sent_has_a_packet_now_and_then() -> None:
    encoder = OpusEncoder(32_000, 5, dtx=True)
    packets = [encoder.packet(frame) for frame in [*frames(tone(5)), *[None] * 105]]
    assert None not in packets[:25], "until the codec has fallen silent too"
    assert [number for number, packet in enumerate(packets[25:]) if packet] == [19, 39, 59, 79]


@pytest.mark.parametrize("packet", [b"", b"\xff" * 5, b"\x03", b"\x00\x01\x02"])
def test_what_is_not_opus_is_a_value_error_or_sound(packet: bytes) -> None:
    decoder = Decoder(RATE)
    try:
        assert decoder.decode(packet).dtype == np.int16
    except ValueError:
        pass
    assert len(decoder.decode(made(OpusEncoder(32_000, 5), [tone(1)])[0])) == FRAME


def test_an_empty_packet_does_not_end_the_stream() -> None:
    decoder = Decoder(RATE)
    with pytest.raises(ValueError, match="empty"):
        decoder.decode(b"")
    assert len(decoder.decode(made(OpusEncoder(32_000, 5), [None])[0])) == FRAME
