"""The OpenAI Realtime protocol (GA): our events become its server events, its client messages become our commands.

Pure: no I/O, no clock. One wire for each session, since what is said depends on what has been said.
"""

import itertools
from typing import Literal

from voicechat.audio import AudioFrame, Samples
from voicechat.commands import Command, RetrieveItem, TruncateItem, UpdateSettings
from voicechat.config import Settings
from voicechat.conversation import SessionSettings
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
    ToolsListed,
    TranscriptFailed,
    TranscriptFinal,
    TranscriptPartial,
    TurnMeasured,
)
from voicechat.transport import names
from voicechat.transport.fields import parse
from voicechat.transport.realtime import (
    beta,
    includes,
    input_buffer,
    items,
    notices,
    own_events,
    session_object,
    tool_list,
    transcription_session,
)
from voicechat.transport.realtime.answer import Answer
from voicechat.transport.realtime.formats import RATE
from voicechat.transport.realtime.items import Message
from voicechat.transport.realtime.messages import Messages
from voicechat.transport.realtime.sound_sent import SoundSent
from voicechat.transport.realtime.transcripts import TranscriptEvent, Transcripts
from voicechat.transport.realtime.unstored import Unstored

AnswerEvent = ReplyText | ReplyAudible | ReplyCalled | ToolEnded | ReplyFinished


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
        self._unbegun = 0  # messages that have to be obeyed before the session is told of
        self._noted = ""  # the last model of a strange name
        self._answers: dict[str, Answer] = {}
        self._sent = SoundSent()
        self._transcripts = Transcripts()
        self._unstored = Unstored()
        self._answered: list[Message] = []  # to what was decoded last
        self._numbers = itertools.count(1)

    def begin(self, message: str) -> Command | AudioFrame | None:
        """As `decode`, of settings that the session begins with: it is told of when it has them.

        The command has to be the first that the session obeys, or one of the first.
        """
        wish = self.decode(message)
        self._unbegun += isinstance(wish, UpdateSettings)
        return wish

    def decode(self, message: str) -> Command | AudioFrame | None:
        """A command, sound at 24 or 8 kHz, or None for a message without effect. Raises BadMessage."""
        return self.understand(parse(message))

    def understand(self, value: object) -> Command | AudioFrame | None:
        """As `decode`, of a message's JSON.

        May run on a thread, one message at a time; what the loop changes meanwhile is read in single steps.
        """
        self._answered = []
        wish = self._messages.understand(value)
        if isinstance(wish, RetrieveItem) and wish.item in self._unstored:
            self._answered = self._written([self._unstored.retrieved(wish.item)])
            return None
        return self._sent.truncation(wish) if isinstance(wish, TruncateItem) else wish

    def answers(self) -> list[Message]:
        """See `channel.Wire.answers`: our other answers are to what happens."""
        return self._answered

    def audio(self, turn: int, samples: Samples) -> list[Message]:
        """Sound of (n,) samples at 24 kHz; nothing when the turn's answer is over and the sound must not be sent."""
        for answer in self._answers.values():
            started = answer.started
            if started.turn == turn and started.speaks:
                self._sent.count(started.item.id, len(samples) / RATE)
                return self._written(answer.sound(samples))
        return []

    def encode(self, event: Event) -> list[Message]:
        """What the client is told of the event, in order; nothing for what it need not know."""
        return self._written(self._tell(event))

    def _written(self, messages: list[Message]) -> list[Message]:
        self._unstored.keep(messages)
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
                return [input_buffer.tell(event)]
            case ItemAdded() | ItemRetrieved() | ItemDeleted() | ItemTruncated():
                return items.tell(event)
            case TranscriptPartial() | TranscriptFinal() | TranscriptFailed():
                return self._tell_transcript(event)
            case StateChanged() | ReplyPaused() | ReplyResumed() | TurnMeasured():
                return own_events.tell(event, self._wanted)
            case ReplyStarted():
                return self._begin(event)
            case ReplyText() | ReplyAudible() | ReplyCalled() | ToolEnded() | ReplyFinished():
                answer = self._answers.get(event.reply)
                return [] if answer is None else self._tell_answer(answer, event)
            case Failed():  # of an answer that fails response.done tells; some clients give up at any error
                return [] if event.reply is not None else [notices.failure(event)]
            case ToolsListed():
                return tool_list.tell(event)
            case Noted():
                return [notices.warning(event)]
        return []

    def _tell_settings(self, event: SessionStarted | SettingsChanged) -> list[Message]:
        settings = self._settings = event.settings
        self._wanted = includes.names(settings)
        self._messages.know(settings)
        begins = isinstance(event, SessionStarted)
        if self._unbegun:
            self._unbegun -= not begins
            if begins or self._unbegun:
                return []
            begins = True
        session = self._session_object(settings)
        if self._expires_at is not None:
            session["expires_at"] = self._expires_at
        told: list[Message] = [{"type": "session.created" if begins else "session.updated", "session": session}]
        if begins:
            conversation = {"id": self._conversation, "object": "realtime.conversation"}
            told.append({"type": "conversation.created", "conversation": conversation})
        return [*told, *self._note_model(str(session.get("model", "")))]

    def _session_object(self, settings: SessionSettings) -> Message:
        id, transcriber = self._session, self._transcriber
        if not settings.answers:
            return transcription_session.write(settings, session=id, transcriber=transcriber)
        return session_object.write(
            settings,
            session=id,
            model=self._messages.model or self._model,
            transcriber=transcriber,
            voice=self._messages.called(settings.voice),
        )

    def _note_model(self, name: str) -> list[Message]:
        if name in ("", self._noted) or names.is_model(name, self._models):
            return []
        self._noted = name
        text = f"there is no model {name!r}; the one of this house answers"
        return [notices.warning(Noted("model_unknown", text, "model"))]

    @property
    def _conversation(self) -> str:
        return f"conv_{self._session.removeprefix('sess_')}"

    def _tell_transcript(self, event: TranscriptEvent) -> list[Message]:
        """Whoever wants the guesses asks for partials."""
        guess = own_events.tell(event, self._wanted) if isinstance(event, TranscriptPartial) else []
        told = self._transcripts.tell(event, weighs=self._settings.weighs)
        return [*told, *guess] if self._settings.transcribes else guess

    def _begin(self, event: ReplyStarted) -> list[Message]:
        answer = self._answers[event.reply] = Answer(
            event,
            conversation=self._conversation,
            voice=self._messages.called(event.voice),
            is_speaker=self._channel == "webrtc",
        )
        return answer.begin()

    def _tell_answer(self, answer: Answer, event: AnswerEvent) -> list[Message]:
        match event:
            case ReplyText():
                return answer.text(event)
            case ReplyAudible():
                self._messages.heard = True
                return answer.audible(event)
            case ReplyCalled():
                return self._tell_call(answer, event)
            case ToolEnded():
                return answer.worked(event)
            case ReplyFinished():
                del self._answers[event.reply]
                if self._channel == "webrtc":  # we were the speaker, and know
                    self._sent.count(event.item.id, event.heard)
                return answer.finish(event)

    def _tell_call(self, answer: Answer, event: ReplyCalled) -> list[Message]:
        """Of tools of this house only who asked for their server is told: other clients do not expect such items."""
        if not event.ours:
            return answer.called(event)
        return answer.working(event) if event.ours in self._settings.labels else []
