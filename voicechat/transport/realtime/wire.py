"""The OpenAI Realtime protocol (GA): our events become its server events, its client messages become our commands.

Pure: no I/O, no clock. One wire for each session, since what is said depends on what has been said.
"""

import itertools
from collections import OrderedDict
from dataclasses import replace
from typing import Final, Literal

from voicechat.audio import AudioFrame, Samples
from voicechat.commands import Command, TruncateItem
from voicechat.config import Settings
from voicechat.conversation import SessionSettings
from voicechat.errors import BadMessage
from voicechat.events import (
    Event,
    Failed,
    InputCleared,
    InputCommitted,
    InputTimedOut,
    ItemAdded,
    ItemDeleted,
    ItemRetrieved,
    ItemTruncated,
    Noted,
    ReplyAudible,
    ReplyCalled,
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
    ToolEnded,
    TranscriptFailed,
    TranscriptFinal,
    TranscriptPartial,
    TurnMeasured,
)
from voicechat.transport import names
from voicechat.transport.realtime import beta, items, session_object
from voicechat.transport.realtime.answer import Answer
from voicechat.transport.realtime.formats import RATE
from voicechat.transport.realtime.items import Message
from voicechat.transport.realtime.messages import Messages
from voicechat.transport.realtime.session_object import LATENCY, PARTIALS, STATE
from voicechat.transport.realtime.told import Told

_TRANSCRIPTION: Final = "conversation.item.input_audio_transcription"

REMEMBERED: Final = 20
"""Answers of which it is known how much sound they had."""

LENIENCE: Final = 1.0
"""Seconds by which a client may have counted more sound than it was sent."""

_REQUESTS: Final = frozenset({
    "invalid_json", "unknown_event", "unknown_parameter", "missing_field", "invalid_value", "unsupported_parameter",
    "unsupported_content", "audio_not_base64", "audio_odd_length", "audio_on_channel", "not_text", "message_too_large",
    "item_not_found", "item_create_duplicate_item_id", "item_retrieve_invalid_item_id", "item_delete_invalid_item_id",
    "item_truncate_invalid_item_id", "input_audio_buffer_commit_empty", "response_cancel_not_active",
    "conversation_already_has_active_response", "cannot_update_voice", "call_not_found",
})  # fmt: skip
"""Errors that are the client's; all others are ours."""


