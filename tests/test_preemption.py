"""Answers begun before the caller's turn is over, on virtual time: sooner heard when it was, never heard when not."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from tests.fakes import InlineLane, ScriptedAgent, ScriptedAsr, loud, noise, quiet
from tests.scripted_call import LONG, Call, converse, kinds, of, texts, until
from voicechat.adapters.agent import faq
from voicechat.audio import AudioFrame
from voicechat.commands import AddItem, CancelReply, ClearInput, Command, CommitInput, CreateReply, UpdateSettings
from voicechat.config import Settings, TurnSettings
from voicechat.conversation import Item, Piece, Role, SessionSettings, Transcript, TurnDetection
from voicechat.errors import EngineFailed
from voicechat.events import (
    DraftDecided,
    DraftFate,
    Failed,
    InputCleared,
    InputCommitted,
    ReplyAudible,
    ReplyFinished,
    ReplyStarted,
    ReplyStatus,
    ReplyText,
    SessionEnded,
    SpeechStarted,
    SpeechStopped,
    State,
    StateChanged,
    TranscriptFinal,
    TurnMeasured,
)
from voicechat.metrics import Metrics
from voicechat.protocols import AsrStream
from voicechat.session import HISTORY_ITEMS

T = TypeVar("T")

PATIENT = SessionSettings(turns=TurnDetection(silence=0.8))
"""Who waits long gives much time to prepare."""

WITHOUT = Settings(turn=TurnSettings(preempt=False))

QUESTION = (loud(1.0), quiet(1.5))
PAUSING = (loud(0.5), quiet(0.5), loud(0.5), quiet(1.5))
"""Goes on after quiet that made the end likely."""


class PeekingAsr(ScriptedAsr):
    """Sees something else in each peek; "!" fails, None is not to be had. Then as the scripted one."""

    def __init__(self, *texts: str, peeks: Sequence[str | None]) -> None:
        super().__init__(*texts)
        self.peeks = list(peeks)

    def open(self, language: str | None) -> AsrStream:
        return _Peeking(self, super().open(language))


class _Peeking:
    def __init__(self, engine: PeekingAsr, stream: AsrStream) -> None:
        self._engine = engine
        self.accept, self.finish, self.close = stream.accept, stream.finish, stream.close
        self._peek = stream.peek

    def peek(self) -> Transcript | None:
        if not self._engine.peeks:
            return self._peek()
        text = self._engine.peeks.pop(0)
        if text == "!":
            raise EngineFailed("engine_failed", "scripted to fail")
        return None if text is None else Transcript(text)


def saying(*sounds: Any, turns: int = 1) -> Callable[[Call], Awaitable[None]]:
    async def caller(call: Call) -> None:
        for sound in sounds:
            if isinstance(sound, Command):
                call.peer.asks(sound)
            else:
                call.peer.hears(sound)
        await until(call, ReplyFinished, turns)
        call.peer.hangs_up()

    return caller


def held(call: Call, *sounds: Any, turns: int = 1) -> Call:
    """The call, after the caller made these sounds and was answered so often."""
    return converse(call, saying(*sounds, turns=turns))  # type: ignore[arg-type]


def fates(call: Call) -> list[DraftFate]:
    return [event.fate for event in of(call, DraftDecided)]


def sound(call: Call) -> list[bytes]:
    return [frame.tobytes() for frame in call.peer.on_wire if frame is not None]


def nothing_left(call: Call) -> bool:
    return (call.asr.open_streams, call.tts.working, call.agent.working) == (0, 0, 0)


def slow_call(**parts: Any) -> Call:
    """Engines that take their time."""
    agent = ScriptedAgent(["good morning to you all."], delay=0.05)
    return Call(**{"agent": agent, "lane": InlineLane(0.01), "session_settings": PATIENT, **parts})


def test_a_draft_is_heard_at_once_and_told_as_any_answer() -> None:
    early, late = held(slow_call(), *QUESTION), held(slow_call(settings=WITHOUT), *QUESTION)
    assert fates(early) == [DraftFate.USED]
    assert fates(late) == []
    assert kinds(early) == kinds(late)
    assert texts(early) == texts(late) == [("user", "hello there"), ("assistant", "good morning to you all.")]
    assert sound(early) == sound(late)
    assert len(early.agent.asked) == 1, "and paid for once"
    assert [event.turn for event in of(early, ReplyStarted)] == [event.turn for event in of(late, ReplyStarted)]
    [soon], [slow] = of(early, TurnMeasured), of(late, TurnMeasured)
    assert soon.endpointed <= soon.understood <= soon.first_word <= soon.first_sound
    assert soon.first_sound - soon.endpointed < 0.05
    assert slow.first_sound - slow.endpointed > 0.25


def test_a_draft_is_made_and_neither_told_nor_heard_before_the_turn_is_over() -> None:
    call = slow_call(agent=ScriptedAgent(["First sentence. " + LONG]))

    async def caller(call: Call) -> None:
        call.peer.hears(loud(1.0))
        await until(call, InputCommitted)
        assert call.tts.said == ["First", "sentence."], "its first clause and no more"
        assert sound(call) == []
        assert texts(call) == [("user", "")]
        assert of(call, ReplyStarted, ReplyText) == []
        assert call.session.turn == 0
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    converse(call, caller)
    assert fates(call) == [DraftFate.USED]
    assert of(call, ReplyFinished)[0].item.text == f"First sentence. {LONG}"


@pytest.mark.parametrize(
    ("peek", "final", "fate"),
    [
        ("Hello, there!", "hello there", DraftFate.USED),
        ("hello", "hello there", DraftFate.CHANGED),
        ("hello there", "!", DraftFate.UNWANTED),
        ("hello there", "", DraftFate.UNWANTED),
    ],
)
def test_a_draft_answers_what_was_said_or_nobody(peek: str, final: str, fate: DraftFate) -> None:
    call = slow_call(asr=PeekingAsr(final, "and again", peeks=[peek]), agent=ScriptedAgent(["right", "fine", "yes"]))
    answered = final not in ("", "!")

    async def caller(call: Call) -> None:
        call.peer.hears(loud(1.0))
        if not answered:
            await until(call, DraftDecided)
            call.peer.hears(loud(1.0))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    converse(call, caller)
    assert fates(call)[0] is fate
    [finished] = of(call, ReplyFinished)
    assert finished.status is ReplyStatus.COMPLETED
    assert finished.item.text == ("right" if fate is DraftFate.USED else "fine")
    assert nothing_left(call)


def test_speech_that_goes_on_ends_the_draft_at_once() -> None:
    call = slow_call(agent=ScriptedAgent([LONG, "fine"], delay=0.2))

    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        call.peer.hears(quiet(0.5))
        call.peer.hears(loud(0.5))
        await until(call, DraftDecided)
        assert call.session.floor.quiet == 0.0
        await asyncio.sleep(0.04)
        assert nothing_left(call) or call.asr.open_streams == 1
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    converse(call, caller)
    assert fates(call) == [DraftFate.RESUMED, DraftFate.USED]
    assert len(of(call, SpeechStarted)) == len(of(call, ReplyStarted)) == 1
    assert texts(call) == [("user", "hello there"), ("assistant", "fine")]
    assert "word0" not in call.tts.said


def test_a_peek_that_comes_after_more_speech_counts_for_nothing() -> None:
    asr = PeekingAsr("hello there", peeks=["hello", "hello there"])
    settings = SessionSettings(turns=TurnDetection(silence=1.3))
    call = slow_call(asr=asr, lane=InlineLane(0.25), agent=ScriptedAgent(["fine"]), session_settings=settings)
    held(call, *PAUSING)
    assert fates(call) == [DraftFate.USED]
    assert call.agent.asked == [[("user", "hello there")]]


def test_a_caller_who_pauses_often_has_three_drafts_and_no_more() -> None:
    call = slow_call(agent=ScriptedAgent([f"answer {number}" for number in range(9)]))
    held(call, *(loud(0.3), quiet(0.4)) * 6, quiet(1.0))
    assert fates(call) == [DraftFate.RESUMED] * 3
    assert len(call.agent.asked) == 4
    assert texts(call)[-1] == ("assistant", "answer 3")


def test_a_cancel_that_finds_no_answer_changes_nothing() -> None:
    call = slow_call()

    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        call.peer.hears(quiet(0.5))
        call.peer.asks(CancelReply())
        await until(call, Failed)
        assert call.session.floor.state is State.LISTENING
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    converse(call, caller)
    assert [event.code for event in of(call, Failed)] == ["response_cancel_not_active"]
    assert fates(call) == [DraftFate.USED]


def test_an_answer_that_was_a_draft_is_cancelled_as_any() -> None:
    call = slow_call(agent=ScriptedAgent([LONG], delay=0.02))

    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        await until(call, ReplyAudible)
        call.peer.asks(CancelReply())
        await until(call, ReplyFinished)
        await asyncio.sleep(0.1)
        assert nothing_left(call)
        call.peer.hangs_up()

    converse(call, caller)
    [finished] = of(call, ReplyFinished)
    assert (finished.status, finished.reason) == (ReplyStatus.CANCELLED, "client_cancelled")


def test_sound_that_is_cleared_takes_its_draft_along() -> None:
    call = slow_call(agent=ScriptedAgent([LONG, "fine"], delay=0.2))

    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        call.peer.hears(quiet(0.5))
        call.peer.asks(ClearInput())
        await until(call, InputCleared)
        call.peer.hears(quiet(2.0))
        call.peer.hears(loud(0.5))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    converse(call, caller)
    assert fates(call) == [DraftFate.RESUMED, DraftFate.USED]
    assert texts(call) == [("user", "hello there"), ("assistant", "fine")]


@pytest.mark.parametrize("after", [0.2, 0.3, 0.5, 0.79])
def test_hanging_up_during_a_draft_leaves_nothing(after: float) -> None:
    call = slow_call(agent=ScriptedAgent([LONG], delay=0.03))

    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        call.peer.hears(quiet(after))
        call.peer.hangs_up()

    converse(call, caller)
    assert fates(call) == [DraftFate.UNWANTED]
    assert of(call, ReplyStarted) == []
    assert isinstance(call.peer.events[-1], SessionEnded)
    assert nothing_left(call)


@pytest.mark.parametrize("failing", ["!", "FAIL at once."])
def test_what_fails_in_a_draft_is_tried_again_and_not_told(failing: str) -> None:
    call = held(slow_call(agent=ScriptedAgent([failing, "all is well"])), *QUESTION)
    assert fates(call) == [DraftFate.FAILED]
    assert of(call, Failed) == []
    assert texts(call) == [("user", "hello there"), ("assistant", "all is well")]
    assert nothing_left(call)


@pytest.mark.parametrize(
    ("failing", "code"),
    [("!", "agent_timeout"), ("FAIL at once.", "engine_failed"), ("this will FAIL soon.", "engine_failed")],
)
def test_what_fails_twice_is_told_once(failing: str, code: str) -> None:
    call = slow_call(agent=ScriptedAgent([failing, failing, "better"]), asr=ScriptedAsr("one", "two"))
    held(call, *QUESTION)
    assert [event.code for event in of(call, Failed)] == [code]
    assert of(call, ReplyFinished)[0].status is ReplyStatus.FAILED
    assert nothing_left(call)


def test_drafts_are_counted_by_their_fate() -> None:
    call, metrics = held(slow_call(agent=ScriptedAgent(["fine"] * 2)), *PAUSING), Metrics()
    for event in call.peer.events:
        metrics.observe(event)
    counted = [metrics.registry.get_sample_value("voicechat_drafts_total", {"fate": fate}) for fate in DraftFate]
    assert counted == [1, 1, None, None, None]


@pytest.mark.parametrize("said", ["Mhm.", "Okay. Right."])
def test_nobody_drafts_an_answer_to_a_hum(said: str) -> None:
    call = held(slow_call(asr=ScriptedAsr(said)), *QUESTION)
    assert fates(call) == []
    assert texts(call) == [("user", said), ("assistant", "good morning to you all.")]


@pytest.mark.parametrize("peek", [None, "!"])
def test_who_cannot_tell_yet_is_asked_again(peek: str | None) -> None:
    call = held(slow_call(asr=PeekingAsr("hello there", peeks=[peek, peek])), *QUESTION)
    assert fates(call) == [DraftFate.USED]


@pytest.mark.parametrize("peek", ["", "!", None])
def test_a_peek_that_sees_nothing_or_fails_costs_nothing(peek: str | None) -> None:
    call = held(slow_call(asr=PeekingAsr("hello there", peeks=[peek] * 20)), *QUESTION)
    assert fates(call) == []
    assert texts(call)[-1] == ("assistant", "good morning to you all.")


@pytest.mark.parametrize(
    "settings",
    [
        replace(PATIENT, turns=replace(PATIENT.turns or TurnDetection(), create_reply=False)),
        replace(PATIENT, speaks=False),
    ],
)
def test_no_draft_for_callers_who_want_no_spoken_answer(settings: SessionSettings) -> None:
    call = slow_call(session_settings=settings)

    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        await until(call, TranscriptFinal)
        await asyncio.sleep(1.0)
        call.peer.hangs_up()

    converse(call, caller)
    assert fates(call) == []


def test_an_agent_that_does_not_speculate_is_asked_for_sure_only() -> None:
    agent = ScriptedAgent(["fine", "not fine"], speculates=False)
    call = held(slow_call(agent=agent), *PAUSING)
    assert fates(call) == []
    assert len(agent.asked) == 1


@pytest.mark.parametrize(
    ("command", "asked"),
    [
        (UpdateSettings({"instructions": "Be brief."}), [("user", "hello there")]),
        (AddItem(Item("fact", Role.SYSTEM, "It rains.")), [("system", "It rains."), ("user", "hello there")]),
        (CreateReply(instructions="Be brief."), [("user", "hello there")]),
    ],
)
def test_a_draft_of_something_else_than_is_asked_now_is_thrown_away(
    command: Command, asked: list[tuple[str, str]]
) -> None:
    call = slow_call(agent=ScriptedAgent(["draft", "answer"]))
    held(call, loud(0.5), quiet(0.4), command, quiet(1.0))
    assert fates(call) == [DraftFate.CHANGED]
    assert call.agent.asked[-1] == asked
    assert texts(call)[-1] == ("assistant", "answer")


def test_a_long_history_does_not_spoil_drafts() -> None:
    call = slow_call()

    async def caller(call: Call) -> None:
        call.session.history += [Item(f"old_{number}", Role.USER, "hm") for number in range(HISTORY_ITEMS)]
        await saying(*QUESTION)(call)

    converse(call, caller)
    assert fates(call) == [DraftFate.USED]


def test_a_commit_by_hand_uses_the_draft() -> None:
    call = held(slow_call(session_settings=PATIENT), loud(0.5), quiet(0.5), CommitInput(), quiet(1.0))
    assert fates(call) == [DraftFate.USED]


class Watching(ScriptedAgent):
    """Notes who holds the floor whenever it is asked."""

    call: Call | None = None

    async def reply(self, history: Sequence[Item], settings: SessionSettings) -> AsyncGenerator[Piece]:
        assert self.call is not None
        self.states.append((self.call.session.floor.state, self.call.session.reply is not None))
        async for word in super().reply(history, settings):
            yield word

    @property
    def states(self) -> list[tuple[State, bool]]:
        states: list[tuple[State, bool]] = self.__dict__.setdefault("_states", [])
        return states


def test_nothing_is_drafted_while_an_answer_is_made_or_heard() -> None:
    agent = Watching([LONG] * 12)
    call = slow_call(agent=agent, asr=ScriptedAsr(*(f"question {number}" for number in range(9))))
    agent.call = call
    over = (noise(0.3), quiet(0.6), loud(0.3), quiet(0.7), loud(0.9), quiet(0.5), loud(0.5), quiet(1.0))

    async def caller(call: Call) -> None:
        for count in (1, 2, 3):
            call.peer.hears(loud(0.5))
            await until(call, ReplyAudible, count)
            for sounds in over[: 2 * count + 2]:
                call.peer.hears(sounds)
            await until(call, ReplyFinished, count)
        call.peer.hangs_up()

    converse(call, caller)
    assert set(fates(call)) >= {DraftFate.USED}
    assert set(agent.states) <= {(State.LISTENING, False), (State.THINKING, True), (State.BARGED_IN, True)}
    assert (State.LISTENING, False) in agent.states


class LabouringAsr(ScriptedAsr):
    """Takes `cost` seconds to understand, and understands the same sound only once."""

    cost = 0.3

    def __init__(self, *texts: str) -> None:
        super().__init__(*texts)
        self.spent = 0.0

    def open(self, language: str | None) -> AsrStream:
        return _Labouring(self, super().open(language))


class _Labouring:
    def __init__(self, engine: LabouringAsr, stream: AsrStream) -> None:
        self._engine, self._stream = engine, stream
        self.close = stream.close
        self._fresh = False

    def accept(self, frame: AudioFrame) -> str | None:
        self._fresh = self._fresh or bool(frame.samples.any())
        return self._stream.accept(frame)

    def peek(self) -> Transcript | None:
        self._labour()
        return self._stream.peek()

    def finish(self) -> Transcript:
        self._labour()
        return self._stream.finish()

    def _labour(self) -> None:
        if self._fresh:
            self._engine.spent += self._engine.cost
        self._fresh = False


class LabouringLane(InlineLane):
    """A call takes as long as its engine says."""

    def __init__(self, asr: LabouringAsr) -> None:
        super().__init__()
        self.asr = asr

    async def run(self, call: Callable[[], T], *, urgent: bool = False, deadline: float | None = None) -> T:
        before = self.asr.spent
        result = call()
        await asyncio.sleep(self.asr.spent - before)
        return result


@pytest.mark.parametrize(("preempt", "waited"), [(True, 0.0), (False, 0.3)])
def test_what_was_understood_in_the_quiet_is_not_understood_again_at_the_end(preempt: bool, waited: float) -> None:
    asr = LabouringAsr("hello there")
    settings = Settings(turn=TurnSettings(preempt=preempt))
    call = held(slow_call(asr=asr, lane=LabouringLane(asr), settings=settings), *QUESTION)
    [measured] = of(call, TurnMeasured)
    assert measured.understood - measured.endpointed == pytest.approx(waited, abs=0.01)
    assert asr.spent == pytest.approx(0.3)


def test_a_peek_that_lasts_longer_than_the_quiet_is_the_transcript_all_the_same() -> None:
    asr = LabouringAsr("hello there")
    asr.cost = 1.0
    call = held(slow_call(asr=asr, lane=LabouringLane(asr)), *QUESTION)
    [measured] = of(call, TurnMeasured)
    assert measured.understood == pytest.approx(0.16 + 1.0, abs=0.03)
    assert fates(call) == []


# Who was thought to have finished, and had not


GUIDE = """\
questions:
  - ask: tell me about the dinosaurs
    answer: They are on the first floor.
  - ask: tell me about the museum
    answer: It is two hundred years old.
  - ask: where is the lift
    answer: Behind you.
