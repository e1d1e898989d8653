"""One caller's WebRTC line: ready packets out, arrival times and audibility in. It knows nothing of the server."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any, Final

import aiohttp
import av
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.rtp import RtpPacket

from bench.media.clips import FRAME, RATE, Decoder, Packet, audible
from bench.media.clock import Clock
from voicechat.audio import Samples

SETUP_SECONDS: Final = 15.0
_TIME_BASE: Final = Fraction(1, RATE)


class Mouth(MediaStreamTrack):
    """Sends a packet every tick: the next of what is to be said, or silence."""

    kind = "audio"

    def __init__(self, silence: Packet) -> None:
        super().__init__()
        self._silence = silence
        self._saying: deque[Packet] = deque()
        self._due: deque[Packet] = deque()
        self._wake = asyncio.Event()
        self._said = asyncio.Event()
        self._first = self._last = 0.0
        self._number = 0

    def tick(self) -> None:
        self._due.append(self._saying.popleft() if self._saying else self._silence)
        self._wake.set()

    async def say(self, packets: Iterable[Packet]) -> tuple[float, float]:
        """Waits until they are sent; the loop's times at which the first and the last audible one left."""
        self._first = self._last = 0.0
        self._said.clear()
        self._saying.extend(packets)
        await self._said.wait()
        return self._first, self._last

    @property
    def onset(self) -> float:
        """When the first audible packet of what is being said left; 0.0: not yet."""
        return self._first

    async def recv(self) -> "av.Packet[Any]":
        while not self._due:
            self._wake.clear()
            await self._wake.wait()
            if self.readyState != "live":
                raise MediaStreamError
        packet = self._due.popleft()
        if packet.audible:
            self._last = asyncio.get_running_loop().time()
            self._first = self._first or self._last
        if not self._saying and not self._due:
            self._said.set()
        ready = av.Packet(packet.payload)
        ready.pts, ready.time_base = self._number * FRAME, _TIME_BASE
        self._number += 1
        return ready

    def stop(self) -> None:
        super().stop()
        self._wake.set()


class Line:
    """A call, as an async context manager. On the loop; all times are the loop's."""

    def __init__(
        self, url: str, silence: Packet, clock: Clock, *, loss: float = 0.0, seed: int = 0, keep: bool = False
    ) -> None:
        self.mouth = Mouth(silence)
        self.heard: list[float] = []
        """When audible packets came."""
        self.sound: list[tuple[int, Samples]] = []
        """All that came, with RTP timestamps, when it is to be kept."""
        self.packets = self.markers = 0
        self._url = url
        self._clock = clock
        self._keep = keep
        self._lost = losses(loss, seed)
        self._decoder = Decoder()
        self._before: tuple[bytes, Samples] | None = None
        self._voice = asyncio.Event()
        self._connected = asyncio.Event()
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._leave: Callable[[], None] | None = None

    async def __aenter__(self) -> "Line":
        """Raises TimeoutError or aiohttp.ClientError when there is no connection."""
        try:
            async with asyncio.timeout(SETUP_SECONDS):
                await self._call()
        except BaseException:
            await self._connection.close()
            raise
        self._leave = self._clock.join(self.mouth.tick)
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._leave is not None:
            self._leave()
        self.mouth.stop()
        await self._connection.close()

    async def voice(self, since: float, timeout: float) -> float | None:
        """When the first audible packet after `since` came; None when none came within `timeout` seconds of it."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(since + timeout):
                while not self.heard or self.heard[-1] <= since:
                    self._voice.clear()
                    await self._voice.wait()
        except TimeoutError:
            return None
        assert loop.time() >= since
        return next(at for at in self.heard if at > since)

    async def quiet(self, seconds: float) -> None:
        """Waits until nothing audible has come for so long."""
        loop = asyncio.get_running_loop()
        left = seconds
        while left > 0:
            await asyncio.sleep(left)
            left = (self.heard[-1] if self.heard else 0.0) + seconds - loop.time()

    async def _call(self) -> None:
        connection = self._connection
        transceiver = connection.addTransceiver(self.mouth, "sendrecv")
        connection.createDataChannel("oai-events")
        transceiver.receiver._handle_rtp_packet = self._hear  # type: ignore[method-assign]  # spares a jitter buffer
        connection.on("connectionstatechange", self._change)
        await connection.setLocalDescription()
        headers = {"Content-Type": "application/sdp"}
        async with (
            aiohttp.ClientSession(raise_for_status=True) as http,
            http.post(self._url, data=connection.localDescription.sdp, headers=headers) as response,
        ):
            answer = await response.text()
        _shim(transceiver.sender.transport.transport, self._lost)
        await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await self._connected.wait()

    def _change(self) -> None:
        if self._connection.connectionState == "connected":
            self._connected.set()

    async def _hear(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        self.packets += 1
        self.markers += packet.marker
        payload = packet.payload
        if self._before is None or payload != self._before[0]:
            self._before = (payload, self._decoder.samples(payload))
        samples = self._before[1]
        if self._keep:
            self.sound.append((packet.timestamp, samples))
        if audible(samples):
            self.heard.append(asyncio.get_running_loop().time())
            self._voice.set()


def losses(share: float, seed: int) -> Iterator[bool]:
    """Which packets are lost: of every hundred exactly this share, at seeded random places."""
    dice = random.Random(seed)
    count = round(100 * share)
    while True:
        yield from dice.sample([True] * count + [False] * (100 - count), 100)


def _shim(transport: Any, lost: Iterator[bool]) -> None:
    """Drops the media packets of an ICE transport for which `lost` says so: a lossy network behind the caller."""
    send = transport._send

    async def lossy(data: bytes) -> None:
        media = 128 <= data[0] <= 191 and not 192 <= data[1] <= 223  # RFC 7983, and RFC 5761 for RTCP
        if not (media and next(lost)):
            await send(data)

    transport._send = lossy
