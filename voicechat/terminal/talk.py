"""A terminal client of a running server, over its WebSocket: sound through a handset, words on the screen."""

import asyncio
import base64
import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import numpy as np
from rich.console import Console
from rich.text import Text

from voicechat import adapters
from voicechat.adapters.aec import webrtc
from voicechat.audio import FRAME_SECONDS, AudioFrame, Samples
from voicechat.errors import AdapterUnavailable, VoicechatError
from voicechat.protocols import Canceller, SpeechChunk
from voicechat.terminal import login
from voicechat.terminal.handset import QUIET, RATE, Handset, SoundCard, WavHandset
from voicechat.transport.media.playout import Playout

ANSWER_SECONDS: Final = 30.0
"""A WAV that has ended is waited on this long for its answer."""
_REFUSALS: Final = {
    401: f"it wants a key; give it as {login.VARIABLE}, or with --key",
    403: "the key may not talk, or the server is reached another way",
    421: "it does not answer to that name",
    429: "too many wrong keys were tried, wait a minute",
    503: "it is full, try again later",
}

GRACE_SECONDS: Final = 1.5
"""Quiet after an answer from which nothing more is expected of a WAV."""


def run(
    url: str, wav: Path | None, out: Path | None, canceller: str = "auto", key: str | None = None
) -> None:
    """Talk until the WAV is answered, or until Ctrl-C. Blocking. Raises VoicechatError."""
    asyncio.run(_talk(url, wav, out, canceller, key))


def choose_canceller(wanted: str) -> Canceller | None:
    """An echo canceller for the sound card: an adapter's name, none, or auto: the one that is here, if there is one.

    Raises VoicechatError for other names, and for a named one that is not here.
    """
    allowed = ["auto", "none", *adapters.names("aec")]
    if wanted not in allowed:
        raise VoicechatError("bad_canceller", f"--canceller: found '{wanted}'; allowed: {', '.join(allowed)}")
    if wanted == "none":
        return None
    try:
        return webrtc.load()
    except AdapterUnavailable:
        if wanted != "auto":
            raise
        return None


async def _talk(url: str, wav: Path | None, out: Path | None, canceller: str, key: str | None) -> None:
    handset: Handset = WavHandset(wav, out) if wav is not None else SoundCard(choose_canceller(canceller))
    with closing(handset):
        async with aiohttp.ClientSession(headers=login.headers(key)) as client:
            socket = await _connect(client, url)
            async with socket:
                await Talk(socket, handset, Console()).run()


async def _connect(client: aiohttp.ClientSession, url: str) -> aiohttp.ClientWebSocketResponse:
    try:
        return await client.ws_connect(f"{url.rstrip('/')}/v1/realtime")
    except aiohttp.WSServerHandshakeError as error:
        reason = _REFUSALS.get(error.status, f"{error.status} {error.message}")
        raise VoicechatError("refused", f"The server at {url} did not take the call: {reason}.") from error
    except (aiohttp.ClientError, OSError) as error:
        raise VoicechatError("no_server", f"No server answers at {url}. To start one: make serve") from error


@dataclass(slots=True)
class Progress:
    """How far a WAV's conversation has come."""

    talking: bool = False
    waiting: bool = False
    answers: int = 0

    @property
    def busy(self) -> bool:
        return self.talking or self.waiting


class Talk:
    """One conversation."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, handset: Handset, console: Console) -> None:
        self._socket = socket
        self._handset = handset
        self._console = console
        self._playout = Playout(RATE, ahead=30.0)
        self._progress = Progress()
        self._item = ""  # whose sound is in the playout
        self._line_open = False

    async def run(self) -> None:
        """Ends when a WAV has been answered or the server hangs up. Raises VoicechatError when there was no answer."""
        listening = asyncio.create_task(self._listen())
        try:
            await self._speak(listening)
        except ConnectionResetError:
            pass  # the server hung up between two frames
        finally:
            listening.cancel()
            await asyncio.wait([listening])
            self._end_line()
        if not listening.cancelled():
            listening.result()
        if not self._progress.answers:
            raise VoicechatError("no_answer", "The call ended without an answer.")

    async def _speak(self, listening: asyncio.Task[None]) -> None:
        """The microphone's clock: a frame out, a frame in, until there is nothing more to expect."""
        quiet = 0.0  # seconds since the WAV ended, or since the last sound after it
        async for frame in self._handset.frames():
            await self._send(type="input_audio_buffer.append", audio=base64.b64encode(frame.tobytes()).decode())
            sound = self._playout.take()
            self._handset.speak(QUIET if sound is None else sound)
            quiet = quiet + FRAME_SECONDS if self._handset.over and sound is None else 0.0
            enough = GRACE_SECONDS if self._progress.answers and not self._progress.busy else ANSWER_SECONDS
            if quiet > enough or listening.done():
                return

    async def _listen(self) -> None:
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                await self._heed(json.loads(message.data))

    async def _heed(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "input_audio_buffer.speech_started":
                self._progress.talking = True
                await self._hush()
            case "input_audio_buffer.speech_stopped":
                self._progress.talking, self._progress.waiting = False, True
            case "conversation.item.input_audio_transcription.completed":
                self._line("you", "cyan", event["transcript"])
                self._progress.waiting = bool(event["transcript"].strip())
            case "conversation.item.input_audio_transcription.failed":
                self._line("you", "red", f"({event['error']['message']})")
            case "response.created":
                self._playout.cut(self._playout.turn + 1)
                self._progress.waiting = True
            case "response.output_audio.delta":
                self._item = event["item_id"]
                await self._play(np.frombuffer(base64.b64decode(event["delta"]), "<i2"))
            case "response.output_audio_transcript.delta":
                self._words(event["delta"])
            case "response.done":
                self._progress.waiting = False
                self._progress.answers += event["response"]["status"] == "completed"
                self._end_line()
                if event["response"]["status"] == "failed":
                    self._line("error", "red", event["response"]["status_details"]["error"]["message"])
            case "error":
                self._line("error", "red", event["error"]["message"])

    async def _play(self, samples: Samples) -> None:
        await self._playout.put(SpeechChunk(AudioFrame(samples, RATE), self._playout.turn))

    async def _hush(self) -> None:
        """The caller speaks: silence the answer, and tell the server how much of it was heard."""
        playing = self._playout.waiting > 0
        heard = self._playout.cut(self._playout.turn + 1)
        if playing:
            await self._send(
                type="conversation.item.truncate",
                item_id=self._item,
                content_index=0,
                audio_end_ms=round(heard.seconds * 1000),
            )

    async def _send(self, **event: object) -> None:
        await self._socket.send_str(json.dumps(event))

    def _words(self, text: str) -> None:
        if not self._line_open:
            self._console.print(Text("voicechat: ", "green"), end="")
            self._line_open = True
        self._console.print(Text(text), end="", soft_wrap=True)

    def _line(self, who: str, style: str, text: str) -> None:
        self._end_line()
        self._console.print(Text.assemble((f"{who:>9}: ", style), text), soft_wrap=True)

    def _end_line(self) -> None:
        if self._line_open:
            self._console.print()
            self._line_open = False
