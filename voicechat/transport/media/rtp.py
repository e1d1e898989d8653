"""The caller's sound from RTP packets: put in order, holes skipped, decoded. Our own receive path.

aiortc's jitter buffer holds five packets back and throws good ones away in front of each hole: 80 ms more delay, and
5 % of packets lost become 25 % of the sound (measured with 1.16). Here a packet waits only behind a hole, for two to
seven newer ones.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import av
import numpy as np
from aiortc import RTCRtpReceiver
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from voicechat.audio import Samples
from voicechat.transport.media.downsampler import Downsampler
from voicechat.transport.media.internals import tap
from voicechat.transport.media.libopus import Decoder
from voicechat.transport.media.opus import RATE
from voicechat.transport.media.packets import Packet

LEAST, MOST = 2, 7
"""Newer packets that may wait behind a hole before it is given up: 40 ms, up to 140 ms where packets come late."""

CALM: Final = 50
"""Packets without a late one after which one less may wait."""

JUMP: Final = 100
"""Packets; a farther sequence number is a new beginning."""

UNSENT: Final = 2
"""Bytes; a packet no longer than that begins a silence that is not sent (RFC 7587, 3.1.3)."""

PATCH: Final = 10
"""Packets of a hole that are filled with sound; the microphone fills longer ones with silence by the clock."""


class Reorder:
    """Packets in any order in; packets in order out, None for a lost one. Pure.

    Packets that come in order never wait. How long one waits behind a hole follows from how late others have come.
    """

    def __init__(self) -> None:
        self.depth = LEAST
        self._calm = 0
        self._newest = 0
        self._lost: deque[int] = deque(maxlen=MOST)  # given up most recently; they may still come
        self._next: int | None = None
        self._source = 0
        self._waiting: dict[int, Packet] = {}

    def push(self, packet: Packet) -> Sequence[Packet | None]:
        """What can be played now that this packet is here."""
        if packet.sequence_number == self._next and packet.ssrc == self._source and not self._waiting:
            self._newest = self._next  # as nearly all do: in order, and nothing is missing
            self._next = self._next + 1 & 0xFFFF
            self._grow_calm()
            return (packet,)
        return list(self._put(packet))

    def _put(self, packet: Packet) -> Iterator[Packet | None]:
        ahead = self._ahead(packet.sequence_number)
        if self._next is None or packet.ssrc != self._source or not -JUMP <= ahead <= JUMP:
            self._next = self._newest = packet.sequence_number
            self._source, ahead = packet.ssrc, 0
            self._waiting.clear()
        self._adapt(packet.sequence_number)
        if ahead < 0:
            return  # its hole has been given up, or it came twice
        self._waiting[packet.sequence_number] = packet
        yield from self._ready()

    def _ready(self) -> Iterator[Packet | None]:
        patched = 0
        while self._waiting and self._next is not None:
            packet = self._waiting.pop(self._next, None)
            if packet is None:
                if len(self._waiting) < self.depth:
                    return
                patched += 1
                self._lost.append(self._next)
            self._next = self._next + 1 & 0xFFFF
            if packet is not None or patched <= PATCH:
                yield packet

    def _adapt(self, sequence: int) -> None:
        late = (self._newest - sequence + 0x8000 & 0xFFFF) - 0x8000
        if late <= 0:
            self._newest = sequence
            self._grow_calm()
        elif sequence in self._lost or (self._ahead(sequence) >= 0 and sequence not in self._waiting):
            self.depth = min(MOST, max(self.depth, late + 1))
            self._calm = 0

    def _grow_calm(self) -> None:
        self._calm += 1
        if self._calm >= CALM:
            self.depth = max(LEAST, self.depth - 1)
            self._calm = 0

    def _ahead(self, sequence: int) -> int:
        """How many packets after the next expected one, modulo 2^16; negative for older ones."""
        return 0 if self._next is None else (sequence - self._next + 0x8000 & 0xFFFF) - 0x8000


class Listener:
    """Packets in; to `hear`, (n,) samples at `rate` Hz and where they begin on the sender's clock of 48 kHz.

    A lost packet is recovered from the one after it, where that carries a copy; else the codec conceals it.
    `pausing` is whether the sender has said that no packets come while it is silent.
    """

    pausing = False

    def __init__(self, rate: int, hear: Callable[[Samples, int], None]) -> None:
        self._hear = hear
        self._reorder = Reorder()
        self._decoder = Decoder(rate)
        self._ticks = RATE // rate
        self._clock = 0

    def push(self, packet: Packet) -> None:
        """A packet as it comes from the wire. Raises nothing."""
        lost = 0
        for ready in self._reorder.push(packet):
            if ready is None:
                lost += 1
                continue
            for number in range(lost):
                self._tell(self._recover(ready.payload if number == lost - 1 else None))
            lost = 0
            self._clock += (ready.timestamp - self._clock + 0x80000000 & 0xFFFFFFFF) - 0x80000000
            self.pausing = len(ready.payload) <= UNSENT
            self._tell(self._decode(ready.payload))

    def _tell(self, samples: Samples) -> None:
        self._hear(samples, self._clock)
        self._clock += len(samples) * self._ticks

    def _decode(self, payload: bytes) -> Samples:
        try:
            return self._decoder.decode(payload)
        except ValueError:
            return self._recover(None)

    def _recover(self, following: bytes | None) -> Samples:
        try:
            return self._decoder.recover(following)
        except ValueError:  # the one after it is broken
            return self._decoder.recover(None)


async def follow(receiver: RTCRtpReceiver, listener: Listener) -> None:
    """All that a receiver brings goes to the listener, until its track ends. To begin before the connection stands."""
    tap(receiver, listener.push)
    await _end(receiver.track)


async def follow_decoded(receiver: RTCRtpReceiver, rate: int, hear: Callable[[Samples, int], None]) -> None:
    """The same by the library's own buffer and decoder; to `hear` as a `Listener` does."""
    downsampler = Downsampler(RATE, rate)

    def hear_frame(frame: av.AudioFrame) -> None:
        both = frame.to_ndarray().reshape(-1, len(frame.layout.channels))
        hear(downsampler.push(both.mean(axis=1).astype(np.int16)), frame.pts or 0)

    await _end(receiver.track, hear_frame)


async def _end(track: MediaStreamTrack, hear: Callable[[av.AudioFrame], None] | None = None) -> None:
    try:
        while True:
            frame = await track.recv()
            if hear is not None and isinstance(frame, av.AudioFrame):
                hear(frame)
    except MediaStreamError:
        return
