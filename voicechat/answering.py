"""One caller's answers, one at a time: begun, interrupted, gone on with, given up, and how much of each was heard."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from voicechat.aside import Asides
from voicechat.commands import CreateReply
from voicechat.config import Settings
from voicechat.conversation import Item, Role, SessionSettings, Tool
from voicechat.draft import Draft, Spawn, Words, after, fixed
from voicechat.errands import Errands
from voicechat.errors import VoicechatError
from voicechat.events import DraftFate, State
from voicechat.kit import Kit
from voicechat.preemption import Preemption
from voicechat.protocols import Agent, Heard, Peer
from voicechat.reply import Cast, Reply, Timeline
from voicechat.session import Session
from voicechat.turntaking.interruptions import BrokenOff, Interruptions, joined, rest_of

REMEMBERED_REPLIES: Final = 20
"""Answers whose word times are kept, so that a caller may say how much of them was heard."""

SILENT: Final = "The caller has said nothing for a while. Ask whether they are still there, or help them to go on."
"""Told to an agent that shall speak first."""


class Answering:
    """One session's. `spawn` runs an answer, as long as the session lasts; `over` is told what was heard of each, and
    `free` when one has ended by itself.
    """

    def __init__(
        self,
        session: Session,
        peer: Peer,
        agent: Agent,
        cast: Cast,
        *,
        kit: Kit,
        settings: Settings,
        spawn: Spawn,
        over: Callable[[Heard], None],
        free: Callable[[], None],
    ) -> None:
        self._session, self._peer, self._agent, self._cast = session, peer, agent, cast
        self._settings, self._spawn, self._over, self._free = settings, spawn, over, free
        self._errands = Errands(agent, kit, settings.agent.tools)
        self._asides = Asides(spawn)
        self._interruptions = Interruptions(settings.turn.barge_in.note)
        self._preemption = Preemption(session.emit)
        self.reply: Reply | None = None
        """The answer that is being made or spoken."""
        self._stop_reply: Callable[[], object] = lambda: None  # cancels its task
        self._extra: Reply | None = None  # the fallback or an offer: words that are no agent's answer
        self._heard: OrderedDict[str, Heard] = OrderedDict()  # by the answer's item

    def tools(self, label: str) -> tuple[Tool, ...]:
        """Those of a server in this house that may be used for the caller now."""
        return self._errands.listed(self._session.settings, label)

    # Begun

    def foresee(self, item: str, text: str) -> None:
        """The caller has probably finished, with these words: an answer to them is drafted, if that does no harm."""
        session = self._session
        settings, turns, said = session.settings, session.settings.turns, session.interjections.read(text)
        wanted = turns is not None and turns.create_reply and settings.speaks and said.words > 0 and not said.mere
        wanted = wanted and settings.answers
        free = session.floor.state is State.LISTENING and self.reply is None
        if not (wanted and free and self._agent.speculates):
            return
        history = self._interruptions.foretold(session.foreseen(Item(item, Role.USER, text, spoken=True)))
        words = self._asked(history, settings)
        self._preemption.bet(item, history, settings, lambda: self._draft(words, settings, held=True))

    def discard(self, fate: DraftFate) -> None:
        """The draft is of no use, if there is one."""
        self._preemption.discard(fate)

    def hear(self, text: str) -> bool:
        """What the caller said; whether it wants an answer."""
        return self._interruptions.hear(self._session.interjections.read(text))

    def hushed(self) -> None:
        """The caller wanted it stopped: what was interrupted stays so."""
        self._interruptions.take()

    def answer(self, request: CreateReply, timeline: Timeline | None = None) -> None:
        settings = request.of(self._session.settings)
        if request.items is None and request.stored:
            self._answer(settings, timeline, request.metadata)
        else:
            words = self._asked(self._chosen(request), settings)
            self._interruptions.broken_off = None
            self._start(words, settings, timeline, stored=request.stored, metadata=request.metadata)

    def put_in(self, request: CreateReply) -> bool:
        """Makes an answer that is neither spoken nor kept, beside all others. False: this is none.

        Raises BadMessage when there are too many.
        """
        session = self._session
        settings = request.of(session.settings)
        if request.stored or settings.speaks:
            return False
        self._asides.check()
        draft = self._draft(self._asked(self._chosen(request), settings), settings)
        reply = Reply(session, self._peer, draft, settings=settings, stored=False, metadata=request.metadata)
        self._asides.begin(reply)
        return True

    def _chosen(self, request: CreateReply) -> list[Item]:
        """What is read for an answer of its own."""
        if request.items is None:
            return self._interruptions.told(self._session.history)
        return joined([item for item in request.items if isinstance(item, Item)])

    def greet(self, text: str) -> None:
        self._start(fixed(text), self._session.settings)

    def prompt(self) -> None:
        """The caller has said nothing for long: the agent shall."""
        settings = self._session.settings
        history = [*self._interruptions.told(self._session.history), Item("silence", Role.SYSTEM, SILENT)]
        self._interruptions.broken_off = None
        self._start(self._asked(history, settings), settings)

    def _say(self, text: str) -> None:
        """Words of our own, in an answer of their own."""
        self._start(fixed(text), self._session.settings)
        self._extra = self.reply

    def _answer(
        self,
        settings: SessionSettings,
        timeline: Timeline | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        history = self._interruptions.told(self._session.history)
        self._interruptions.broken_off = None
        draft = self._preemption.claim(history, settings)
        self._start(self._asked(history, settings), settings, timeline, draft, metadata=metadata)

    def _start(
        self,
        words: Words,
        settings: SessionSettings,
        timeline: Timeline | None = None,
        draft: Draft | None = None,
        *,
        stored: bool = True,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Begins an answer; `draft` is what has been made of the words already."""
        session = self._session
        self._preemption.discard(DraftFate.UNWANTED)
        session.turn += 1
        session.floor.think()
        if session.floor.state is State.BARGED_IN:
            self._peer.pause()
        draft = draft or self._draft(words, settings)
        self.reply = Reply(
            session, self._peer, draft, settings=settings, timeline=timeline, stored=stored, metadata=metadata
        )
        self.reply.begin()
        self._stop_reply = self._spawn(self._run(self.reply)).cancel
        session.tell_state()

    def _draft(self, words: Words, settings: SessionSettings, *, held: bool = False) -> Draft:
        speaker = self._cast.cast(settings)
        fallback = self._settings.agent.fallback
        draft = Draft(words, speaker.synthesis(settings), rate=speaker.engine.rate, fallback=fallback, held=held)
        if settings.speaks:
            over = speaker.begin()
            draft.begin(self._spawn).add_done_callback(lambda _: over())
        return draft

    def _asked(self, history: Sequence[Item], settings: SessionSettings) -> Words:
        return self._errands.words(history, settings)

    # Over

    async def _run(self, reply: Reply) -> None:
        await reply.run()
        self._remember(reply)
        if self.reply is reply:
            self.reply = None
            self._session.floor.rest()
            self._session.tell_state()
            self._free()

    def stop(self, reason: str, error: VoicechatError | None = None) -> bool:
        """Stops the answer, if there is one."""
        reply, self.reply = self.reply, None
        if reply is None:
            return False
        reply.stop(reason, error)
        self._remember(reply)
        self._stop_reply()
        return True

    def hush(self) -> None:
        """The caller's program wants it stopped."""
        if self.stop("client_cancelled") and self._session.floor.state is not State.LISTENING:
            self._session.floor.rest()

    def fall_silent(self) -> None:
        """Nothing is answered any more: not beside the conversation, either."""
        self._asides.close()
        self.hush()

    def cancel(self, id: str | None) -> bool:
        """Stops the answer of that id, or whatever is being answered; False: there is no such answer."""
        if id is not None and self._asides.cancel(id):
            return True
        if self.reply is None or id not in (None, self.reply.id):
            return False
        self.hush()
        return True

    def give_way(self, text: str) -> None:
        """The caller has typed something: whatever is being answered is over."""
        if self.reply is not None:
            self.interrupt()
            if self._session.floor.state is not State.LISTENING:
                self._session.floor.rest()
        self.hear(text)

    def interrupt(self) -> None:
        """The caller speaks: whatever is being answered is over."""
        self._preemption.discard(DraftFate.RESUMED)
        reply, extra = self.reply, self._extra
        if self.stop("turn_detected") and reply is not None and reply is not extra:
            self._interruptions.broken_off = reply.broken_off()
        self._peer.resume()  # a pause that held nothing must not hold the next answer

    def give_up(self, error: VoicechatError) -> None:
        """Nothing has come for too long: says so, unless even that came to nothing."""
        apologised = self._extra is not None and self.reply is self._extra
        self.stop("stalled", error)
        self._peer.resume()
        if not apologised:
            self._say(self._settings.agent.fallback)

    def close(self) -> None:
        """The session is over."""
        self._preemption.discard(DraftFate.UNWANTED)
        self._asides.close()
        if self.reply is not None:
            self.reply.stop("client_cancelled")

    # Gone on with

    def go_on(self) -> bool:
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
            self._answer(broken.settings)
        else:
            self._say_rest(broken, rest)
        return True

    def let_be(self) -> None:
        """There is nothing to answer: neither what was drafted nor what was interrupted."""
        self._preemption.discard(DraftFate.UNWANTED)
        self._interruptions.broken_off = None

    def _say_rest(self, broken: BrokenOff, rest: str) -> None:
        history = self._interruptions.going_on(self._session.history, rest)
        self._interruptions.broken_off = None
        words = fixed(f"{rest} ")
        self._start(words if broken.whole else after(words, self._asked(history, broken.settings)), broken.settings)

    # Heard

    def ending(self) -> bool:
        """Whether the answer is in its last words."""
        return self.reply is not None and self.reply.ending(self._settings.turn.last_words)

    def heard(self, item: str, seconds: float) -> Heard | None:
        """What was heard of an answer if it was no more than so much, from now on; None: it was too long ago."""
        if item not in self._heard:
            return None
        heard = self._heard[item] = self._heard[item].until(seconds)
        return heard

    def _remember(self, reply: Reply) -> None:
        self._heard[reply.item.id] = reply.heard
        while len(self._heard) > REMEMBERED_REPLIES:
            self._heard.popitem(last=False)
        self._over(reply.heard)
