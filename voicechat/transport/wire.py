"""The OpenAI Realtime protocol (GA): our events become its server events, its client messages become our commands.

Pure: no I/O, no clock. One wire for each session, since what is said depends on what has been said.
"""

import itertools
from typing import Final, Literal

from voicechat.audio import AudioFrame, Samples
from voicechat.commands import Command
from voicechat.conversation import SessionSettings
from voicechat.events import (
    Event,
    Failed,
    InputCleared,
    InputCommitted,
    ItemAdded,
    ItemDeleted,
    ItemRetrieved,
    ItemTruncated,
    ReplyAudible,
    ReplyFinished,
    ReplyPaused,
    ReplyResumed,
    ReplyStarted,
    ReplyText,
    SessionStarted,
    SettingsChanged,
    SpeechStarted,
    SpeechStopped,
    StateChanged,
    TranscriptFailed,
    TranscriptFinal,
    TranscriptPartial,
    TurnMeasured,
)
from voicechat.transport import session_object
from voicechat.transport.answer import Answer, Message, write_item
from voicechat.transport.messages import Messages
from voicechat.transport.session_object import LATENCY, PARTIALS, STATE
from voicechat.transport.told import Told

_TRANSCRIPTION: Final = "conversation.item.input_audio_transcription"

_REQUESTS: Final = frozenset({
    "invalid_json", "unknown_event", "unknown_parameter", "missing_field", "invalid_value", "unsupported_parameter",
    "unsupported_content", "audio_not_base64", "audio_odd_length", "audio_on_channel", "not_text", "message_too_large",
    "item_not_found", "item_already_exists", "input_audio_buffer_commit_empty", "response_cancel_not_active",
    "conversation_already_has_active_response", "voice_unknown",
})  # fmt: skip
"""Errors that are the client's; all others are ours."""


class RealtimeWire:
    """One session's side of the protocol.

    `model` and `transcriber` are the names that clients are told. `expires_at` is in seconds of Unix time.
    """

    def __init__(
        self,
        session: str,
        *,
        channel: Literal["websocket", "webrtc"],
        model: str = "voicechat",
        transcriber: str = "voicechat",
        expires_at: int | None = None,
    ) -> None:
        self._session, self._channel = session, channel
        self._model, self._transcriber, self._expires_at = model, transcriber, expires_at
        self._messages = Messages()
        self._settings = SessionSettings()
        self._asked: frozenset[str] = frozenset()  # events beyond the protocol that the client wants
        self._answer: Answer | None = None
        self._told = Told()
        self._numbers = itertools.count(1)

    def decode(self, message: str) -> Command | AudioFrame | None:
        """A command, sound at 24 kHz, or None for a message without effect. Raises BadMessage."""
        return self._messages.read(message)

    def answers(self) -> list[Message]:
        """See `channel.Wire.answers`: all our answers are to what happens."""
        return []

    def audio(self, turn: int, samples: Samples) -> Message | None:
        """Sound of (n,) samples at 24 kHz; None when the turn's answer is over and the sound must not be sent."""
        answer = self._answer
        if answer is None or answer.started.turn != turn or not answer.started.speaks:
            return None
        return self._stamp(answer.sound(samples))

    def encode(self, event: Event) -> list[Message]:
        """What the client is told of the event, in order; nothing for what it need not know."""
        return [self._stamp(message) for message in self._tell(event)]

    def _stamp(self, message: Message) -> Message:
        return {"event_id": f"event_{next(self._numbers)}", **message}

    def _tell(self, event: Event) -> list[Message]:
        match event:
            case SessionStarted() | SettingsChanged():
                return [self._tell_settings(event)]
            case SpeechStarted() | SpeechStopped() | InputCommitted() | InputCleared():
                return [_tell_input(event)]
            case ItemAdded() | ItemRetrieved() | ItemDeleted() | ItemTruncated():
                return _tell_item(event)
            case TranscriptPartial() | TranscriptFinal() | TranscriptFailed():
                return self._tell_transcript(event)
            case ReplyStarted():
                return self._begin(event)
            case ReplyText() | ReplyAudible() | ReplyPaused() | ReplyResumed() | ReplyFinished():
                answer = self._answer
                return self._tell_answer(answer, event) if answer and answer.started.reply == event.reply else []
            case StateChanged():
                return self._if_asked(STATE, {"type": "voicechat.state", "state": str(event.state)})
            case TurnMeasured():
                return self._if_asked(LATENCY, _latency(event))
            case Failed():
                return [self._tell_failure(event)]
        return []

    def _tell_settings(self, event: SessionStarted | SettingsChanged) -> Message:
        self._settings = event.settings
        names = dict(event.settings.extras).get("include")
        self._asked = frozenset(str(name) for name in names) if isinstance(names, list | tuple) else frozenset()
        if isinstance(event, SessionStarted):
            self._messages.begin(event.settings)
        session = session_object.write(
            event.settings, session=self._session, model=self._model, transcriber=self._transcriber
        )
        if self._expires_at is not None:
            session["expires_at"] = self._expires_at
        kind = "session.created" if isinstance(event, SessionStarted) else "session.updated"
        return {"type": kind, "session": session}

    def _tell_transcript(self, event: TranscriptPartial | TranscriptFinal | TranscriptFailed) -> list[Message]:
        """Deltas cannot be taken back, so only stable words are sent; whoever wants the guesses asks for partials."""
        where: Message = {"item_id": event.item, "content_index": 0}
        match event:
            case TranscriptPartial():
                told = self._if_asked(PARTIALS, _guess(event))
                delta = self._told.grow(event.item, event.stable)
            case TranscriptFinal():
                usage = {"type": "duration", "seconds": event.seconds}
                delta, revised = self._told.finish(event.item, event.text)
                told = [{"type": f"{_TRANSCRIPTION}.completed", **where, "transcript": event.text, "usage": usage}]
                if revised:  # beyond the protocol: the deltas do not join to this transcript
                    told[0]["revised"] = True
            case TranscriptFailed():
                error = {"type": "transcription_error", "code": event.code, "message": event.message, "param": None}
                told = [{"type": f"{_TRANSCRIPTION}.failed", **where, "error": error}]
                delta, _ = self._told.finish(event.item, "")
        if not self._settings.transcribes:
            return told if isinstance(event, TranscriptPartial) else []
        if delta:
            told.insert(0, {"type": f"{_TRANSCRIPTION}.delta", **where, "delta": delta})
        return told

    def _begin(self, event: ReplyStarted) -> list[Message]:
        self._answer = Answer(
            event,
            conversation=f"conv_{self._session.removeprefix('sess_')}",
            voice=self._settings.voice,
            plays=self._channel == "webrtc",
            metadata=self._messages.metadata,
        )
        self._messages.metadata = None
        return self._answer.begin()

    def _tell_answer(
        self, answer: Answer, event: ReplyText | ReplyAudible | ReplyPaused | ReplyResumed | ReplyFinished
    ) -> list[Message]:
        match event:
            case ReplyText():
                return answer.text(event)
            case ReplyAudible():
                return answer.audible(event)
            case ReplyPaused():
                return self._if_asked(STATE, {"type": "voicechat.paused", "response_id": event.reply})
            case ReplyResumed():
                return self._if_asked(STATE, {"type": "voicechat.resumed", "response_id": event.reply})
            case ReplyFinished():
                self._answer = None
                return answer.finish(event)

    def _tell_failure(self, event: Failed) -> Message:
        if event.code == "conversation_already_has_active_response":
            self._messages.metadata = None  # the answer it was meant for will not come
        theirs = event.code in _REQUESTS or event.event_id is not None or event.param is not None
        error = {
            "type": "invalid_request_error" if theirs else "server_error",
            "code": event.code,
            "message": event.message,
            "param": event.param,
            "event_id": event.event_id,
        }
        return {"type": "error", "error": error}

    def _if_asked(self, name: str, message: Message) -> list[Message]:
        return [message] if name in self._asked else []


