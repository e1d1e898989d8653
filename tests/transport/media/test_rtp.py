import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicechat.audio import Samples
from voicechat.transport.media.libopus import VOIP, Encoder
from voicechat.transport.media.opus import FRAME, RATE, OpusEncoder
from voicechat.transport.media.packets import Packet
from voicechat.transport.media.rtp import CALM, JUMP, LEAST, MOST, PATCH, Listener, Reorder


def sent(sequence: int, timestamp: int = 0, ssrc: int = 1, payload: bytes = b"") -> Packet:
    return Packet(111, sequence, timestamp, ssrc, payload)


def order(numbers: list[int]) -> list[int | None]:
    """What a fresh buffer plays of packets that come in this order."""
    buffer = Reorder()
    played = [packet for number in numbers for packet in buffer.push(sent(number & 0xFFFF))]
    return [None if packet is None else packet.sequence_number for packet in played]


@pytest.mark.parametrize(
    ("arrive", "played"),
    [
        ([5, 6, 7], [5, 6, 7]),
        ([5, 7, 6, 8], [5, 6, 7, 8]),
        ([5, 6, 6, 7], [5, 6, 7]),
        ([5, 7, 8, 9, 10], [5, None, 7, 8, 9, 10]),
        ([5, 7, 8, 9, 6, 10], [5, None, 7, 8, 9, 10]),
        ([65534, 65535, 0, 1], [65534, 65535, 0, 1]),
        ([65534, 0, 65535, 1], [65534, 65535, 0, 1]),
        ([5, 6, 5000, 5001], [5, 6, 5000, 5001]),
        ([5000, 5, 6], [5000, 5, 6]),
    ],
)
def test_packets_are_put_in_order_and_holes_given_up(arrive: list[int], played: list[int | None]) -> None:
    assert order(arrive) == played


def test_a_long_hole_is_patched_only_at_its_beginning() -> None:
    newer = [5 + JUMP // 2 + number for number in range(LEAST)]
    assert order([5, *newer]) == [5, *[None] * PATCH, *newer]


def test_another_source_begins_anew() -> None:
    buffer = Reorder()
    assert len(list(buffer.push(sent(5)))) == 1
    assert [packet.ssrc for packet in buffer.push(sent(900, ssrc=2)) if packet] == [2]


@pytest.mark.parametrize("loss", [0.01, 0.05, 0.1, 0.2])
def test_loss_is_not_multiplied(loss: float) -> None:
    chance = random.Random(1)
    arrive = [number for number in range(5000) if chance.random() >= loss]
    played = [number for number in order(arrive) if number is not None]
    assert played == arrive[: len(played)]
    assert len(arrive) - len(played) < LEAST


@given(st.lists(st.integers(0, 0xFFFF), max_size=60))
def test_no_packet_is_played_more_often_than_it_came(numbers: list[int]) -> None:
    played = Counter(number for number in order(numbers) if number is not None)
    assert played <= Counter(numbers)


class Ear:
    def __init__(self) -> None:
        self.heard: list[tuple[int, Samples]] = []
        self.listener = Listener(RATE, lambda samples, at: self.heard.append((at, samples)))


def packets(count: int, first: int = 0xFFFF_FC40) -> list[Packet]:
    """A tone; its timestamps wrap around at the second packet."""
    encoder = OpusEncoder(32_000, 5)
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(count * FRAME) / RATE)).astype(np.int16).reshape(-1, FRAME)
    return [
        sent(number, (first + number * FRAME) & 0xFFFF_FFFF, payload=encoder.packet(frame) or b"")
        for number, frame in enumerate(tone)
    ]


def test_sound_comes_with_its_place_on_an_unbroken_clock() -> None:
    ear = Ear()
    for packet in packets(10):
        ear.listener.push(packet)
    places = [at for at, _ in ear.heard]
    assert [later - earlier for earlier, later in zip(places, places[1:], strict=False)] == [FRAME] * 9
    assert all(len(samples) == FRAME for _, samples in ear.heard)


