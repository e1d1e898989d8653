"""The caller's sound from RTP packets: put in order, holes skipped, decoded. Our own receive path.

aiortc's jitter buffer holds five packets back and throws good ones away in front of each hole: 80 ms more delay, and
5 % of packets lost become 25 % of the sound (measured with 1.16). Here a packet waits only behind a hole, for at most
`DEPTH` newer packets.
"""

from collections.abc import Callable, Iterator
from typing import Final, Protocol

import av
import numpy as np
from aiortc import RTCRtpReceiver
from aiortc.mediastreams import MediaStreamError

from voicechat.audio import Samples
from voicechat.transport.opus import FRAME, OpusDecoder

DEPTH: Final = 3
"""Newer packets that may wait behind a hole before it is given up."""

JUMP: Final = 100
"""Packets; a farther sequence number is a new beginning."""

PATCH: Final = 10
"""Packets of a hole that are filled with sound; the microphone fills longer ones with silence by the clock."""


class Packet(Protocol):
    """What we use of an RTP packet."""

    sequence_number: int
    timestamp: int
    ssrc: int
    payload: bytes


class Reorder:
    """Packets in any order in; packets in order out, None for a lost one. Pure."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._source = 0
        self._waiting: dict[int, Packet] = {}

    def push(self, packet: Packet) -> Iterator[Packet | None]:
        """What can be played now that this packet is here."""
        ahead = self._ahead(packet.sequence_number)
        if self._next is None or packet.ssrc != self._source or not -JUMP <= ahead <= JUMP:
            self._next, self._source, ahead = packet.sequence_number, packet.ssrc, 0
            self._waiting.clear()
        if ahead < 0:
            return  # its hole has been given up, or it came twice
        self._waiting[packet.sequence_number] = packet
        yield from self._ready()

    def _ready(self) -> Iterator[Packet | None]:
        patched = 0
        while self._waiting and self._next is not None:
            packet = self._waiting.pop(self._next, None)
            if packet is None:
                if len(self._waiting) < DEPTH:
                    return
                patched += 1
            self._next = self._next + 1 & 0xFFFF
            if packet is not None or patched <= PATCH:
                yield packet

    def _ahead(self, sequence: int) -> int:
        """How many packets after the next expected one, modulo 2^16; negative for older ones."""
        return 0 if self._next is None else (sequence - self._next + 0x8000 & 0xFFFF) - 0x8000


class Listener:
    """Packets in; to `hear`, (n,) samples at 48 kHz and where they begin on the sender's clock, in samples.

    A lost or broken packet sounds like a fading echo of the one before.
    """

    def __init__(self, hear: Callable[[Samples, int], None]) -> None:
        self._hear = hear
        self._reorder = Reorder()
        self._decoder = OpusDecoder()
        self._last = np.zeros(FRAME, np.int16)
        self._clock = 0

    def push(self, packet: Packet) -> None:
        """A packet as it comes from the wire. Raises nothing."""
        for ready in self._reorder.push(packet):
            if ready is not None:
                self._clock += (ready.timestamp - self._clock + 0x80000000 & 0xFFFFFFFF) - 0x80000000
            self._last = self._decode(ready)
            self._hear(self._last, self._clock)
            self._clock += len(self._last)

    def _decode(self, packet: Packet | None) -> Samples:
        try:
            return self._decoder.samples(packet.payload if packet is not None else b"")
        except ValueError:
            return self._last // 4


async def listen(receiver: RTCRtpReceiver, hear: Callable[[Samples, int], None]) -> None:
    """All that a receiver brings, until its track ends. To begin before the connection stands.

    The sound comes from tapped packets, or from the library's own buffer and decoder where they cannot be tapped.
    """
    tap(receiver, Listener(hear).push)
    try:
        while True:
            frame = await receiver.track.recv()
            if isinstance(frame, av.AudioFrame):
                both = frame.to_ndarray().reshape(-1, len(frame.layout.channels))
                hear(both.mean(axis=1).astype(np.int16), frame.pts or 0)
    except MediaStreamError:
        return


def tap(receiver: RTCRtpReceiver, push: Callable[[Packet], None]) -> bool:
    """Takes the packets of a receiver in place of its jitter buffer, which is private; whether it was where we look.

    Routing, RTCP reports and the end of the track stay the library's.
    """
    place = "_RTCRtpReceiver__jitter_buffer"
    if not hasattr(getattr(receiver, place, None), "add"):
        return False
    setattr(receiver, place, _Tap(push))
    return True


class _Tap:
    """Stands where aiortc has its jitter buffer: sees every packet, and never has a frame for the decoder thread."""

    def __init__(self, push: Callable[[Packet], None]) -> None:
        self._push = push

    def add(self, packet: Packet) -> tuple[bool, None]:
        self._push(packet)
        return False, None