def _tell_input(event: SpeechStarted | SpeechStopped | InputCommitted | InputCleared) -> Message:
    buffer = "input_audio_buffer"
    match event:
        case SpeechStarted():
            return {"type": f"{buffer}.speech_started", "audio_start_ms": _ms(event.at), "item_id": event.item}
        case SpeechStopped():
            return {"type": f"{buffer}.speech_stopped", "audio_end_ms": _ms(event.at), "item_id": event.item}
        case InputCommitted():
            return {"type": f"{buffer}.committed", "previous_item_id": event.previous, "item_id": event.item}
        case InputCleared():
            return {"type": f"{buffer}.cleared"}


def _tell_item(event: ItemAdded | ItemRetrieved | ItemDeleted | ItemTruncated) -> list[Message]:
    item = "conversation.item"
    match event:
        case ItemAdded():
            entry: Message = {"previous_item_id": event.previous, "item": write_item(event.item)}
            return [{"type": f"{item}.added", **entry}, {"type": f"{item}.done", **entry}]
        case ItemRetrieved():
            return [{"type": f"{item}.retrieved", "item": write_item(event.item)}]
        case ItemDeleted():
            return [{"type": f"{item}.deleted", "item_id": event.item}]
        case ItemTruncated():
            where: Message = {"item_id": event.item.id, "content_index": 0, "audio_end_ms": _ms(event.end)}
            return [{"type": f"{item}.truncated", **where}]


def _guess(event: TranscriptPartial) -> Message:
    return {
        "type": "voicechat.partial",
        "item_id": event.item,
        "transcript": event.stable + event.tail,
        "stable": event.stable,
        "tail": event.tail,
        "revised": event.revised,
    }


def _latency(event: TurnMeasured) -> Message:
    return {
        "type": "voicechat.latency",
        "turn": event.turn,
        "endpointed_ms": _ms(event.endpointed),
        "understood_ms": _ms(event.understood),
        "first_word_ms": _ms(event.first_word),
        "first_sound_ms": _ms(event.first_sound),
    }


def _ms(seconds: float) -> int:
    return round(1000 * seconds)
