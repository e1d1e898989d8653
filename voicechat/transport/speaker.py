"""The track that carries our voice to a WebRTC peer: one Opus packet every 20 ms."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import av
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from voicechat.audio import Samples
from voicechat.transport.metronome import Metronome
from voicechat.transport.opus import FRAME, RATE, OpusEncoder
from voicechat.transport.playout import Playout

_TIME_BASE: Final = Fraction(1, RATE)


class Speaker(MediaStreamTrack):
    """Takes a frame from the playout every 20 ms, or sends silence.

    Ready packets spare the library's resampler, its stereo encoder and two hops to a thread: half the work of a call.
    The library sets the RTP marker on each of them; receivers take it as a hint to adapt their delay (RFC 3551, 4.1),
    which our unbroken stream never needs. Ticks that come too late are left out of sound and timestamps alike.

    `sent` is told of every frame (None: silence) and the loop's time at which it is due.
    """

    kind = "audio"

    def __init__(
        self,
        playout: Playout,
        encoder: OpusEncoder,
        metronome: Metronome,
        sent: Callable[[Samples | None, float], None] | None = None,
    ) -> None:
        super().__init__()
        self._playout = playout
        self._encoder = encoder
        self._beat = metronome.join()
        self._sent = sent

    async def recv(self) -> "av.Packet[Any]":
        """The next packet, when it is due."""
        if self.readyState != "live":
            raise MediaStreamError("the speaker has stopped")
        tick = await self._beat.next()
        samples = self._playout.take()
        if self._sent is not None:
            self._sent(samples, self._beat.time)
        packet = av.Packet(self._encoder.packet(samples))
        packet.pts = tick * FRAME
        packet.time_base = _TIME_BASE
        return packet

    def stop(self) -> None:
        super().stop()
        self._beat.leave()
