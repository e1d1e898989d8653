"""The track that carries our voice to a WebRTC peer: one Opus packet every 20 ms."""

import asyncio
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import av
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from voicechat.audio import Samples
from voicechat.transport.media.metronome import Metronome
from voicechat.transport.media.opus import FRAME, RATE, OpusEncoder
from voicechat.transport.media.playout import Playout

_TIME_BASE: Final = Fraction(1, RATE)

_WAITING: Final = 5
"""Packets that the library may be late for; older ones are dropped."""

Send = Callable[[bytes, int, bool], None]
"""Takes a payload, its time in samples, and whether it is the first after a silence that was not sent; sends it."""

Sent = Callable[[Samples | None, float], None]
"""Told of every frame (None: silence) and the loop's time at which it is due."""


class Speaker(MediaStreamTrack):
    """Takes a frame from the playout at every tick, or sends silence, from the first `recv` on.

    With a `send` of ours, whose owner ticks, the packets go there at once, and the library, which would have a task
    for each, waits in `recv` for the end of the track. Without one the `metronome` ticks, and the library is handed
    ready packets, which spare its resampler, its stereo encoder and two hops to a thread. Ticks that come too late
    are left out of sound and timestamps alike.
    """

    kind = "audio"

    def __init__(
        self,
        playout: Playout,
        encoder: OpusEncoder,
        metronome: Metronome,
        *,
        send: Send | None = None,
        sent: Sent | None = None,
    ) -> None:
        super().__init__()
        self._playout, self._encoder, self._metronome = playout, encoder, metronome
        self._ticks = send is None
        self._send = send or self._offer
        self._sent = sent
        self._wanted = self._silent = False
        self._ready: asyncio.Queue[tuple[bytes, int] | None] = asyncio.Queue(_WAITING)
        self._leave: Callable[[], None] | None = None

    async def recv(self) -> "av.Packet[Any]":
        """The next packet, when it is due. Raises MediaStreamError when the speaker has stopped."""
        if self.readyState == "live":
            self._wanted = True
            if self._ticks and self._leave is None:
                self._leave = self._metronome.join(self.tick)
            ready = await self._ready.get()
            if ready is not None:
                packet = av.Packet(ready[0])
                packet.pts, packet.time_base = ready[1], _TIME_BASE
                return packet
        raise MediaStreamError("the speaker has stopped")

    def stop(self) -> None:
        super().stop()
        if self._leave is not None:
            self._leave()
        self._put(None)

    def tick(self, number: int, due: float) -> None:
        """The next 20 ms leave, if the library has asked for any and not ended the track."""
        if not self._wanted or self.readyState != "live":
            return
        samples = self._playout.take()
        if self._sent is not None:
            self._sent(samples, due)
        payload = self._encoder.packet(samples)
        if payload is not None:
            self._send(payload, number * FRAME, self._silent and samples is not None)
            self._silent = self._silent and samples is None
        else:
            self._silent = True

    def _offer(self, payload: bytes, time: int, _: bool) -> None:
        self._put((payload, time))

    def _put(self, entry: tuple[bytes, int] | None) -> None:
        if self._ready.full():
            self._ready.get_nowait()
        self._ready.put_nowait(entry)