class RealtimeWire:
    """One session's side of the protocol.

    `house` has what others call our voices and models, and the servers of tools. `model` and `transcriber` are the
    names that clients are told. `expires_at` is in seconds of Unix time. `old` speaks the protocol's beta.
    `author` is in the ids of items to which the client gave none: two that share a session need two names.
    """

    def __init__(
        self,
        session: str,
        *,
        channel: Literal["websocket", "webrtc"],
        house: Settings | None = None,
        model: str = "voicechat",
        transcriber: str = "voicechat",
        expires_at: int | None = None,
        old: bool = False,
        author: str = "client",
    ) -> None:
        self._session, self._channel = session, channel
        self._model, self._transcriber, self._expires_at = model, transcriber, expires_at
        self._models = house.names.models if house is not None else {}
        self._messages = Messages(house, old=old, author=author)
        self._old = old
        self._settings = SessionSettings()
        self._wanted: frozenset[str] = frozenset()  # events beyond the protocol
        self._noted = ""  # the last model of a strange name
        self._answers: dict[str, Answer] = {}
        self._sent: OrderedDict[str, float] = OrderedDict()  # seconds of sound, by item
        self._told = Told()
        self._numbers = itertools.count(1)

    def decode(self, message: str) -> Command | AudioFrame | None:
        """A command, sound at 24 or 8 kHz, or None for a message without effect. Raises BadMessage."""
        wish = self._messages.read(message)
        return self._truncation(wish) if isinstance(wish, TruncateItem) else wish

    def answers(self) -> list[Message]:
        """See `channel.Wire.answers`: all our answers are to what happens."""
        return []

    def audio(self, turn: int, samples: Samples) -> list[Message]:
        """Sound of (n,) samples at 24 kHz; nothing when the turn's answer is over and the sound must not be sent."""
        for answer in self._answers.values():
            started = answer.started
            if started.turn == turn and started.speaks:
                self._count(started.item.id, len(samples) / RATE)
                return self._written(answer.sound(samples))
        return []

    def encode(self, event: Event) -> list[Message]:
        """What the client is told of the event, in order; nothing for what it need not know."""
        return self._written(self._tell(event))

    def _written(self, messages: list[Message]) -> list[Message]:
        if self._old:
            messages = [known for message in messages if (known := beta.told(message)) is not None]
        return [self._stamp(message) for message in messages]

    def _stamp(self, message: Message) -> Message:
        return {"event_id": f"event_{next(self._numbers)}", **message}

    def _tell(self, event: Event) -> list[Message]:
        match event:
            case SessionStarted() | SettingsChanged():
                return self._tell_settings(event)
            case SpeechStarted() | SpeechStopped() | InputCommitted() | InputCleared() | InputTimedOut():
                return [_tell_input(event)]
            case ItemAdded() | ItemRetrieved() | ItemDeleted() | ItemTruncated():
                return _tell_item(event)
            case TranscriptPartial() | TranscriptFinal() | TranscriptFailed():
                return self._tell_transcript(event)
            case ReplyStarted():
                return self._begin(event)
            case (
                ReplyText() | ReplyAudible() | ReplyPaused() | ReplyResumed() | ReplyCalled() | ToolEnded()
                | ReplyFinished()
            ):  # fmt: skip
                answer = self._answers.get(event.reply)
                return [] if answer is None else self._tell_answer(answer, event)
            case StateChanged():
                return self._if_asked(STATE, {"type": "voicechat.state", "state": str(event.state)})
            case TurnMeasured():
                return self._if_asked(LATENCY, _latency(event))
            case Failed():  # of an answer that fails response.done tells; some clients give up at any error
                return [] if event.reply is not None else [_failure(event)]
            case Noted():
                return [_warning(event)]
        return []

    def _tell_settings(self, event: SessionStarted | SettingsChanged) -> list[Message]:
        settings = self._settings = event.settings
        self._wanted = session_object.own_events(settings)
        begins = isinstance(event, SessionStarted)
        self._messages.know(settings)
        session = session_object.write(
            settings,
            session=self._session,
            model=self._messages.model or self._model,
            transcriber=self._transcriber,
            voice=self._messages.called(settings.voice),
        )
        if self._expires_at is not None:
            session["expires_at"] = self._expires_at
        told: list[Message] = [{"type": "session.created" if begins else "session.updated", "session": session}]
        if begins:
            conversation = {"id": self._conversation, "object": "realtime.conversation"}
            told.append({"type": "conversation.created", "conversation": conversation})
        return [*told, *self._note_model(str(session["model"]))]

    def _note_model(self, name: str) -> list[Message]:
        if name == self._noted or names.is_model(name, self._models):
            return []
        self._noted = name
        return [_warning(Noted("model_unknown", f"there is no model {name!r}; the one of this house answers", "model"))]

    @property
    def _conversation(self) -> str:
        return f"conv_{self._session.removeprefix('sess_')}"

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
                error = {"type": "transcription_error", "code": event.code, "message": event.message}
                told = [{"type": f"{_TRANSCRIPTION}.failed", **where, "error": error}]
                delta, _ = self._told.finish(event.item, "")
        if not self._settings.transcribes:
            return told if isinstance(event, TranscriptPartial) else []
        if delta:
            told.insert(0, {"type": f"{_TRANSCRIPTION}.delta", **where, "delta": delta})
        return told

    def _begin(self, event: ReplyStarted) -> list[Message]:
        answer = self._answers[event.reply] = Answer(
            event,
            conversation=self._conversation,
            voice=self._messages.called(event.voice),
            is_speaker=self._channel == "webrtc",
        )
        return answer.begin()

    def _tell_answer(
        self,
        answer: Answer,
        event: ReplyText | ReplyAudible | ReplyPaused | ReplyResumed | ReplyCalled | ToolEnded | ReplyFinished,
    ) -> list[Message]:
        match event:
            case ReplyText():
                return answer.text(event)
            case ReplyAudible():
                self._messages.heard = True
                return answer.audible(event)
            case ReplyPaused():
                return self._if_asked(STATE, {"type": "voicechat.paused", "response_id": event.reply})
            case ReplyResumed():
                return self._if_asked(STATE, {"type": "voicechat.resumed", "response_id": event.reply})
            case ReplyCalled():
                return self._tell_call(answer, event)
            case ToolEnded():
                return answer.worked(event)
            case ReplyFinished():
                del self._answers[event.reply]
                if self._channel == "webrtc":  # we were the speaker, and know
                    self._count(event.item.id, event.heard)
                return answer.finish(event)

    def _tell_call(self, answer: Answer, event: ReplyCalled) -> list[Message]:
        """Of tools of this house only who asked for their server is told: other clients do not expect such items."""
        if not event.ours:
            return answer.called(event)
        return answer.working(event) if event.ours in self._settings.labels else []

    def _count(self, item: str, seconds: float) -> None:
        self._sent[item] = self._sent.get(item, 0.0) + seconds
        while len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)

    def _truncation(self, command: TruncateItem) -> TruncateItem:
        """At the end of the sound, where the client has counted a little more. Raises BadMessage for much more."""
        sent = self._sent.get(command.item)
        if sent is None or command.end <= sent:
            return command
        if command.end > sent + LENIENCE:
            text = f"audio_end_ms: {command.item} has {_ms(sent)} ms of sound"
            raise BadMessage("invalid_value", text, param="audio_end_ms", event_id=command.event_id)
        return replace(command, end=sent)

    def _if_asked(self, name: str, message: Message) -> list[Message]:
        return [message] if name in self._wanted else []


def _failure(event: Failed) -> Message:
    theirs = event.code in _REQUESTS or event.event_id is not None or event.param is not None
    error = {
        "type": "invalid_request_error" if theirs else "server_error",
        "code": event.code,
        "message": event.message,
        "param": event.param,
        "event_id": event.event_id,
    }
    return {"type": "error", "error": error}


def _warning(event: Noted) -> Message:
    """No error of the protocol: some clients give up at any."""
    return {"type": "voicechat.warning", "code": event.code, "message": event.message, "param": event.param}


def _tell_input(event: SpeechStarted | SpeechStopped | InputCommitted | InputCleared | InputTimedOut) -> Message:
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
        case InputTimedOut():
            times: Message = {"audio_start_ms": _ms(event.start), "audio_end_ms": _ms(event.end)}
            return {"type": f"{buffer}.timeout_triggered", **times, "item_id": event.item}


def _tell_item(event: ItemAdded | ItemRetrieved | ItemDeleted | ItemTruncated) -> list[Message]:
    item = "conversation.item"
    match event:
        case ItemAdded():
            entry: Message = {"previous_item_id": event.previous, "item": items.write(event.item)}
            return [{"type": f"{item}.added", **entry}, {"type": f"{item}.done", **entry}]
        case ItemRetrieved():
            return [{"type": f"{item}.retrieved", "item": items.write(event.item)}]
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
