"""One answer: the agent's words, made into sound, spoken, and accounted for as they are heard."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Protocol

from voicechat.audio import AudioFrame
from voicechat.conversation import Item, ItemStatus, Role, SessionSettings
from voicechat.draft import Draft
from voicechat.errors import AdapterError, VoicechatError
from voicechat.events import (
    ReplyAudible,
    ReplyFinished,
    ReplyStarted,
    ReplyStatus,
    ReplyText,
    TurnMeasured,
)
from voicechat.ledger import Ledger
from voicechat.pool import Pool
from voicechat.protocols import Heard, Peer, SpeechChunk, TtsEngine
from voicechat.session import Session
from voicechat.synthesis import Synthesis
from voicechat.turntaking.interruptions import BrokenOff
from voicechat.words.markup import Thoughts
from voicechat.words.pace import Pace
from voicechat.words.sentences import Clauses


@dataclass(slots=True)
class Timeline:
    """When the parts of a turn were done, on the loop's clock in seconds; 0.0: not yet."""

    spoke_until: float = 0.0
    endpointed: float = 0.0
    understood: float = 0.0

    def measured(self, turn: int, first_word: float, first_sound: float) -> TurnMeasured:
        """A first word that was there before its time counts from when it could be used."""
        start = self.spoke_until
        first_word = max(first_word, self.understood)
        return TurnMeasured(
            turn, self.endpointed - start, self.understood - start, first_word - start, first_sound - start
        )


class Cast(Protocol):
    """Chooses who speaks."""

    def cast(self, settings: SessionSettings) -> "Speaker":
        """For the next answer. Waits for nothing."""
        ...


def _held() -> Callable[[], None]:
    return lambda: None


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks an answer, how many clauses at a time, and how slowly each voice speaks.

    `left` says how many seconds of the answer's sound have been queued and not heard. `named` is the voice, where it
    is not the session's own name for it. `begin` holds who speaks until what it gives is called.
    """

    pool: Pool
    in_flight: int
    left: Callable[[], float]
    paces: defaultdict[str, Pace] = field(default_factory=lambda: defaultdict(Pace))
    named: str | None = None
    begin: Callable[[], Callable[[], None]] = _held

    def cast(self, settings: SessionSettings) -> "Speaker":
        """It speaks every answer itself."""
        return self

    @property
    def engine(self) -> TtsEngine:
        return self.pool.engine

    def voice(self, wanted: str) -> str:
        """The wanted voice, or the engine's first where it has no such voice."""
        return wanted if any(voice.name == wanted for voice in self.engine.voices) else ""

    def synthesis(self, settings: SessionSettings) -> Synthesis:
        """For one answer."""
        voice = self.voice(settings.voice if self.named is None else self.named)
        return Synthesis(
            self.pool,
            voice=voice,
            speed=settings.speed,
            in_flight=self.in_flight,
            pace=self.paces[voice],
            left=self.left,
        )


