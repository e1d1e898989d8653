"""Speaking over an answer, on virtual time: what interrupts, what does not, and that nothing is lost either way."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.fakes import FakePeer, InlineLane, ScriptedAgent, ScriptedAsr, loud, noise, quiet
from tests.scripted_call import LONG, Call, converse, kinds, of, texts, until
from voicechat.audio import AudioFrame
from voicechat.commands import CancelReply, Command, CommitInput, UpdateSettings
from voicechat.config import BargeInSettings, Settings, TurnSettings
from voicechat.conversation import Item, Piece, SessionSettings, Transcript, TurnDetection
from voicechat.echo.reverberation import Played
from voicechat.errors import EngineFailed
from voicechat.events import (
    Failed,
    InputCommitted,
    ReplyAudible,
    ReplyFinished,
    ReplyPaused,
    ReplyResumed,
    ReplyStarted,
    ReplyStatus,
    SpeechStarted,
    State,
    TranscriptFailed,
    TranscriptFinal,
    TranscriptPartial,
)
from voicechat.protocols import AsrStream

WORDS = LONG.split()


def barge_in(**knobs: Any) -> Settings:
    return Settings(turn=TurnSettings(barge_in=BargeInSettings(**knobs)))


class GuessingAsr(ScriptedAsr):
    """Guesses the first of its texts after so many seconds of each utterance but the first."""

    def __init__(self, *texts: str, after: float = 0.5, fails: bool = False) -> None:
        super().__init__(*texts)
        self.after, self.fails = after, fails
        self.opened = 0

    def open(self, language: str | None) -> AsrStream:
        self.opened += 1
        return _Guessing(self, super().open(language), silent=self.opened == 1)


class _Guessing:
    def __init__(self, engine: GuessingAsr, stream: AsrStream, *, silent: bool) -> None:
        self._engine, self._stream, self._silent = engine, stream, silent
        self._seconds = 0.0

    def accept(self, frame: AudioFrame) -> str | None:
        self._seconds += frame.seconds
        self._stream.accept(frame)
        if self._silent or self._seconds < self._engine.after:
            return None
        if self._engine.fails:
            raise EngineFailed("engine_failed", "scripted to fail")
        return self._engine.texts[0]

    def peek(self) -> Transcript | None:
        return None

    def finish(self) -> Transcript:
        return self._stream.finish()

    def close(self) -> None:
        self._stream.close()


class Spotting:
    """Says of every candidate what it was told to."""

    name = "scripted"

    def __init__(self, likely: float | None) -> None:
        self.back_channel = likely
        self.open_streams = 0
        self.heard = 0

    def open(self) -> "Spotting":
        self.open_streams += 1
        return self

    def hear(self, frame: AudioFrame) -> None:
        self.heard += 1

    def close(self) -> None:
        self.open_streams = 0


async def over_an_answer(call: Call, *sounds: Any, after: float = 0.5) -> None:
    """The caller asks, lets the bot speak for a while, and makes sounds over the answer."""
    call.peer.hears(loud(0.5))
    await until(call, ReplyAudible)
    await asyncio.sleep(after)
    for sound in sounds:
        call.peer.hears(sound)


def test_nobody_is_told_of_a_candidate_that_was_nothing() -> None:
    asr = GuessingAsr("hello there", after=0.1)
    asr.texts.append("dust")

    async def caller(call: Call) -> None:
        await over_an_answer(call, noise(0.3))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    call = converse(Call(asr=asr, agent=ScriptedAgent([LONG])), caller)
    assert asr.opened == 2, "it was being recognised"
    assert len(asr.heard) == 1, "and not to its end"
    assert asr.open_streams == 0
    assert [len(of(call, kind)) for kind in (SpeechStarted, InputCommitted, TranscriptPartial)] == [1, 1, 0]
    assert texts(call) == [("user", "hello there"), ("assistant", LONG)]


def test_an_interruption_is_understood_from_its_first_sound() -> None:
    async def caller(call: Call) -> None:
        await over_an_answer(call, loud(0.8), quiet(1.0))
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    call = converse(Call(asr=ScriptedAsr("hello", "no wait"), agent=ScriptedAgent([LONG, "fine"])), caller)
    assert call.asr.heard[1] == pytest.approx(0.3 + 0.8 + 0.3, abs=0.03), "pre-roll, speech, and the silence after it"
    started = of(call, SpeechStarted)[1]
    final = of(call, TranscriptFinal)[1]
    assert final.item == started.item
    assert call.asr.open_streams == 0


@pytest.mark.parametrize("prefix", [0.0, 0.3, 1.0, 3.0])
def test_the_recogniser_hears_as_much_from_before_an_interruption_as_configured(prefix: float) -> None:
    async def caller(call: Call) -> None:
        await over_an_answer(call, loud(0.8), quiet(1.0), after=3.3)
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    call = Call(
        asr=ScriptedAsr("hello", "no wait"),
        agent=ScriptedAgent([f"{LONG} {LONG}", "fine"]),
        settings=Settings(turn=TurnSettings(prefix=prefix)),
        session_settings=SessionSettings(turns=TurnDetection(prefix=prefix)),
    )
    converse(call, caller)
    assert call.asr.heard[1] == pytest.approx(prefix + 0.8 + 0.3, abs=0.03)


def test_words_that_are_understood_interrupt_before_the_sound_would() -> None:
    asr = GuessingAsr("hello", "could you please", after=0.5)

    async def caller(call: Call) -> None:
        await over_an_answer(call, loud(0.6), quiet(1.0))
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    call = converse(
        Call(asr=asr, agent=ScriptedAgent([LONG, "fine"]), settings=barge_in(confirm_alone=5.0)), caller
    )
    cut = of(call, ReplyFinished)[0]
    assert cut.status is ReplyStatus.CANCELLED
    names = kinds(call)
    after = names.index("ReplyPaused")
    assert names[after : after + 4] == ["ReplyPaused", "StateChanged", "SpeechStarted", "ReplyFinished"]
    assert names.index("TranscriptPartial") > after
    assert texts(call)[2] == ("user", "could you please")


def test_back_channels_that_are_understood_let_the_answer_go_on() -> None:
    asr = GuessingAsr("hello", "okay yeah", after=0.4)

    async def caller(call: Call) -> None:
        await over_an_answer(call, loud(0.7), quiet(1.0))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    call = converse(Call(asr=asr, agent=ScriptedAgent([LONG])), caller)
    assert [event.status for event in of(call, ReplyFinished)] == [ReplyStatus.COMPLETED]
    assert texts(call) == [("user", "hello"), ("assistant", LONG)]
    assert len(of(call, ReplyResumed)) == 1


@pytest.mark.parametrize(
    ("likely", "speech", "status"),
    [
        (0.9, 0.7, ReplyStatus.COMPLETED),
        (0.9, 1.0, ReplyStatus.CANCELLED),
        (0.05, 0.3, ReplyStatus.CANCELLED),
        (None, 0.4, ReplyStatus.COMPLETED),
    ],
)
def test_a_spotter_knows_back_channels(likely: float | None, speech: float, status: ReplyStatus) -> None:
    spotter = Spotting(likely)

    async def caller(call: Call) -> None:
        await over_an_answer(call, loud(speech), quiet(1.0))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    call = Call(asr=ScriptedAsr("hello", "well then"), agent=ScriptedAgent([LONG, "yes"]), spotter=spotter)
    converse(call, caller)
    assert of(call, ReplyFinished)[0].status is status
    assert spotter.heard > 5
    assert spotter.open_streams == 0


def test_a_short_stop_is_obeyed_when_it_has_been_understood() -> None:
    async def caller(call: Call) -> None:
        await over_an_answer(call, loud(0.3), quiet(1.0))
        await until(call, TranscriptFinal, 2)
        await asyncio.sleep(3.0)
        call.peer.hangs_up()

    call = converse(Call(asr=ScriptedAsr("hello", "Stop!"), agent=ScriptedAgent([LONG, "fine"])), caller)
    [cut] = of(call, ReplyFinished)
    assert cut.reason == "turn_detected"
    assert cut.heard < 1.5
    assert texts(call) == [("user", "hello"), ("assistant", cut.item.text), ("user", "Stop!")]
    assert [event.state for event in call.peer.events if hasattr(event, "state")][-2:] == [
        State.IDLE, State.TERMINATED,
    ]  # fmt: skip


def test_a_short_word_that_is_no_stop_phrase_changes_nothing() -> None:
    async def caller(call: Call) -> None:
        await over_an_answer(call, loud(0.3), quiet(1.0))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    call = converse(Call(asr=ScriptedAsr("hello", "dinosaur"), agent=ScriptedAgent([LONG])), caller)
    assert texts(call) == [("user", "hello"), ("assistant", LONG)]
    assert len(of(call, TranscriptFinal)) == 1


def test_a_cough_while_we_think_holds_the_answer_and_stops_nothing() -> None:
    agent = ScriptedAgent(["good morning to you"], delay=0.05)
    call = Call(agent=agent, settings=Settings(turn=TurnSettings(preempt=False)))

    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        await until(call, ReplyStarted)
        call.peer.hears(noise(0.5))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    converse(call, caller)
    [finished] = of(call, ReplyFinished)
    assert finished.status is ReplyStatus.COMPLETED
    assert finished.item.text == "good morning to you"
    names = kinds(call)
    assert names.index("ReplyPaused") < names.index("ReplyResumed") < names.index("ReplyAudible")
    assert len(call.agent.asked) == 1, "nothing was thrown away"


@pytest.mark.parametrize("decibels", [18.0, 6.0, 0.0])
def test_ducking_lets_the_answer_go_on_softly(decibels: float) -> None:
    async def caller(call: Call) -> None:
        await over_an_answer(call, noise(0.2))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    settings = barge_in(first="duck", duck_db=decibels)
    call = converse(Call(agent=ScriptedAgent([LONG]), settings=settings), caller)
    assert of(call, ReplyPaused, ReplyResumed) == []
    sound = [int(frame.max()) for frame in call.peer.on_wire if frame is not None]
    assert len(sound) == 3 * len(WORDS), "it never fell silent"
    assert min(sound) == pytest.approx(max(sound) * 10 ** (-decibels / 20), rel=0.1)
    assert sound[-1] == max(sound)


@pytest.mark.parametrize("said", ["", "Mhm. Okay."])
def test_an_interruption_that_was_nothing_lets_the_answer_go_on_where_it_was(said: str) -> None:
    async def caller(call: Call) -> None:
        await over_an_answer(call, loud(1.0), quiet(1.0))
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    call = converse(Call(asr=ScriptedAsr("hello", said), agent=ScriptedAgent([LONG])), caller)
    [_, (_, first), (who, empty), (_, second)] = texts(call)
    assert (who, empty) == ("user", said)
    assert 5 < len(first.split()) < 30
    assert f"{first} {second}" == LONG, "no word is lost and none comes twice"
    assert len(call.agent.asked) == 1, "the agent had said all"
    assert [event.status for event in of(call, ReplyFinished)] == [ReplyStatus.CANCELLED, ReplyStatus.COMPLETED]


def test_an_answer_may_be_held_up_by_nothing_more_than_once() -> None:
    async def caller(call: Call) -> None:
        await over_an_answer(call, loud(0.6), quiet(1.0))
        await until(call, ReplyAudible, 2)
        await asyncio.sleep(0.5)
        call.peer.hears(loud(0.6))
        await until(call, ReplyFinished, 3)
        call.peer.hangs_up()

    call = converse(Call(asr=ScriptedAsr("hello", "", "uh huh"), agent=ScriptedAgent([LONG])), caller)
    assert " ".join(text for who, text in texts(call) if who == "assistant") == LONG


def test_an_answer_is_offered_to_go_on_and_does_when_wanted() -> None:
    async def caller(call: Call) -> None:
        await over_an_answer(call, loud(1.0), quiet(1.0))
        await until(call, ReplyFinished, 2)
        call.peer.hears(loud(0.6))
        await until(call, ReplyFinished, 3)
        call.peer.hangs_up()

    settings = barge_in(when_empty="offer", offer="shall I go on")
    call = converse(Call(asr=ScriptedAsr("hello", "", "Yes."), agent=ScriptedAgent([LONG]), settings=settings), caller)
    answers = [text for who, text in texts(call) if who == "assistant"]
    assert answers[1] == "shall I go on"
    assert f"{answers[0]} {answers[2]}" == LONG


def test_an_offer_that_is_declined_is_forgotten() -> None:
    async def caller(call: Call) -> None:
        await over_an_answer(call, loud(1.0), quiet(1.0))
        await until(call, ReplyAudible, 2)
        call.peer.hears(loud(0.6))
        await until(call, ReplyFinished, 3)
        call.peer.hangs_up()

    settings = barge_in(when_empty="offer", offer=LONG)
    call = Call(asr=ScriptedAsr("hello", "", "no thanks"), agent=ScriptedAgent([LONG, "good bye"]), settings=settings)
    converse(call, caller)
    assert texts(call)[-2:] == [("user", "no thanks"), ("assistant", "good bye")]


def test_an_answer_may_be_left_alone_after_nothing() -> None:
    async def caller(call: Call) -> None:
        await over_an_answer(call, loud(1.0), quiet(1.0))
        await until(call, TranscriptFinal, 2)
        await asyncio.sleep(2)
        call.peer.hangs_up()

    settings = barge_in(when_empty="rest")
    call = converse(Call(asr=ScriptedAsr("hello", ""), agent=ScriptedAgent([LONG]), settings=settings), caller)
    assert len(of(call, ReplyStarted)) == 1


def test_an_unfinished_agent_is_asked_to_go_on() -> None:
    async def caller(call: Call) -> None:
        await over_an_answer(call, loud(1.0), quiet(1.0))
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    agent = ScriptedAgent([LONG, "and that was all"], delay=0.06)
    call = converse(Call(asr=ScriptedAsr("hello", ""), agent=agent), caller)
    answers = [text for who, text in texts(call) if who == "assistant"]
    said = " ".join(answers).split()
    assert said[-4:] == "and that was all".split()
    assert said[:-4] == WORDS[: len(said) - 4]
    roles = [role for role, _ in agent.asked[1]]
    assert roles == ["user", "assistant", "system"]
    assert agent.asked[1][1][1].split() == said[:-4], "it is told all that will have been said"


def test_an_answer_nobody_heard_is_made_again() -> None:
    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        await until(call, ReplyStarted)
        call.peer.hears(loud(0.6))
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    call = converse(Call(asr=ScriptedAsr("hello", ""), agent=ScriptedAgent(["one", "two words"], delay=0.6)), caller)
    assert texts(call)[-1] == ("assistant", "two words")


def test_the_agent_may_be_told_that_it_was_interrupted() -> None:
    async def caller(call: Call) -> None:
        await over_an_answer(call, loud(1.0), quiet(1.0))
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    settings = barge_in(note="The user interrupted you.")
    call = converse(
        Call(asr=ScriptedAsr("hello", "no wait"), agent=ScriptedAgent([LONG, "fine"]), settings=settings), caller
    )
    assert call.agent.asked[1][2] == ("system", "The user interrupted you.")
    assert [who for who, _ in texts(call)] == ["user", "assistant", "user", "assistant"], "the history has no note"


def test_speech_in_the_last_words_is_the_next_turn_with_all_its_sound() -> None:
    async def caller(call: Call) -> None:
        await over_an_answer(call, loud(0.7), quiet(1.0), after=60 * 0.06 - 0.16)
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    call = Call(asr=ScriptedAsr("hello", "yes please"), agent=ScriptedAgent([LONG, "here it is"]))
    converse(call, caller)
    assert of(call, ReplyPaused) == []
    assert [event.status for event in of(call, ReplyFinished)] == [ReplyStatus.COMPLETED] * 2
    assert texts(call)[1] == ("assistant", LONG)
    assert call.asr.heard[1] == pytest.approx(0.3 + 0.7 + 0.3, abs=0.04)


def test_a_caller_between_two_utterances_that_say_something_and_nothing_is_answered() -> None:
    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        call.peer.hears(quiet(0.4))
        call.peer.hears(loud(0.5))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    call = converse(Call(asr=ScriptedAsr("hello", ""), lane=InlineLane(0.4)), caller)
    assert texts(call)[-1] == ("assistant", "good morning to you")


def test_a_recogniser_that_fails_on_a_candidate_fails_the_turn_and_no_more() -> None:
    asr = GuessingAsr("hello", after=0.4, fails=True)

    async def caller(call: Call) -> None:
        await over_an_answer(call, loud(1.0), quiet(1.0))
        await until(call, TranscriptFailed)
        await until(call, ReplyFinished, 2)
        asr.fails = False
        asr.texts.append("again")
        call.peer.hears(loud(0.6))
        await until(call, ReplyFinished, 3)
        call.peer.hangs_up()

    call = converse(Call(asr=asr, agent=ScriptedAgent([LONG, "fine"])), caller)
    assert texts(call)[-2:] == [("user", "again"), ("assistant", "fine")]


def test_so_many_utterances_are_at_the_recogniser_and_no_more() -> None:
    async def caller(call: Call) -> None:
        for _ in range(12):
            call.peer.hears(loud(0.3))
            call.peer.hears(quiet(0.5))
        await until(call, TranscriptFailed, 4)
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    asr = ScriptedAsr(*["hello"] * 8)
    call = converse(Call(asr=asr, lane=InlineLane(5.0)), caller)
    assert {event.code for event in of(call, TranscriptFailed)} == {"recogniser_busy"}
    assert len(of(call, TranscriptFinal)) == 8


class Hanging(ScriptedAgent):
    """Thinks for ever about its first answer."""

    async def reply(self, history: Sequence[Item], settings: SessionSettings) -> AsyncGenerator[Piece]:
        if not self.asked:
            self.asked.append([])
            await asyncio.Event().wait()
        async for word in super().reply(history, settings):
            yield word


def test_an_agent_that_hangs_is_given_up_and_the_next_turn_works() -> None:
    call = Call(asr=ScriptedAsr("hello", "hello again"), agent=Hanging(["good morning"]))

    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        await until(call, ReplyFinished, 2)
        call.peer.hears(loud(0.5))
        await until(call, ReplyFinished, 3)
        call.peer.hangs_up()

    converse(call, caller)
    stalled, apology, answer = of(call, ReplyFinished)
    assert (stalled.status, stalled.reason) == (ReplyStatus.FAILED, "stalled")
    assert apology.item.text == call.settings.agent.fallback
    assert answer.item.text == "good morning"
    assert [event.code for event in of(call, Failed)] == ["stalled"]


class Stuck(InlineLane):
    """Its first caller's jobs never come back."""

    stuck = True

    async def run(self, call: Any, *, urgent: bool = False, deadline: float | None = None) -> Any:
        if self.stuck:
            await asyncio.Event().wait()
        return await super().run(call)


