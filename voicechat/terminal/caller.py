"""A WebRTC caller in Python: speaks, listens, keeps what both said. For the demo, the tests and the benchmarks."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Final, Self

import aiohttp
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack
from yarl import URL

from voicechat.audio import AudioFrame, Samples
from voicechat.errors import PeerError
from voicechat.protocols import SpeechChunk
from voicechat.terminal import login
from voicechat.transport.media.metronome import Metronome
from voicechat.transport.media.opus import RATE, OpusEncoder
from voicechat.transport.media.playout import Playout
from voicechat.transport.media.rtp import Listener, follow
from voicechat.transport.media.speaker import Speaker
from voicechat.transport.webrtc.channel import LABEL

RECORDING_SECONDS: Final = 600.0
"""What is said and heard later is not kept."""

_EVENTS: Final = 10_000
"""The newest events that are kept for reading."""

_LATE: Final = 5.0
"""Seconds after which speech that has not been sent never will be."""

_CLOSE: Final = 1.0


class Caller:
    """One call, as an async context manager. On the loop.

    All times are seconds since the connection stood, on one line for both voices and the events.
    """

    def __init__(self, url: str, *, setup_seconds: float = 10.0, bitrate: int = 32_000, key: str | None = None) -> None:
        self.location = ""
        self._url = url.rstrip("/")
        self._setup_seconds = setup_seconds
        self._key = key
        self._http: aiohttp.ClientSession | None = None
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._events = self._connection.createDataChannel(LABEL)
        self._inbox: deque[dict[str, Any]] = deque(maxlen=_EVENTS)
        self._log: deque[tuple[float, dict[str, Any]]] = deque(maxlen=_EVENTS)
        self._news = asyncio.Event()
        self._open = asyncio.Event()
        self._over = False
        self._start = 0.0
        self._said: list[tuple[float, Samples]] = []
        self._playout = Playout(RATE, ahead=0.2)
        self._turn = 0
        self._speaker = Speaker(self._playout, OpusEncoder(bitrate, 5), Metronome(), sent=self._keep_said)
        self._heard: list[tuple[int, Samples]] = []
        self._transit = float("inf")  # seconds between the server's clock and ours, as the fastest packet tells it
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Calls. Raises PeerError when the server refuses or does not connect in time."""
        self._http = aiohttp.ClientSession(headers=login.headers(self._key))
        try:
            async with asyncio.timeout(self._setup_seconds):
                await self._call()
        except TimeoutError:
            await self._close()
            raise PeerError("no_connection", f"no connection to {self._url} in {self._setup_seconds} s") from None
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.hang_up()
        await self._close()

    @property
    def now(self) -> float:
        """Seconds since the connection stood."""
        return asyncio.get_running_loop().time() - self._start

    @property
    def over(self) -> bool:
        """Whether the connection has ended."""
        return self._over

    @property
    def heard(self) -> Samples:
        """All that came from the server, (n,) at 48 kHz, from the beginning of the call."""
        return self.recording()[1]

    @property
    def log(self) -> list[tuple[float, dict[str, Any]]]:
        """All events so far, with the times at which they came."""
        return list(self._log)

    async def say(self, samples: Samples, rate: int) -> float:
        """Speaks (n,) samples into the microphone, in real time; waits until they have been sent.

        Returns the time at which their first frame left. Raises PeerError when the call ends first.
        """
        self._turn += 1
        frame, first = AudioFrame(samples, rate), len(self._said)
        try:
            async with asyncio.timeout(frame.seconds + _LATE):
                await self._playout.put(SpeechChunk(frame, self._turn))
                await self._playout.drain(self._turn)
        except TimeoutError:
            raise PeerError("hung_up", "the call was over before all was said") from None
        return self._said[first][0]

    async def send(self, event: dict[str, Any]) -> None:
        """A message to the server over the data channel. Raises PeerError when the call is over."""
        if self._events.readyState != "open":
            raise PeerError("not_connected", "the data channel is not open")
        self._events.send(json.dumps(event))

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """The server's events from here on, each once, until the call is over."""
        while await self._something():
            yield self._inbox.popleft()

    async def wait_for(self, kind: str, timeout: float) -> dict[str, Any]:
        """The next event of this type; those before it are passed over.

        Raises TimeoutError, or PeerError when the call ends first.
        """
        async with asyncio.timeout(timeout):
            while await self._something():
                event = self._inbox.popleft()
                if event["type"] == kind:
                    return event
        raise PeerError("hung_up", f"the call was over before {kind}")

    def recording(self) -> tuple[Samples, Samples]:
        """What we said and what we heard, two channels of one length at 48 kHz, on the same line of time."""
        mine = [(round(at * RATE), samples) for at, samples in self._said]
        origin = 0 if not self._heard else round((self._transit - self._start) * RATE)
        theirs = [(at + origin, samples) for at, samples in self._heard]
        length = max((at + len(samples) for at, samples in mine + theirs), default=0)
        return _spread(mine, length), _spread(theirs, length)

    async def hang_up(self) -> None:
        """Tells the server that the call is over; once."""
        if self._http is None or not self.location:
            return
        url, self.location = self.location, ""
        try:
            async with asyncio.timeout(_CLOSE), self._http.delete(url):
                pass
        except (aiohttp.ClientError, TimeoutError):
            return  # the server is gone, or sees it by the connection

    async def _call(self) -> None:
        assert self._http is not None
        connection = self._connection
        transceiver = connection.addTransceiver(self._speaker, "sendrecv")

        def follow(_: MediaStreamTrack) -> None:
            self._reader = asyncio.create_task(self._listen(transceiver.receiver))

        connection.on("track", follow)
        connection.on("connectionstatechange", self._state)
        self._events.on("message", self._read)
        self._events.on("open", self._open.set)
        self._start = asyncio.get_running_loop().time()
        await connection.setLocalDescription()
        answer = await self._post(connection.localDescription.sdp)
        await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await self._open.wait()

    async def _post(self, offer: str) -> str:
        assert self._http is not None
        url = f"{self._url}/v1/realtime/calls"
        try:
            async with self._http.post(url, data=offer, headers={"Content-Type": "application/sdp"}) as response:
                text = await response.text()
                if response.status != 201:
                    raise PeerError("refused", f"{url} answered {response.status}: {text[:300]}")
                self.location = str(response.url.join(URL(response.headers["Location"])))
                return text
        except aiohttp.ClientError as error:
            raise PeerError("no_server", f"{url} cannot be reached: {error}") from error

    def _state(self) -> None:
        match self._connection.connectionState:
            case "connected":
                self._start = asyncio.get_running_loop().time()
            case "failed" | "closed":
                self._end()

    def _end(self) -> None:
        self._over = True
        self._news.set()

    def _read(self, message: str | bytes) -> None:
        event = json.loads(message)
        self._log.append((self.now, event))
        self._inbox.append(event)
        self._news.set()

    async def _something(self) -> bool:
        """Waits for an event; False when the call is over and all have been read."""
        while not self._inbox and not self._over:
            self._news.clear()
            await self._news.wait()
        return bool(self._inbox)

    async def _listen(self, receiver: RTCRtpReceiver) -> None:
        await follow(receiver, Listener(RATE, self._keep_heard))
        self._end()

    def _keep_heard(self, samples: Samples, at: int) -> None:
        self._transit = min(self._transit, asyncio.get_running_loop().time() - at / RATE)
        if len(self._heard) < RECORDING_SECONDS * 50:
            self._heard.append((at, samples))

    def _keep_said(self, samples: Samples | None, due: float) -> None:
        if samples is not None and due - self._start < RECORDING_SECONDS:
            self._said.append((due - self._start, samples))

    async def _close(self) -> None:
        self._end()
        self._speaker.stop()
        try:
            async with asyncio.timeout(_CLOSE):
                await self._connection.close()
        except TimeoutError:
            pass
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        if self._http is not None:
            await self._http.close()


def _spread(pieces: list[tuple[int, Samples]], length: int) -> Samples:
    """Pieces at their places on a silent line; what would begin before it is cut off."""
    line = np.zeros(length, np.int16)
    for at, samples in pieces:
        begin = max(0, at)
        line[begin : at + len(samples)] = samples[begin - at :]
    return line
