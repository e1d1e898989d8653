"""RTVI, the protocol of Pipecat's clients: our events become its messages, its messages our commands.

Pure: no I/O; the clock for time stamps is handed in. One wire for each call. The facts are those of Pipecat 1.14 and
its client for JavaScript, 1.13.
"""

import json
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Final

from voicechat import __version__
from voicechat.commands import Command
from voicechat.conversation import Kind, Role
from voicechat.errors import BadMessage
from voicechat.events import (
    Event,
    Failed,
    InputCleared,
    InputCommitted,
    ItemAdded,
    Noted,
    ReplyAudible,
    ReplyCalled,
    ReplyFinished,
    ReplyStarted,
    ReplyText,
    SessionEnded,
    SessionStarted,
    SpeechStarted,
    SpeechStopped,
    ToolEnded,
    TranscriptFinal,
    TranscriptPartial,
    TurnMeasured,
)
from voicechat.transport.fields import Fields, parse
from voicechat.transport.rtvi.answer import Message, RtviAnswer
from voicechat.transport.rtvi.messages import RtviMessages, version
from voicechat.transport.rtvi.past import Past, is_past

VERSION: Final = "2.1.0"
LABEL: Final = "rtvi-ai"
CHANNEL: Final = "chat"
"""The name that Pipecat's clients give their data channel."""

_HELD: Final = 256
"""Messages kept for a client that is not ready; later ones are lost."""

_ASKED: Final = 20
"""Utterances without an answer that are remembered for the next."""

_CALLS: Final = 64
"""Calls of the client's tools that may be open."""