def test_a_recogniser_that_hangs_is_given_up_and_the_next_turn_works() -> None:
    lane = Stuck()

    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        await until(call, TranscriptFailed)
        lane.stuck = False
        await until(call, ReplyFinished)
        call.peer.hears(loud(0.5))
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    call = converse(Call(lane=lane), caller)
    assert texts(call)[-2:] == [("user", "hello there"), ("assistant", "good morning to you")]


class Faltering(FakePeer):
    """Once its script is at an end, no frame comes any more."""

    async def _next(self) -> Any:
        return await self._script.get()


def test_a_caller_whose_sound_stops_in_mid_word_is_answered() -> None:
    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    call = converse(Call(make_peer=Faltering), caller)
    assert texts(call) == [("user", "hello there"), ("assistant", "good morning to you")]


def test_a_pause_ends_though_no_more_sound_comes() -> None:
    async def caller(call: Call) -> None:
        await over_an_answer(call, loud(0.12))
        call.peer.hears(quiet(0.5))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    class Late(Faltering):
        async def _next(self) -> Any:
            if self._script.empty() and not any(isinstance(event, ReplyAudible) for event in self.events):
                return quiet(0.02)
            return await self._script.get()

    call = converse(Call(asr=ScriptedAsr("hello", "hm"), make_peer=Late, agent=ScriptedAgent([LONG])), caller)
    assert of(call, ReplyFinished)[0].status is ReplyStatus.COMPLETED


