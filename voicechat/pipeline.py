"""One session, from the first sound to the last: listen, understand, answer.

    peer ─ incoming() ─► Hearing ─► Understanding ─► Answering ─ play() ─► peer
                            │                            ▲
                            └── pause · resume · stop ───┘

All of it runs on the loop, in one TaskGroup: the listener, the watch, a task for each utterance being recognised, and
at most one reply. Every change of the session happens in a method that does not wait, so nothing can come between.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from voicechat.answering import Answering
from voicechat.commands import CancelReply, ClearOutput, Command, CreateReply
from voicechat.config import Settings
from voicechat.conversation import Item, Role
from voicechat.ears import Ears
from voicechat.errors import BadMessage, EngineFailed
from voicechat.events import DraftFate, InputCommitted, InputTimedOut, SessionEnded, SessionStarted, State
from voicechat.hearing import Conversation, Hearing
from voicechat.kit import Kit
from voicechat.obeying import Obeying
from voicechat.protocols import Agent, Heard, Peer
from voicechat.reply import Cast, Timeline
from voicechat.session import Session
from voicechat.turntaking.pairs import awaited
from voicechat.understanding import Listener, Recogniser, Understanding
from voicechat.utterance import Utterance

WATCH_SECONDS: Final = 1.0
"""How often the time limits of a session are looked at."""

MOST_LATER: Final = 4
"""Answers that may wait for recordings to be understood."""


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
        kit: Kit | None = None,
        chores: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
    ) -> None:
        """`kit` is what the agent may have done; `chores` run beside the session as long as it does."""
        self._session = session
        self._settings = settings
        self._chores = chores
        self._answering = answering = Answering(
            session,
            peer,
            agent,
            speaker,
            kit=kit or Kit(),
            settings=settings,
            spawn=self._spawn,
            over=self._answered,
            free=self._free,
        )
        self._understanding = Understanding(
            session,
            recogniser,
            Listener(
                read=lambda utterance, guess: self._hearing.read(utterance, guess),
                expected=self._expected,
                reconsider=lambda utterance: self._hearing.reconsider(utterance),
                hushed=self._hushed,
                understood=self._understood,
                read_up=self._read_up,
            ),
            settings=settings,
            spawn=self._spawn,
        )
        self._hearing = Hearing(
            session,
            peer,
            ears,
            Conversation(
                interrupt=self._interrupted,
                utter=self._understanding.utter,
                go_on=lambda: answering.discard(DraftFate.RESUMED),
                spoken=self._spoken,
                ending=answering.ending,
                give_up=self._give_up,
                silent=self._silent,
                command=self._obey,
            ),
        )
        self._obeying = Obeying(
            session,
            answering,
            create=self._create,
            owed=lambda: self._owed is not None,
            hurry=self._hearing.hurry,
            listen=self._understanding.take,
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._unanswered = False  # something was understood that wants an answer
        self._owed: CreateReply | None = None  # asked for while the caller is being understood, or answered
        self._later: list[CreateReply] = []  # asked for while a recording is being understood
        self._touched = 0.0
        self._prompted = False  # we have spoken last, and because nobody did
        self._ending: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    # From beginning to end

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
                self._spawn(self._greet())
                reason = await self._ending
                for task in self._tasks:
                    task.cancel()
        except asyncio.CancelledError:
            reason = "shutdown"
            raise
        finally:
            self._answering.close()
            session.floor.terminate()
            session.tell_state()
            session.emit(SessionEnded(session.id, reason))
        return reason

    def end(self, reason: str) -> None:
        """Makes `run` end the session; safe to call at any time."""
        if not self._ending.done():
            self._ending.set_result(reason)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _listen(self) -> None:
        await self._hearing.run()
        self.end("hung_up")

    async def _greet(self) -> None:
        """Begins after `_listen`, which has done by then what was asked before the session began: another voice may
        have been, or that nothing be said at all. Who comes with a history is not greeted: they go on."""
        session, greeting = self._session, self._settings.agent.greeting
        idle = session.floor.state is State.IDLE and self._answering.reply is None
        if greeting and session.settings.answers and idle and not session.history:
            self._answering.greet(greeting)

    async def _watch(self) -> None:
        """Ends the session that nobody uses, or that lasts too long."""
        limits = self._settings.server
        loop = asyncio.get_running_loop()
        last = loop.time() + limits.session_seconds
        while not self._ending.done():
            await asyncio.sleep(WATCH_SECONDS)
            self._hearing.lapse()
            if self._session.floor.state is not State.IDLE and not self._prompted:
                self._touch()
            if loop.time() >= last:
                self.end("too_long")
            elif loop.time() - self._touched >= limits.idle_seconds:
                self.end("idle")

    def _touch(self) -> None:
        self._touched = asyncio.get_running_loop().time()
        self._prompted = False

    # From what is said to what is answered

    def _interrupted(self) -> None:
        self._touch()
        self._answering.interrupt()

    def _expected(self, utterance: Utterance, text: str) -> None:
        if not self._understanding.busy and not self._understanding.hushes(utterance, text):
            self._answering.foresee(utterance.item, text)

    def _spoken(self, utterance: Utterance, quiet: float) -> None:
        self._touch()
        self._understanding.spoken(utterance, quiet)

    def _hushed(self) -> None:
        """Nothing that was said so far is answered."""
        self._unanswered = False
        self._answering.hushed()
        self._understood(None, None)

    def _understood(self, text: str | None, timeline: Timeline | None) -> None:
        """Answers, unless there is more to understand first, or nothing to answer."""
        session = self._session
        if text is not None and self._answering.hear(text):
            self._unanswered = True
        if self._occupied() or self._answering.reply is not None:
            return
        turns = session.settings.turns
        answers = session.settings.answers and turns is not None and turns.create_reply
        owed, self._owed = self._owed, None
        unanswered, self._unanswered = self._unanswered, False
        if owed is not None or (unanswered and answers):
            self._answering.answer(owed or CreateReply(), timeline)
        elif not (answers and self._answering.go_on()):
            self._answering.let_be()
            session.floor.rest()
        session.tell_state()

    def _occupied(self) -> bool:
        """With what the caller says: an answer must wait for it."""
        return self._understanding.busy or self._session.floor.state is State.LISTENING

    def _read_up(self) -> None:
        """Goes on with what had to wait for it."""
        later, self._later = self._later, []
        for command in later:
            self._obeying.obey(command)
        if self._answering.reply is None and self._session.floor.state is State.THINKING:
            self._understood(None, None)
        self._free()
        self._session.tell_state()

    def _answered(self, heard: Heard) -> None:
        if not self._prompted:
            self._touch()
        self._hearing.asked(heard.text.endswith("?"))

    def _free(self) -> None:
        """An answer has ended by itself: one that was asked for meanwhile is begun."""
        if self._owed is not None and not self._occupied() and self._answering.reply is None:
            owed, self._owed = self._owed, None
            self._answering.answer(owed)

    def _silent(self, start: float, end: float) -> None:
        """The caller has said nothing for long: that is a turn of theirs, without words."""
        session, turns = self._session, self._session.settings.turns
        wanted = session.settings.answers and turns is not None and turns.create_reply
        if not wanted or self._answering.reply is not None or awaited(session.history):
            return
        self._prompted = True
        item = Item(session.new_id("item"), Role.USER, "", spoken=True)
        session.emit(InputTimedOut(item.id, start, end))
        session.emit(InputCommitted(item.id, session.last_id()))
        session.add(item)
        self._answering.prompt()

    def _give_up(self) -> None:
        """Nothing has come for too long: says so, and if even that comes to nothing, listens."""
        error = EngineFailed("stalled", f"nothing has come of the answer for {self._settings.turn.give_up:g} s")
        self._understanding.give_up(error)
        self._unanswered, self._owed = False, None
        self._later.clear()
        self._session.fail(error, reply=self._session.reply)
        if self._session.settings.answers:
            self._answering.give_up(error)
        else:
            self._session.floor.rest()

    # What the caller's program asks

    def _obey(self, command: Command) -> None:
        self._touch()
        if isinstance(command, CreateReply) and self._understanding.reads:
            self._put_off(command)
            return
        if isinstance(command, ClearOutput) or (isinstance(command, CancelReply) and self._calls_off(command)):
            self._owed = None
            self._later.clear()
        self._obeying.obey(command)
        if not self._session.settings.answers:
            self._owed = None

    def _calls_off(self, command: CancelReply) -> bool:
        """Whether answers that wait are meant, too: not where an answer beside the conversation is named, or none."""
        reply = self._answering.reply
        return command.reply is None or (reply is not None and command.reply == reply.id)

    def _put_off(self, command: CreateReply) -> None:
        """An answer waits for what is to be read before it."""
        if len(self._later) < MOST_LATER:
            self._later.append(command)
        else:
            text = f"{MOST_LATER} answers wait for sound to be understood"
            self._session.fail(BadMessage("conversation_already_has_active_response", text, event_id=command.event_id))

    def _create(self, command: CreateReply) -> None:
        if self._occupied() or self._answering.reply is not None:
            self._owed = command
        else:
            self._unanswered = False
            self._answering.answer(command)
