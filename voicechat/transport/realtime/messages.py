"""What clients say: one JSON message of the realtime protocol becomes one command, or sound. No I/O."""

import itertools
from collections.abc import Callable
from typing import Final

from voicechat import commands
from voicechat.audio import AudioFrame
from voicechat.commands import Command
from voicechat.config import AgentSettings, Settings
from voicechat.conversation import SessionSettings
from voicechat.errors import BadMessage
from voicechat.transport import names
from voicechat.transport.fields import Fields, parse
from voicechat.transport.realtime import (
    beta,
    formats,
    given_items,
    own_events,
    response_object,
    session_object,
    transcription_session,
)
from voicechat.transport.realtime.given_items import Senses

LONGEST_AUDIO_MS: Final = 24 * 3600 * 1000


class Messages:
    """Reads one client's messages, as the house's settings have it; `old` is for clients that speak the beta.

    `author` is in the ids of items to which the client gave none.
    """

    def __init__(self, house: Settings | None = None, *, old: bool = False, author: str = "client") -> None:
        self.model = ""
        """The name that the client has given the model."""
        self.heard = False
        """The client has heard its voice, and keeps it."""
        self._house, self._old = house or Settings(), old
        self._blind = _blindness(self._house.agent)
        self._known = frozenset(self._house.agent.tools.mcp)
        self._settings = SessionSettings(voice=self._house.tts.voice)
        self._hears = self._settings.hears
        self._transcribes = False  # and does nothing else
        self._voices: dict[str, str] = {}
        self._author, self._items = author, itertools.count(1)
        self._readers: dict[str, Callable[[Fields], Command | AudioFrame | None]] = {
            "session.update": self._update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": lambda m: commands.CommitInput(event_id=m.event_id),
            "input_audio_buffer.clear": lambda m: commands.ClearInput(event_id=m.event_id),
            "conversation.item.create": self._create_item,
            "conversation.item.retrieve": lambda m: commands.RetrieveItem(m.name_of("item_id"), event_id=m.event_id),
            "conversation.item.delete": lambda m: commands.DeleteItem(m.name_of("item_id"), event_id=m.event_id),
            "conversation.item.truncate": _truncate,
            "response.create": self._create_reply,
            "response.cancel": _cancel,
            "output_audio_buffer.clear": lambda m: commands.ClearOutput(event_id=m.event_id),
        }

    def know(self, settings: SessionSettings) -> None:
        """The session's settings are these by now."""
        self._settings = settings
        if not settings.answers:  # never back: a message may just be read on a thread that says so
            self._transcribes = True

    def called(self, voice: str) -> str:
        """What the client calls a voice of ours."""
        return self._voices.get(voice, voice)

    def read(self, message: str) -> Command | AudioFrame | None:
        """A command, sound at its format's rate, or None for a message without effect. Raises BadMessage."""
        return self.understand(parse(message))

    def understand(self, value: object) -> Command | AudioFrame | None:
        """As `read`, of a message's JSON."""
        if not isinstance(value, dict):
            raise BadMessage("invalid_json", "The message is not a JSON object")
        event_id = value.get("event_id")
        fields = Fields(value, event_id=event_id if isinstance(event_id, str) else None)
        if event_id is not None:
            fields.text("event_id", longest=512)
        if self._old:
            fields = Fields(beta.understood(value), event_id=fields.event_id)
        kind = fields.text("type")
        reader = self._readers.get(kind)
        if reader is None:
            fields.refuse("type", f"there is no client event {kind[:80]!r}", "unknown_event")
        return reader(fields)

    def _update(self, message: Fields) -> Command:
        session = message.inner("session")
        if transcription_session.meant(session, already=self._transcribes):
            changes = transcription_session.read(session)
            self._transcribes = True
        else:
            changes = session_object.read(session, self._known)
        if "voice" in changes:
            changes["voice"] = self._cast(str(changes["voice"]), message)
        if session.has("model"):
            self.model = session.text("model", longest=128)
        self._hears = changes.get("hears", self._hears)  # type: ignore[assignment]  # what is sent next is so already
        return commands.UpdateSettings(changes, event_id=message.event_id)

    def _cast(self, asked: str, message: Fields) -> str:
        """Our voice for one that is asked for. Who has heard one and asks for another gets an error, unless they know
        from our own events that they talk to us: OpenAI's clients are not made for it."""
        voice = self._our_voice(asked)
        if self.heard and voice != self._settings.voice and not own_events.knows_us(self._settings):
            text, param = "the voice cannot be changed after its first sound", "session.audio.output.voice"
            raise BadMessage("cannot_update_voice", text, param=param, event_id=message.event_id)
        return voice

    def _our_voice(self, asked: str) -> str:
        voice = names.voice(asked, self._house.tts.voice, self._house.names.voices)
        if voice == asked:
            self._voices.pop(voice, None)
        else:
            self._voices[voice] = asked  # one of ours, so that there are not many
        return voice

    def _append(self, message: Fields) -> AudioFrame | None:
        return formats.read_sound(message, self._hears)

    def _create_item(self, message: Fields) -> Command:
        after = message.name_of("previous_item_id") if message.has("previous_item_id") else None
        given = given_items.read(message.inner("item"), self._new_id, Senses(self._hears, self._blind))
        return commands.AddItem(given.item, after, given.sound, event_id=message.event_id)

    def _new_id(self) -> str:
        return f"item_{self._author}_{next(self._items)}"

    def _create_reply(self, message: Fields) -> Command:
        if not message.has("response"):
            return commands.CreateReply(event_id=message.event_id)
        return response_object.read(
            message.inner("response"),
            known=self._known,
            new_id=self._new_id,
            blind=self._blind,
            voice=self._our_voice,
            event_id=message.event_id,
        )


def _blindness(agent: AgentSettings) -> str:
    """Why pictures are not understood here; empty: they are."""
    if agent.engine == "openai" and agent.openai.sees:
        return ""
    return "pictures are understood with agent.engine openai and agent.openai.sees alone, in the configuration"


def _truncate(message: Fields) -> Command:
    if message.has("content_index"):
        message.integer("content_index", 0, 0)
    end = message.integer("audio_end_ms", 0, LONGEST_AUDIO_MS) / 1000
    return commands.TruncateItem(message.name_of("item_id"), end, event_id=message.event_id)


def _cancel(message: Fields) -> Command:
    reply = message.name_of("response_id") if message.has("response_id") else None
    return commands.CancelReply(reply, event_id=message.event_id)
