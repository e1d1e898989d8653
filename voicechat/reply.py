"""One answer: the agent's words, made into sound, spoken, and accounted for as they are heard."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from voicechat.audio import AudioFrame
from voicechat.conversation import Item, ItemStatus, Role, SessionSettings
from voicechat.errors import AdapterError, AgentError, VoicechatError
from voicechat.events import (
    ReplyAudible,
    ReplyFinished,
    ReplyStarted,
    ReplyStatus,
    ReplyText,
    TurnMeasured,
)
from voicechat.interruptions import BrokenOff
from voicechat.markup import Thoughts
from voicechat.pace import Pace
from voicechat.pool import Pool
from voicechat.protocols import Heard, Peer, SpeechChunk, TtsEngine
from voicechat.sentences import Clauses
from voicechat.session import Session
from voicechat.synthesis import Synthesis

Words = Callable[[], AsyncGenerator[str]]

TOKENS_AHEAD = 4096
"""An agent is heard out as fast as it speaks: what it had in mind is then known when the caller breaks in."""


@dataclass(slots=True)
class Timeline:
    """When the parts of a turn were done, on the loop's clock in seconds; 0.0: not yet."""

    spoke_until: float = 0.0
    endpointed: float = 0.0
    understood: float = 0.0
    first_word: float = 0.0

    def measured(self, turn: int, first_sound: float) -> TurnMeasured:
        start = self.spoke_until
        return TurnMeasured(
            turn, self.endpointed - start, self.understood - start, self.first_word - start, first_sound - start
        )


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks a session's answers, how many clauses at a time, and how slowly each voice speaks.

    `left` says how many seconds of the answer's sound have been queued and not heard.
    """

    pool: Pool
    in_flight: int
    left: Callable[[], float]
    paces: defaultdict[str, Pace] = field(default_factory=lambda: defaultdict(Pace))

    @property
    def engine(self) -> TtsEngine:
        return self.pool.engine

    def voice(self, wanted: str) -> str:
        """The wanted voice, or the engine's first where it has no such voice."""
        return wanted if any(voice.name == wanted for voice in self.engine.voices) else ""