def test_a_lost_packet_is_concealed() -> None:
    ear = Ear()
    for packet in packets(12):
        if packet.sequence_number != 5:
            ear.listener.push(packet)
    assert len(ear.heard) == 12
    assert np.abs(ear.heard[5][1]).max() > 4000, "the tone goes on"
    assert ear.heard[6][0] - ear.heard[4][0] == 2 * FRAME
    assert np.abs(ear.heard[8][1]).max() > 7000


def test_a_lost_packet_is_recovered_from_the_copy_in_the_next() -> None:
    """With in-band FEC the recovered frame is far closer to what was sent than a guess can be."""
    chance = np.random.default_rng(3)
    voice = np.convolve(chance.normal(0, 1, 40 * FRAME), np.hanning(60) * np.cos(np.arange(60) / 6), "same")
    voice = (voice / np.abs(voice).max() * 12000 * (np.sin(np.arange(len(voice)) / 9000) ** 2)).astype(np.int16)
    errors = {}
    for loss in (0, 20):
        encoder = Encoder(RATE, bitrate=32_000, complexity=9, application=VOIP, loss=loss)
        spoken = [sent(n, n * FRAME, payload=encoder.encode(voice[n * FRAME : (n + 1) * FRAME])) for n in range(40)]
        whole, holed = Ear(), Ear()
        for packet in spoken:
            whole.listener.push(packet)
            if packet.sequence_number % 5 != 3:
                holed.listener.push(packet)
        lost = [n for n in range(10, 38) if n % 5 == 3]
        wrong = [whole.heard[n][1].astype(np.float64) - holed.heard[n][1] for n in lost]
        errors[loss] = float(np.square(wrong).sum())
    assert errors[20] < 0.7 * errors[0]


def test_waiting_follows_how_late_packets_come_and_shrinks_back() -> None:
    buffer = Reorder()
    assert buffer.depth == LEAST
    for number in (0, 1, 3, 4, 5, 6, 2):
        list(buffer.push(sent(number)))
    assert buffer.depth == 5
    for number in range(7, 7 + CALM * MOST):
        played = [packet.sequence_number for packet in buffer.push(sent(number)) if packet]
        assert played == [number], "in order, none waits"
    assert buffer.depth == LEAST


def test_copies_do_not_make_it_wait() -> None:
    buffer = Reorder()
    for number in range(40):
        list(buffer.push(sent(number)))
        list(buffer.push(sent(max(0, number - 5))))
    assert buffer.depth == LEAST


def test_waiting_has_a_limit() -> None:
    buffer = Reorder()
    for number in (0, *range(2, 40), 1):
        list(buffer.push(sent(number)))
    assert buffer.depth == MOST


def test_a_broken_packet_does_not_stop_the_listener() -> None:
    ear = Ear()
    for packet in packets(6):
        if packet.sequence_number == 3:
            packet = packet._replace(payload=b"\xff" * 7)
        ear.listener.push(packet)
    assert len(ear.heard) == 6


def test_a_pause_of_the_sender_moves_the_clock() -> None:
    ear = Ear()
    for packet in packets(10):
        later = 50 * FRAME if packet.sequence_number >= 5 else 0
        ear.listener.push(packet._replace(timestamp=(packet.timestamp + later) & 0xFFFF_FFFF))
    assert ear.heard[5][0] - ear.heard[4][0] == 51 * FRAME


def test_a_sender_who_does_not_send_its_silence_is_noticed() -> None:
    ear = Ear()
    pausing = []
    for packet in packets(4):
        ear.listener.push(packet._replace(payload=b"\xf8") if packet.sequence_number == 2 else packet)
        pausing.append(ear.listener.pausing)
    assert pausing == [False, False, True, False]
    assert [len(samples) for _, samples in ear.heard] == [FRAME] * 4