def test_committing_by_hand_takes_the_candidate() -> None:
    async def caller(call: Call) -> None:
        await over_an_answer(call, noise(0.2))
        await until(call, ReplyPaused)
        call.peer.asks(CommitInput())
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    call = converse(Call(asr=ScriptedAsr("hello", "psst"), agent=ScriptedAgent([LONG, "yes"])), caller)
    assert texts(call)[-2:] == [("user", "psst"), ("assistant", "yes")]


@pytest.mark.parametrize("command", [CancelReply(), UpdateSettings({"turns": {"create_reply": False}})])
def test_commands_during_a_candidate_leave_no_answer_on_hold(command: Command) -> None:
    async def caller(call: Call) -> None:
        await over_an_answer(call, noise(0.2))
        await until(call, ReplyPaused)
        call.peer.asks(command)
        call.peer.hears(quiet(1.0))
        await until(call, ReplyFinished)
        call.peer.asks(UpdateSettings({"turns": {"create_reply": True}}))
        call.peer.hears(quiet(0.5))
        call.peer.hears(loud(0.5))
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    call = converse(Call(asr=ScriptedAsr("hello", "again"), agent=ScriptedAgent([LONG, "yes"])), caller)
    assert texts(call)[-1] == ("assistant", "yes")


@dataclass
class Tape:
    """A patience that wants what it is told to want, and notes what it hears."""

    silence: float = 0.3
    frames: int = 0
    questions: list[bool] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def hear(self, frame: AudioFrame, voiced: bool, probability: float) -> None:
        self.frames += 1

    def read(self, text: str) -> None:
        self.texts.append(text)

    def asked(self, question: bool) -> None:
        self.questions.append(question)

    def hurry(self, eagerness: str) -> None:
        pass


def test_patience_hears_reads_and_is_told_of_questions() -> None:
    tape = Tape(silence=1.0)
    asr = GuessingAsr("hello", "no", after=0.4)

    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        await until(call, ReplyFinished)
        call.peer.hears(loud(0.8))
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    converse(Call(asr=asr, agent=ScriptedAgent(["shall we?", "fine"]), patience=tape), caller)
    assert tape.questions == [True, False]
    assert tape.texts[-1] == "no"
    assert asr.heard[0] == pytest.approx(0.5 + 1.0, abs=0.03)


class Deaf:
    """Takes every sound over an answer for our own."""

    unsure = False

    def hear(self, frame: AudioFrame, levels: Sequence[Played], now: float, *, voiced: bool) -> bool:
        return bool(levels) and levels[-1][0] > now - 0.1


def test_our_own_voice_does_not_interrupt_us() -> None:
    async def caller(call: Call) -> None:
        await over_an_answer(call, loud(2.0))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    call = converse(Call(agent=ScriptedAgent([LONG]), gate=Deaf()), caller)
    assert of(call, ReplyPaused) == []