"""


class Guide(ScriptedAgent):
    """The agent of questions and answers, who thinks for a while."""

    thinks = 0.5

    async def reply(self, history: Sequence[Item], settings: SessionSettings) -> AsyncGenerator[str]:
        self.asked.append([(item.role.value, item.text) for item in history])
        await asyncio.sleep(self.thinks)
        async for word in faq.FaqAgent(faq.parse(GUIDE, "guide"), 78.0).reply(history, settings):
            yield word


HASTY = SessionSettings(turns=TurnDetection(silence=0.3))


@pytest.mark.parametrize("preempt", [True, False])
def test_a_question_that_was_cut_in_two_has_one_answer(preempt: bool) -> None:
    call = Call(
        asr=ScriptedAsr("tell me about the", "dinosaurs"),
        agent=Guide([]),
        session_settings=HASTY,
        settings=Settings(turn=TurnSettings(preempt=preempt)),
    )
    held(call, loud(0.8), quiet(0.4), loud(0.6), quiet(1.5), turns=2)
    assert call.agent.asked[-1] == [("user", "tell me about the\ndinosaurs")]
    cut, answer = of(call, ReplyFinished)
    assert (cut.status, cut.item.text) == (ReplyStatus.CANCELLED, "")
    assert answer.item.text == "They are on the first floor."
    assert len(of(call, ReplyAudible)) == 1
    roles = [role for role, _ in texts(call)]
    assert roles == ["user", "assistant", "user", "assistant"], "the caller's program sees it as it was"


def test_a_new_question_before_the_answer_to_the_old_is_answered_by_itself() -> None:
    call = Call(
        asr=ScriptedAsr("what was it again", "where is the lift"), agent=Guide([]), session_settings=HASTY
    )
    held(call, loud(0.8), quiet(0.4), loud(0.6), quiet(1.5), turns=2)
    assert texts(call)[-1] == ("assistant", "Behind you.")


def test_the_states_told_are_those_of_a_session_without_drafts() -> None:
    early, late = (
        held(slow_call(settings=settings, agent=ScriptedAgent(["fine"] * 2)), *PAUSING)
        for settings in (Settings(), WITHOUT)
    )
    assert [event.state for event in of(early, StateChanged)] == [event.state for event in of(late, StateChanged)]
    assert [event.at for event in of(early, SpeechStopped)] == [event.at for event in of(late, SpeechStopped)]