class Reply:
    """The `turn`-th turn of the session, from its first word to its end, however it ends.

    It ends once: by itself, by `stop`, or by an error, and tells the session of it.
    """

    def __init__(
        self,
        session: Session,
        peer: Peer,
        words: Words,
        speaker: Speaker,
        *,
        settings: SessionSettings,
        fallback: str,
        timeline: Timeline | None,
    ) -> None:
        self.id = session.new_id("resp")
        self.item = Item(session.new_id("item"), Role.ASSISTANT, "", settings.speaks, ItemStatus.IN_PROGRESS)
        self.turn = session.turn
        self.heard = Heard()
        self.over = False
        self._session, self._peer = session, peer
        self._words, self._speaker, self._settings = words, speaker, settings
        self._fallback = fallback
        self._timeline = timeline
        self._text = ""
        self._tokens_made: list[str] = []
        self._whole = False  # the agent has said all
        self._all_queued = False
        self._error: VoicechatError | None = None

    def begin(self) -> None:
        """Enters the history and tells of it; `run` comes after."""
        session = self._session
        previous = session.append(self.item)
        session.reply = self.id
        session.emit(ReplyStarted(self.id, self.turn, self.item, previous, self._settings.speaks))

    async def run(self) -> None:
        """Until the last sound has been heard. Cancelling it stops the agent and the synthesizer at their next step."""
        if self._settings.speaks:
            self.heard = await self._speak()
        else:
            await self._write()
        if self._error is None:
            self._finish(ReplyStatus.COMPLETED)
        else:
            self._session.fail(self._error)
            self._finish(ReplyStatus.FAILED, self._error.code, self._error.message)

    def stop(self, reason: str, error: VoicechatError | None = None) -> None:
        """The answer is over at once: what was heard of it stays. Whoever calls it cancels `run` as well."""
        if self.over:
            return
        self.heard = self._peer.cut(self.turn + 1)
        if error is None:
            self._finish(ReplyStatus.CANCELLED, reason)
        else:
            self._finish(ReplyStatus.FAILED, error.code, error.message)

    def broken_off(self) -> BrokenOff | None:
        """What there is of it, to go on later; None for an answer that is written."""
        if not self._settings.speaks:
            return None
        clauses = Clauses()
        made = [*clauses.push("".join(self._tokens_made)), *clauses.finish()]
        return BrokenOff(self.item.id, " ".join(made), self._whole, self._settings)

    def ending(self, seconds: float) -> bool:
        """Whether no more than so much of it is left to be heard."""
        return self._all_queued and self._peer.left <= seconds

    def _finish(self, status: ReplyStatus, reason: str | None = None, message: str | None = None) -> None:
        """Writes what was heard into the history and tells of it; once."""
        if self.over:
            return
        self.over = True
        session = self._session
        session.reply = None
        done = ItemStatus.COMPLETED if status is ReplyStatus.COMPLETED else ItemStatus.INCOMPLETE
        text = self._text.strip()
        heard = self.heard.text if self._settings.speaks else text
        item = session.change(self.item.id, text=heard, status=done) or replace(self.item, text=heard, status=done)
        session.emit(ReplyFinished(self.id, item, status, text, self.heard.seconds, reason, message))

    async def _write(self) -> None:
        thoughts = Thoughts()
        async with aclosing(self._tokens()) as tokens:
            async for token in tokens:
                self._say(thoughts.push(token))
        self._say(thoughts.finish())

    async def _speak(self) -> Heard:
        speaker, settings = self._speaker, self._settings
        voice = speaker.voice(settings.voice)
        synthesis = Synthesis(
            speaker.pool,
            voice=voice,
            speed=settings.speed,
            in_flight=speaker.in_flight,
            pace=speaker.paces[voice],
            left=speaker.left,
        )
        tokens: asyncio.Queue[str | None] = asyncio.Queue(TOKENS_AHEAD)
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self._read(tokens))
            making = group.create_task(self._make(synthesis, tokens))
            watching = group.create_task(self._watch())
            try:
                async for sound in synthesis.sounds():
                    if sound.clause:
                        self._say(f"{sound.clause} ")
                    frame = AudioFrame(sound.samples, speaker.engine.rate)
                    await self._peer.play(SpeechChunk(frame, self.turn, sound.words))
                self._all_queued = True
                heard = await self._peer.drain(self.turn)
            except AdapterError as error:
                self._error = error
                heard = self._peer.cut(self.turn + 1)
            finally:
                reading.cancel()
                making.cancel()
                watching.cancel()
        return heard

    async def _read(self, tokens: asyncio.Queue[str | None]) -> None:
        async with aclosing(self._tokens()) as words:
            async for token in words:
                self._tokens_made.append(token)
                await tokens.put(token)
        self._whole = self._error is None
        await tokens.put(None)

    async def _make(self, synthesis: Synthesis, tokens: asyncio.Queue[str | None]) -> None:
        async with aclosing(self._clauses(tokens)) as clauses:
            await synthesis.run(clauses)

    async def _watch(self) -> None:
        first_sound = await self._peer.audible(self.turn)
        if self.over:  # stopped in the very tick of its first sound
            return
        self._session.floor.speak()
        self._session.emit(ReplyAudible(self.id))
        if self._timeline is not None:
            self._session.emit(self._timeline.measured(self.turn, first_sound))
        self._session.tell_state()

    async def _clauses(self, tokens: asyncio.Queue[str | None]) -> AsyncGenerator[str]:
        clauses = Clauses()
        while (token := await tokens.get()) is not None:
            for clause in clauses.push(token):
                yield clause
        for clause in clauses.finish():
            yield clause

    async def _tokens(self) -> AsyncGenerator[str]:
        """The agent's words, or the fallback sentence where they fail."""
        loop = asyncio.get_running_loop()
        try:
            async with aclosing(self._words()) as tokens:
                async for token in tokens:
                    if self._timeline is not None and not self._timeline.first_word:
                        self._timeline.first_word = loop.time()
                    yield token
        except AgentError as error:
            self._error = error
            if self._timeline is not None and not self._timeline.first_word:
                self._timeline.first_word = loop.time()
            yield self._fallback

    def _say(self, text: str) -> None:
        self._text += text
        if text:
            self._session.emit(ReplyText(self.id, text))