class Reply:
    """The `turn`-th turn of the session, from its first word to its end, however it ends.

    It ends once: by itself, by `stop`, or by an error, and tells the session of it. One that is not `stored` is in no
    history; if it is not spoken either, it is `beside` whatever else is being answered. `metadata` is told with it.
    """

    def __init__(
        self,
        session: Session,
        peer: Peer,
        draft: Draft,
        *,
        settings: SessionSettings,
        timeline: Timeline | None = None,
        stored: bool = True,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.id = session.new_id("resp")
        self.item = Item(session.new_id("item"), Role.ASSISTANT, "", settings.speaks, ItemStatus.IN_PROGRESS)
        self.turn = session.turn
        self.heard = Heard()
        self.over = False
        self.beside = not stored and not settings.speaks
        self._session, self._peer = session, peer
        self._draft, self._settings = draft, settings
        self._timeline, self._stored, self._metadata = timeline, stored, metadata
        self._ledger = Ledger(session, self.id, self.item.id, stored=stored, words=self._has_words)
        self._text = ""
        self._queued = 0.0  # seconds of sound that the peer was given

    def begin(self) -> None:
        """Enters the history and tells of it; `run` comes after."""
        session, settings = self._session, self._settings
        previous = session.append(self.item) if self._stored else None
        if not self.beside:
            session.reply = self.id
        session.emit(
            ReplyStarted(
                self.id,
                self.turn,
                self.item,
                previous,
                settings.speaks,
                metadata=self._metadata,
                stored=self._stored,
                voice=settings.voice,
                plays=settings.plays,
                max_tokens=settings.max_tokens,
            )
        )
        self._draft.account.open(self._ledger)

    async def run(self) -> None:
        """Until the last sound has been heard. Cancelling it stops the agent and the synthesizer at their next step."""
        if self._settings.speaks:
            self.heard = await self._speak()
        else:
            await self._write()
        error, reason = self._draft.error, self._draft.ended.reason
        if error is None and reason:
            self._finish(ReplyStatus.INCOMPLETE, reason)
        elif error is None:
            self._finish(ReplyStatus.COMPLETED)
        else:
            self._session.fail(error, reply=self.id)
            self._finish(ReplyStatus.FAILED, error.code, error.message)

    def stop(self, reason: str, error: VoicechatError | None = None) -> None:
        """The answer is over at once: what was heard of it stays. Whoever calls it cancels `run` as well."""
        if self.over:
            return
        self._draft.drop()
        if not self.beside:
            self.heard = self._peer.cut(self.turn + 1)
        if error is None:
            self._finish(ReplyStatus.CANCELLED, reason)
        else:
            self._finish(ReplyStatus.FAILED, error.code, error.message)

    def broken_off(self) -> BrokenOff | None:
        """What there is of it, to go on later; None for an answer that is written, or in no history."""
        if not (self._settings.speaks and self._stored):
            return None
        clauses = Clauses()
        made = [*clauses.push("".join(self._draft.made)), *clauses.finish()]
        return BrokenOff(self.item.id, " ".join(made), self._draft.whole, self._settings)

    @property
    def calls(self) -> bool:
        """Whether it has asked the caller's program for a tool."""
        return bool(self._ledger.calls)

    def ending(self, seconds: float) -> bool:
        """Whether no more than so much of its words is left to be heard; the silence after them does not count."""
        end = self._draft.end
        return end is not None and end - (self._queued - self._peer.left) <= seconds

    def _finish(self, status: ReplyStatus, reason: str | None = None, message: str | None = None) -> None:
        """Writes what was heard into the history and tells of it; once."""
        if self.over:
            return
        self.over = True
        session = self._session
        if not self.beside:
            session.reply = None
        done = ItemStatus.COMPLETED if status is ReplyStatus.COMPLETED else ItemStatus.INCOMPLETE
        text = self._text.strip()
        heard = self.heard.text if self._settings.speaks else text
        item = session.change(self.item.id, text=heard, status=done) or replace(self.item, text=heard, status=done)
        calls, tokens = tuple(self._ledger.calls), self._draft.ended.tokens
        session.emit(ReplyFinished(self.id, item, status, text, self.heard.seconds, reason, message, calls, tokens))

    def _has_words(self) -> bool:
        return any(token.strip() for token in self._draft.made)

    async def _write(self) -> None:
        thoughts = Thoughts()
        async with aclosing(self._draft.words()) as tokens:
            async for token in tokens:
                self._say(thoughts.push(token))
        self._say(thoughts.finish())

    async def _speak(self) -> Heard:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self._watch())
            try:
                async for sound in self._draft.sounds():
                    if sound.clause:
                        self._say(f"{sound.clause} ")
                    frame = AudioFrame(sound.samples, self._draft.rate)
                    self._queued += frame.seconds
                    await self._peer.play(SpeechChunk(frame, self.turn, sound.words))
                heard = await self._peer.drain(self.turn)
            except AdapterError:  # it is the draft's error
                heard = self._peer.cut(self.turn + 1)
            finally:
                watching.cancel()
                self._draft.drop()
        return heard

    async def _watch(self) -> None:
        first_sound = await self._peer.audible(self.turn)
        if self.over:  # stopped in the very tick of its first sound
            return
        self._session.floor.speak()
        self._session.emit(ReplyAudible(self.id))
        if self._timeline is not None:
            self._session.emit(self._timeline.measured(self.turn, self._draft.first_word, first_sound))
        self._session.tell_state()

    def _say(self, text: str) -> None:
        self._text += text
        if text:
            self._session.emit(ReplyText(self.id, text))

