"""One session, from the first sound to the last: listen, understand, answer.

    peer ─ incoming() ─► Hearing ─► Utterance ─► understood ─► Reply ─ play() ─► peer
                            │                                    ▲
                            └────── pause · resume · stop ───────┘

All of it runs on the loop, in one TaskGroup: the listener, the watch, a task for each utterance being recognised, and
at most one reply. Every change of the session happens in a method here that does not wait, so nothing can come between.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final

from voicechat.commands import (
    AddItem,
    CancelReply,
    ClearOutput,
    Command,
    CreateReply,
    DeleteItem,
    RetrieveItem,
    TruncateItem,
    UpdateSettings,
)
from voicechat.config import Settings
from voicechat.conversation import Item, Role, SessionSettings, Transcript
from voicechat.draft import Draft, Words
from voicechat.ears import Ears
from voicechat.errors import AdapterError, BadMessage, EngineFailed, VoicechatError
from voicechat.events import (
    DraftFate,
    InputCommitted,
    ItemDeleted,
    ItemRetrieved,
    ItemTruncated,
    SessionEnded,
    SessionStarted,
    SettingsChanged,
    State,
    TranscriptFailed,
    TranscriptFinal,
    TranscriptPartial,
)
from voicechat.hearing import Conversation, Hearing
from voicechat.preemption import Preemption
from voicechat.protocols import Agent, AsrEngine, Heard, Lane, Peer
from voicechat.reply import Cast, Reply, Timeline
from voicechat.session import Session
from voicechat.turntaking.interruptions import BrokenOff, Interruptions, rest_of
from voicechat.utterance import Utterance
from voicechat.words.agreement import Agreement

REMEMBERED_REPLIES: Final = 20
"""Answers whose word times are kept, so that a caller may say how much of them was heard."""

MOST_IN_WORK: Final = 8
"""Utterances of one session at the recogniser; of more, what is said is not understood."""

WATCH_SECONDS: Final = 1.0
"""How often the time limits of a session are looked at."""


@dataclass(frozen=True, slots=True)
class Recogniser:
    """The engine that understands a session, and where it runs."""

    engine: AsrEngine
    lane: Lane


class Pipeline:
    """Runs one session with the engines it was lent."""

    def __init__(
        self,
        session: Session,
        peer: Peer,
        *,
        ears: Ears,
        recogniser: Recogniser,
        agent: Agent,
        speaker: Cast,
        settings: Settings,
        chores: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
    ) -> None:
        """`chores` run beside the session as long as it does."""
        self._session, self._peer = session, peer
        self._chores = chores
        self._recogniser, self._agent, self._cast = recogniser, agent, speaker
        self._settings = settings
        self._hearing = Hearing(
            session,
            peer,
            ears,
            Conversation(
                interrupt=self._interrupted,
                utter=self._utter,
                go_on=lambda: self._preemption.discard(DraftFate.RESUMED),
                spoken=self._spoken,
                ending=self._ending_answer,
                give_up=self._give_up,
                command=self._obey,
            ),
        )
        self._interruptions = Interruptions(settings.turn.barge_in.note)
        self._preemption = Preemption(session.emit)
        self._tasks: set[asyncio.Task[None]] = set()
        self._reply: Reply | None = None
        self._replying: asyncio.Task[None] | None = None
        self._extra: Reply | None = None  # the fallback or an offer: words that are no agent's answer
        self._in_work: set[Utterance] = set()  # at the recogniser, candidates too
        self._recognising: list[Utterance] = []  # spoken, and not understood yet
        self._unanswered = False  # something was understood that wants an answer
        self._owed: CreateReply | None = None  # an answer asked for while the caller is still being understood
        self._timelines: dict[str, Timeline] = {}  # by the utterance's item
        self._heard: OrderedDict[str, Heard] = OrderedDict()  # by the answer's item
        self._touched = 0.0
        self._ending: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def end(self, reason: str) -> None:
        """Makes `run` end the session; safe to call at any time."""
        if not self._ending.done():
            self._ending.set_result(reason)

    async def run(self) -> str:
        """Until the peer hangs up or a time limit ends it; returns the reason as `SessionEnded` gives it."""
        session = self._session
        reason = "failed"
        session.emit(SessionStarted(session.id, session.settings))
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._touch()
                self._spawn(self._listen())
                self._spawn(self._watch())
                for chore in self._chores:
                    self._spawn(chore())
                if self._settings.agent.greeting:
                    self._start(self._fixed(self._settings.agent.greeting), session.settings)
                reason = await self._ending
                for task in self._tasks:
                    task.cancel()
        except asyncio.CancelledError:
            reason = "shutdown"
            raise
        finally:
            self._preemption.discard(DraftFate.UNWANTED)
            if self._reply is not None:
                self._reply.stop("client_cancelled")
            session.floor.terminate()
            session.tell_state()
            session.emit(SessionEnded(session.id, reason))
        return reason

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _listen(self) -> None:
        await self._hearing.run()
        self.end("hung_up")

    async def _watch(self) -> None:
        """Ends the session that nobody uses, or that lasts too long."""
        limits = self._settings.server
        loop = asyncio.get_running_loop()
        last = loop.time() + limits.session_seconds
        while not self._ending.done():
            await asyncio.sleep(WATCH_SECONDS)
            self._hearing.lapse()
            if self._session.floor.state is not State.IDLE:
                self._touch()
            if loop.time() >= last:
                self.end("too_long")
            elif loop.time() - self._touched >= limits.idle_seconds:
                self.end("idle")

    def _touch(self) -> None:
        self._touched = asyncio.get_running_loop().time()

    # What the caller says

    def _utter(self) -> Utterance:
        """A new utterance, being recognised from its first frame on; perhaps only a candidate."""
        session = self._session
        item = session.new_id("item")
        agreement = Agreement()
        utterance = Utterance(
            item,
            limit=self._settings.turn.max_utterance + session.floor.speech + self._settings.turn.prefix,
            partial=lambda text: self._hearing.read(utterance, TranscriptPartial(item, *agreement.hear(text))),
            expected=lambda transcript: self._expected(utterance, transcript.text),
        )
        if len(self._in_work) < MOST_IN_WORK:
            self._in_work.add(utterance)
            self._spawn(self._understand(utterance))
        else:
            utterance.error = EngineFailed("recogniser_busy", "too much was said that is not understood yet")
        return utterance

    def _expected(self, utterance: Utterance, text: str) -> None:
        """The caller has probably finished, with these words: an answer to them is drafted, if that does no harm."""
        session = self._session
        settings, turns, said = session.settings, session.settings.turns, session.interjections.read(text)
        wanted = turns is not None and turns.create_reply and settings.speaks and said.words > 0 and not said.mere
        free = session.floor.state is State.LISTENING and self._reply is None and not self._recognising
        if not (wanted and free and self._agent.speculates):
            return
        said_now = Item(utterance.item, Role.USER, text, spoken=True)
        history = self._interruptions.foretold(session.foreseen(said_now))
        words = self._asked(history, settings)
        self._preemption.bet(utterance.item, history, settings, lambda: self._draft(words, settings, held=True))

    def _spoken(self, utterance: Utterance, quiet: float) -> None:
        """The caller has finished, `quiet` seconds after the last speech."""
        session = self._session
        now = asyncio.get_running_loop().time()
        self._timelines[utterance.item] = Timeline(spoke_until=now - quiet, endpointed=now)
        self._recognising.append(utterance)
        session.emit(InputCommitted(utterance.item, session.last_id()))
        session.add(Item(utterance.item, Role.USER, "", spoken=True))
        self._touch()
        if utterance.error is not None:
            self._not_understood(utterance, utterance.error)

    async def _understand(self, utterance: Utterance) -> None:
        recogniser = self._recogniser
        language = self._session.settings.language or self._settings.asr.language
        try:
            transcript = await utterance.recognise(recogniser.engine, recogniser.lane, language)
        except AdapterError as error:
            utterance.error = error
            if utterance in self._recognising:  # or else when it has been spoken, if ever
                self._not_understood(utterance, error)
            return
        finally:
            self._in_work.discard(utterance)
        if utterance.forgotten or not (utterance.begun or self._stops(transcript.text)):
            return
        if not utterance.begun:
            self._hearing.reconsider(utterance)
        self._final(utterance, transcript)

    def _stops(self, text: str) -> bool:
        """Whether a candidate that was dismissed had said stop, and there still is something to stop."""
        answering = self._session.floor.state in (State.THINKING, State.SPEAKING)
        return answering and self._session.interjections.stops(text)

    def _final(self, utterance: Utterance, transcript: Transcript) -> None:
        session, text = self._session, transcript.text
        session.change(utterance.item, text=text)
        session.emit(TranscriptFinal(utterance.item, text, transcript.confidence, utterance.seconds, utterance.work))
        if self._interruptions.hear(session.interjections.read(text)):
            self._unanswered = True
        self._understood(utterance)

    def _not_understood(self, utterance: Utterance, error: AdapterError) -> None:
        self._session.emit(TranscriptFailed(utterance.item, error.code, error.message))
        self._understood(utterance)

    def _understood(self, utterance: Utterance) -> None:
        """Answers, unless there is more to understand first, or nothing to answer."""
        session = self._session
        timeline = self._timelines.pop(utterance.item, None)
        if timeline is not None:
            timeline.understood = asyncio.get_running_loop().time()
        if utterance in self._recognising:
            self._recognising.remove(utterance)
        if self._recognising or session.floor.state is State.LISTENING or self._reply is not None:
            return
        turns = session.settings.turns
        answers = turns is not None and turns.create_reply
        owed, self._owed = self._owed, None
        unanswered, self._unanswered = self._unanswered, False
        if owed is not None or (unanswered and answers):
            self._answer(owed or CreateReply(), timeline)
        elif not (answers and self._go_on()):
            self._preemption.discard(DraftFate.UNWANTED)
            self._interruptions.broken_off = None
            session.floor.rest()
        session.tell_state()

    def _interrupted(self) -> None:
        """The caller speaks: whatever is being answered is over."""
        self._touch()
        self._preemption.discard(DraftFate.RESUMED)
        reply, extra = self._reply, self._extra
        if self._stop("turn_detected") and reply is not None and reply is not extra:
            self._interruptions.broken_off = reply.broken_off()
        self._peer.resume()  # a pause that held nothing must not hold the next answer

    def _go_on(self) -> bool:
        """Nothing was said after all: the interrupted answer goes on, as configured; False: there is none to."""
        broken = self._interruptions.broken_off
        if broken is None:
            return False
        heard, rest = rest_of(broken, self._session.history)
        when_empty = self._settings.turn.barge_in.when_empty
        if when_empty == "rest" or (broken.whole and not rest):
            return False
        if when_empty == "offer" and heard and not broken.offered:
            self._interruptions.offer()
            self._say(self._settings.turn.barge_in.offer)
        elif not heard and not broken.whole:
            self._interruptions.broken_off = None
            self._start_answer(broken.settings)
        else:
            self._say_rest(broken, rest)
        return True

    def _say_rest(self, broken: BrokenOff, rest: str) -> None:
        history = self._interruptions.going_on(self._session.history, rest)
        self._interruptions.broken_off = None

        async def words() -> AsyncGenerator[str]:
            yield f"{rest} "
            if not broken.whole:
                async with aclosing(self._agent.reply(history, broken.settings)) as tokens:
                    async for token in tokens:
                        yield token

        self._start(words, broken.settings)

    def _give_up(self) -> None:
        """Nothing has come for too long: says so, and if even that comes to nothing, listens."""
        error = EngineFailed("stalled", f"nothing has come of the answer for {self._settings.turn.give_up:g} s")
        waiting, self._recognising = self._recognising, []
        for utterance in waiting:
            utterance.forget()
            self._session.emit(TranscriptFailed(utterance.item, error.code, error.message))
        apologised = self._extra is not None and self._reply is self._extra
        self._unanswered, self._owed = False, None
        self._session.fail(error)
        self._stop("stalled", error)
        self._peer.resume()
        if not apologised:
            self._say(self._settings.agent.fallback)

    def _ending_answer(self) -> bool:
        return self._reply is not None and self._reply.ending(self._settings.turn.last_words)

    # What is answered

    def _answer(self, request: CreateReply, timeline: Timeline | None = None) -> None:
        session = self._session
        settings = session.settings
        if request.instructions is not None:
            settings = replace(settings, instructions=request.instructions)
        if request.speaks is not None:
            settings = replace(settings, speaks=request.speaks)
        self._start_answer(settings, timeline)

    def _start_answer(self, settings: SessionSettings, timeline: Timeline | None = None) -> None:
        history = self._interruptions.told(self._session.history)
        self._unanswered = False
        self._interruptions.broken_off = None
        draft = self._preemption.claim(history, settings)
        self._start(self._asked(history, settings), settings, timeline, draft)

    def _say(self, text: str) -> None:
        """Words of our own, in an answer of their own."""
        self._start(self._fixed(text), self._session.settings)
        self._extra = self._reply

    def _start(
        self,
        words: Words,
        settings: SessionSettings,
        timeline: Timeline | None = None,
        draft: Draft | None = None,
    ) -> None:
        """Begins an answer; `draft` is what has been made of the words already."""
        session = self._session
        self._preemption.discard(DraftFate.UNWANTED)
        session.turn += 1
        session.floor.think()
        if session.floor.state is State.BARGED_IN:
            self._peer.pause()
        self._reply = Reply(
            session,
            self._peer,
            draft or self._draft(words, settings),
            settings=settings,
            timeline=timeline,
        )
        self._reply.begin()
        self._replying = self._spawn(self._run_reply(self._reply))
        session.tell_state()

    def _draft(self, words: Words, settings: SessionSettings, *, held: bool = False) -> Draft:
        speaker = self._cast.cast(settings)
        draft = Draft(
            words,
            speaker.synthesis(settings),
            rate=speaker.engine.rate,
            fallback=self._settings.agent.fallback,
            held=held,
        )
        if settings.speaks:
            over = speaker.begin()
            draft.begin(self._spawn).add_done_callback(lambda _: over())
        return draft

    async def _run_reply(self, reply: Reply) -> None:
        await reply.run()
        self._remember(reply)
        if self._reply is reply:
            self._reply = self._replying = None
            self._session.floor.rest()
            self._touch()
            self._session.tell_state()

    def _stop(self, reason: str, error: VoicechatError | None = None) -> bool:
        """Stops the answer, if there is one."""
        reply, task = self._reply, self._replying
        if reply is None or task is None:
            return False
        self._reply = self._replying = None
        reply.stop(reason, error)
        self._remember(reply)
        task.cancel()
        return True

    def _remember(self, reply: Reply) -> None:
        self._heard[reply.item.id] = reply.heard
        while len(self._heard) > REMEMBERED_REPLIES:
            self._heard.popitem(last=False)
        self._hearing.asked(reply.heard.text.endswith("?"))

    def _asked(self, history: Sequence[Item], settings: SessionSettings) -> Words:
        return lambda: self._agent.reply(history, settings)

    @staticmethod
    def _fixed(text: str) -> Words:
        async def words() -> AsyncGenerator[str]:
            yield text

        return words

    # What the caller's program asks

    def _obey(self, command: Command) -> None:
        """Does what a command asks; what cannot be done is told and changes nothing."""
        self._touch()
        try:
            match command:
                case UpdateSettings():
                    self._preemption.discard(DraftFate.CHANGED)
                    self._session.update(dict(command.changes))
                    turns = self._session.settings.turns
                    self._hearing.hurry(turns.eagerness if turns and turns.kind == "semantic_vad" else "auto")
                    self._session.emit(SettingsChanged(self._session.settings))
                case AddItem():
                    self._session.add(command.item, command.after)
                case RetrieveItem():
                    self._session.emit(ItemRetrieved(self._session.history[self._session.place(command.item)]))
                case DeleteItem():
                    self._session.remove(command.item)
                    self._session.emit(ItemDeleted(command.item))
                case TruncateItem():
                    self._truncate(command)
                case CreateReply():
                    self._create(command)
                case CancelReply():
                    self._cancel(command)
                case ClearOutput():
                    self._hush()
        except VoicechatError as error:
            self._session.fail(error, command.event_id)

    def _create(self, command: CreateReply) -> None:
        if self._reply is not None:
            raise BadMessage(
                "conversation_already_has_active_response", f"the answer {self._reply.id} is not over: cancel it first"
            )
        if self._recognising or self._session.floor.state is State.LISTENING:
            self._owed = command
        else:
            self._answer(command)

    def _cancel(self, command: CancelReply) -> None:
        if self._reply is None or command.reply not in (None, self._reply.id):
            raise BadMessage("response_cancel_not_active", "there is no such answer to cancel", param="response_id")
        self._hush()

    def _hush(self) -> None:
        if self._stop("client_cancelled") and self._session.floor.state is not State.LISTENING:
            self._session.floor.rest()

    def _truncate(self, command: TruncateItem) -> None:
        item = self._session.history[self._session.place(command.item)]
        if self._reply is not None and self._reply.item.id == item.id:
            self._hush()
        if not item.spoken or item.id not in self._heard:
            raise BadMessage("invalid_value", f"{item.id} is not a recent spoken answer", param="item_id")
        heard = self._heard[item.id] = self._heard[item.id].until(command.end)
        changed = self._session.change(item.id, text=heard.text) or item
        self._session.emit(ItemTruncated(changed, command.end))
