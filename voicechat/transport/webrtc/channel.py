"""The data channel of a WebRTC call: events out as JSON text, the caller's messages in."""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from aiortc import RTCDataChannel

from voicechat.audio import AudioFrame
from voicechat.commands import Command, HangUp
from voicechat.errors import BadMessage
from voicechat.events import Event, Failed

LABEL: Final = "oai-events"
"""The name that OpenAI's clients give the channel."""

_EARLY: Final = 256
"""Messages kept for a channel that is not open yet; later ones are lost."""

LONGEST: Final = 262_144
"""Characters of a caller's message: our SDP promises to take so many bytes, and they take about a millisecond of the
loop. A larger `message_bytes` is for WebSockets, whose large messages are read beside it."""

_UNREAD: Final = 1 << 20
"""Bytes that may wait for a caller who does not read; then the call ends."""

_TOO_LONG: Final = {
    "type": "error",
    "error": {"type": "server_error", "code": "event_too_large", "message": "An event is too large for this channel."},
}


class Wire(Protocol):
    """A language of JSON messages; it may remember what it has said."""

    def encode(self, event: Event) -> list[dict[str, object]]: ...

    def decode(self, message: str) -> Command | AudioFrame | None:
        """None: nothing is asked. Raises BadMessage."""
        ...

    def answers(self) -> list[dict[str, object]]:
        """What the message that was decoded last makes us say, whatever becomes of what it asks."""
        ...


class EventChannel:
    """Keeps what is said before the channel opens; then both ways. Nothing here blocks or raises.

    `ask` takes the caller's commands; `end` is told why the call has to end: the caller does not read, or has hung up
    by a message. `label` is the channel's name.
    """

    def __init__(
        self,
        wire: Wire,
        message_bytes: int,
        ask: Callable[[Command], None],
        end: Callable[[str], None],
        label: str = LABEL,
    ) -> None:
        self._wire = wire
        self._message_bytes = min(message_bytes, LONGEST)
        self._ask = ask
        self._end = end
        self._label = label
        self._early: deque[str] = deque()
        self._channel: RTCDataChannel | None = None

    def open(self, channel: RTCDataChannel) -> None:
        """The caller has opened a channel; the first of the right name is ours."""
        if channel.label != self._label or self._channel is not None:
            return
        self._channel = channel
        channel.on("message", self._take)
        while self._early:
            self._send(self._early.popleft())

    def notify(self, event: Event) -> None:
        self._say(self._wire.encode(event))

    async def drain(self, seconds: float) -> None:
        """Waits until all has left, or until the time is over."""
        step = 0.01
        while seconds > 0 and self._channel is not None and self._channel.bufferedAmount > 0:
            await asyncio.sleep(step)
            seconds -= step

    def _say(self, messages: list[dict[str, object]]) -> None:
        for message in messages:
            self._send(json.dumps(message, ensure_ascii=False, separators=(",", ":")))

    def _send(self, text: str) -> None:
        if self._channel is None:
            if len(self._early) < _EARLY:
                self._early.append(text)
        elif self._channel.readyState == "open":
            if self._channel.bufferedAmount > _UNREAD:
                self._end("events_unread")
                return
            try:
                self._channel.send(text)
            except ValueError:  # longer than the caller said they take
                self._channel.send(json.dumps(_TOO_LONG))

    def _take(self, message: str | bytes) -> None:
        try:
            command = self._decode(message)
        except BadMessage as error:
            self.notify(Failed(error.code, error.message, error.param, error.event_id))
            return
        self._say(self._wire.answers())
        if isinstance(command, HangUp):
            self._end("hung_up")
        elif command is not None:
            self._ask(command)

    def _decode(self, message: str | bytes) -> Command | None:
        if not isinstance(message, str):
            raise BadMessage("not_text", "messages on this channel are JSON text, not bytes")
        if len(message) > self._message_bytes:
            raise BadMessage("message_too_large", f"at most {self._message_bytes} characters a message are taken")
        command = self._wire.decode(message)
        if isinstance(command, AudioFrame):
            raise BadMessage("audio_on_channel", "sound of a WebRTC call comes on its audio track")
        return command