class RtviWire:
    """One call's side of the protocol; see `channel.Wire`.

    Nothing is said before the client is `ready`; one that has only lost its connection does not say so again. Where
    nothing is known any more of what it said before, it is told that this conversation is `new`.
    """

    def __init__(self, now: Callable[[], datetime], *, ready: bool = False, new: bool = False) -> None:
        self.past = Past()
        self._now, self._ready, self._new = now, ready, new
        self._left = False
        self._messages = RtviMessages()
        self._held: list[Message] = []
        self._answers: list[Message] = []
        self._legacy = False
        self._speaking = False  # the user
        self._asked: deque[str] = deque(maxlen=_ASKED)  # what the user has said since the last answer
        self._answer: RtviAnswer | None = None
        self._segments = 0
        self._calls: dict[str, str] = {}  # names of the client's tools, by call

    # What the client says

    def decode(self, message: str) -> Command | None:
        """None for a message without effect. Raises BadMessage for what is not JSON."""
        self._answers = []
        if message.startswith("ping"):  # each second, as a sign of life
            return None
        value = parse(message)
        if not isinstance(value, dict) or value.get("label") != LABEL:
            return None  # the transport's own, about its tracks
        id, kind, data = (value.get(key) for key in ("id", "type", "data"))
        id = id[:128] if isinstance(id, str) else ""
        fields = Fields(data if isinstance(data, dict) else {}, event_id=id or None)
        if not isinstance(kind, str):
            self._refuse(id, "a message needs a type")
        elif kind == "client-ready":
            self._begin(id, fields)
        else:
            try:
                return self._messages.read(kind, fields)
            except BadMessage as error:
                self._refuse(id, error.message)
        return None

    def leave(self) -> None:
        """The client has another connection. If it still heard on this one that the bot leaves, it would leave, too."""
        self._left = True

    def answers(self) -> list[dict[str, object]]:
        return [_labelled(message) for message in self._answers]

    def _refuse(self, id: str, why: str) -> None:
        self._answers.append({"type": "error-response", "id": id, "data": {"error": why}})

    def _begin(self, id: str, data: Fields) -> None:
        """What was held comes after the greeting. A version we do not know is told, and served as ours."""
        told = VERSION
        try:
            major, theirs = version(data)
        except BadMessage as error:
            self._refuse(id, error.message)
        else:
            self._legacy = major == 1
            told = theirs if self._legacy else VERSION
        about = {"library": "voicechat", "library_version": __version__}
        self._answers.append({"type": "bot-ready", "id": id, "data": {"version": told, "about": about}})
        self._answers += self._held
        self._held.clear()
        self._ready = True

    # What the client is told

    def encode(self, event: Event) -> list[dict[str, object]]:
        self.past.hear(event)
        if self._left:
            return []
        if isinstance(event, SessionEnded):
            return [{"type": "signalling", "message": {"type": "peerLeft"}}]
        told = self._tell(event)
        if self._ready:
            return [_labelled(message) for message in told]
        self._held.extend(told[: _HELD - len(self._held)])
        return []

    def _tell(self, event: Event) -> list[Message]:
        match event:
            case SessionStarted() if self._new:
                return [_warning("conversation_lost", "What was said before is forgotten: this conversation is new.")]
            case SpeechStarted() | SpeechStopped() | InputCommitted() | InputCleared():
                return self._tell_speech(isinstance(event, SpeechStarted))
            case TranscriptPartial():
                return self._tell_transcript(event.stable + event.tail, final=False)
            case TranscriptFinal():
                return self._tell_transcript(event.text, final=True)
            case ItemAdded():
                return self._tell_item(event)
            case ReplyStarted():
                return self._start(event)
            case ReplyText() | ReplyAudible() | ReplyFinished():
                answer = self._answer
                return self._tell_answer(answer, event) if answer and answer.started.reply == event.reply else []
            case ReplyCalled():
                return self._tell_call(event)
            case ToolEnded():
                return [_stopped(event.call)]
            case TurnMeasured():
                return [_metrics(event)]
            case Noted():
                return [_warning(event.code, event.message)]
            case Failed():
                return [_failure(event)]
        return []

    def _tell_speech(self, begins: bool) -> list[Message]:
        if begins is self._speaking:
            return []
        self._speaking = begins
        return [{"type": "user-started-speaking" if begins else "user-stopped-speaking"}]

    def _tell_transcript(self, text: str, *, final: bool) -> list[Message]:
        if not text:
            return []
        if final:
            self._asked.append(text)
        stamp = self._now().isoformat(timespec="milliseconds")
        data = {"text": text, "final": final, "timestamp": stamp, "user_id": ""}
        return [{"type": "user-transcription", "data": data}]

    def _tell_item(self, event: ItemAdded) -> list[Message]:
        """What is typed is asked, too; a tool's output ends its call."""
        item = event.item
        if item.kind is Kind.OUTPUT and item.call in self._calls:
            return [_stopped(item.call, function_name=self._calls.pop(item.call))]
        if item.kind is Kind.MESSAGE and item.role is Role.USER and not item.spoken and not is_past(item):
            self._asked.append(item.text)
        return []

    def _start(self, event: ReplyStarted) -> list[Message]:
        if not event.stored and not event.speaks:
            return []  # made beside the conversation, for somebody else
        self._answer = RtviAnswer(event, self._segments, legacy=self._legacy)
        asked = " ".join(self._asked)
        self._asked.clear()
        told: list[Message] = [{"type": "user-llm-text", "data": {"text": asked}}] if asked else []
        return [*told, {"type": "bot-llm-started"}]

    def _tell_answer(self, answer: RtviAnswer, event: ReplyText | ReplyAudible | ReplyFinished) -> list[Message]:
        match event:
            case ReplyText():
                return answer.text(event)
            case ReplyAudible():
                return answer.audible(event)
            case ReplyFinished():
                told = answer.finish(event)
                self._answer, self._segments = None, answer.segment
                return told

    def _tell_call(self, event: ReplyCalled) -> list[Message]:
        """Clients run the tools that are named to them; of those of this house they learn no more than that."""
        item = event.item
        if event.ours:
            progress: Message = {"tool_call_id": item.call}
            return [
                {"type": "llm-function-call-started", "data": {}},
                {"type": "llm-function-call-in-progress", "data": progress},
            ]
        self._calls[item.call] = item.name
        while len(self._calls) > _CALLS:
            del self._calls[next(iter(self._calls))]
        progress = {"function_name": item.name, "tool_call_id": item.call, "arguments": _arguments(item.text)}
        return [
            {"type": "llm-function-call-started", "data": {"function_name": item.name}},
            {"type": "llm-function-call-in-progress", "data": progress},
        ]


def _labelled(message: Message) -> Message:
    return {"label": LABEL, **message}


def _arguments(text: str) -> dict[str, object]:
    """An object, whatever the language model has written."""
    try:
        arguments = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return arguments if isinstance(arguments, dict) else {}


def _stopped(call: str, **data: object) -> Message:
    return {"type": "llm-function-call-stopped", "data": {"tool_call_id": call, "cancelled": False, **data}}


def _warning(code: str, message: str) -> Message:
    return {"type": "server-message", "data": {"type": "warning", "code": code, "message": message}}


def _failure(event: Failed) -> Message:
    if event.event_id is not None:
        return {"type": "error-response", "id": event.event_id, "data": {"error": event.message}}
    return {"type": "error", "data": {"error": event.message, "fatal": False}}


def _metrics(event: TurnMeasured) -> Message:
    """Seconds, each part by itself."""
    understood = event.understood - event.endpointed
    word, sound = event.first_word - event.understood, event.first_sound - event.first_word
    waits = {"agent": word, "tts": sound}
    return {
        "type": "metrics",
        "data": {
            "processing": [{"processor": "asr", "value": understood}],
            "ttfb": [{"processor": name, "value": value} for name, value in waits.items()],
        },
    }
