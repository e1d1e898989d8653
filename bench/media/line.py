"""One caller's WebRTC line: ready packets out, arrival times and audibility in. It knows nothing of the server."""

import asyncio
import random
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Final

import aiohttp
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.exceptions import InvalidStateError

from bench.media import wire
from bench.media.clips import Decoder, Packet, audible
from bench.media.clock import Clock
from voicechat.audio import Samples

SETUP_SECONDS: Final = 15.0
CLOSE_SECONDS: Final = 3.0


class Mouth:
    """Sends a packet every tick: the next of what is to be said, or silence."""

    def __init__(self, silence: Packet) -> None:
        self._silence = silence
        self._send: Callable[[bytes], None] | None = None
        self._saying: deque[Packet] = deque()
        self._said = asyncio.Event()
        self._first = self._last = 0.0

    def begin(self, send: Callable[[bytes], None]) -> None:
        self._send = send

    def tick(self) -> None:
        assert self._send is not None
        if not self._saying:
            self._send(self._silence.payload)
            return
        packet = self._saying.popleft()
        self._send(packet.payload)
        if packet.audible:
            self._last = time.monotonic()
            self._first = self._first or self._last
        if not self._saying:
            self._said.set()

    async def say(self, packets: Iterable[Packet]) -> tuple[float, float]:
        """Waits until they are sent; the times at which the first and the last audible one left."""
        self._first = self._last = 0.0
        self._said.clear()
        self._saying.extend(packets)
        await self._said.wait()
        return self._first, self._last


class Line:
    """A call, as an async context manager. On the loop.

    All times are `time.monotonic()`: the loop's own clock, to the microsecond. uvloop's `time()` counts milliseconds,
    and stands still while packets that came together are worked off.
    """

    def __init__(
        self, url: str, silence: Packet, clock: Clock, *, loss: float = 0.0, seed: int = 0, keep: bool = False
    ) -> None:
        self.mouth = Mouth(silence)
        self.heard: list[float] = []
        """When audible packets came."""
        self.sound: list[tuple[int, Samples]] = []
        """All that came, with RTP timestamps, when it is to be kept."""
        self.packets = self.markers = 0
        self.begun = 0.0
        """When the first packet left."""
        self._url = url
        self._clock = clock
        self._keep = keep
        self._lost = losses(loss, seed)
        self._decoder = Decoder()
        self._before = b""
        self._samples: Samples | None = None
        self._audible = False
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
            await self._close()
            raise
        self.mouth.begin(wire.Wire(self._connection, self._hear, self._lost).send)
        self._leave = self._clock.join(self.mouth.tick)
        self.begun = time.monotonic()
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._leave is not None:
            self._leave()
        await self._close()

    async def _close(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._connection.close()

    async def voice(self, since: float, timeout: float) -> float | None:
        """When the first audible packet after `since` came; None when none came within `timeout` seconds of it."""
        try:
            async with asyncio.timeout_at(since + timeout):
                while not self.heard or self.heard[-1] <= since:
                    self._voice.clear()
                    await self._voice.wait()
        except TimeoutError:
            return None
        return self.heard[bisect_right(self.heard, since)]

    async def quiet(self, seconds: float, at_most: float) -> None:
        """Waits until nothing audible has come for so long; `at_most` so many seconds."""
        end = time.monotonic() + at_most
        left = seconds
        while left > 0 and time.monotonic() < end:
            await asyncio.sleep(left)
            left = (self.heard[-1] if self.heard else 0.0) + seconds - time.monotonic()

    async def _call(self) -> None:
        connection = self._connection
        transceiver = connection.addTransceiver(wire.Mute(), "sendrecv")
        wire.deafen(transceiver)
        connection.createDataChannel("oai-events")
        connection.on("connectionstatechange", self._change)
        await connection.setLocalDescription()
        headers = {"Content-Type": "application/sdp"}
        async with (
            aiohttp.ClientSession(raise_for_status=True) as http,
            http.post(self._url, data=connection.localDescription.sdp, headers=headers) as response,
        ):
            answer = await response.text()
        try:
            await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        except (ValueError, InvalidStateError) as error:
            raise aiohttp.ClientPayloadError(f"not an answer: {error}") from error
        await self._connected.wait()

    def _change(self) -> None:
        if self._connection.connectionState == "connected":
            self._connected.set()

    def _hear(self, timestamp: int, marker: bool, payload: bytes) -> None:
        now = time.monotonic()
        self.packets += 1
        self.markers += marker
        if payload != self._before:  # one that comes again and again is silence: it need not be decoded each time
            self._before = payload
            self._samples = self._decoder.samples(payload)
            self._audible = audible(self._samples)
        if self._keep and self._samples is not None:
            self.sound.append((timestamp, self._samples))
        if self._audible:
            self.heard.append(now)
            self._voice.set()


def losses(share: float, seed: int) -> Iterator[bool]:
    """Which packets are lost: of every hundred exactly this share, at seeded random places."""
    dice = random.Random(seed)
    count = round(100 * share)
    while True:
        yield from dice.sample([True] * count + [False] * (100 - count), 100)
