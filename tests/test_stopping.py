"""Who says stop wants silence, on virtual time: what a stop phrase cuts stays cut, and nothing is answered."""

import asyncio

import pytest

from tests.fakes import ScriptedAgent, ScriptedAsr, loud, quiet
from tests.scripted_call import LONG, Call, converse, kinds, of, texts, until
from voicechat.audio import AudioFrame
from voicechat.commands import CreateReply, UpdateSettings
from voicechat.config import BargeInSettings, Settings, TurnSettings
from voicechat.conversation import Transcript
from voicechat.events import (
    DraftDecided,
    InputCommitted,
    ReplyAudible,
    ReplyFinished,
    ReplyStarted,
    ReplyStatus,
    State,
    TranscriptFinal,
)
from voicechat.protocols import AsrStream


class Guessing(ScriptedAsr):
    """Guesses the same after half a second of every utterance but the first; at the end it knows better."""

    def __init__(self, guess: str, *texts: str) -> None:
        super().__init__(*texts)
        self._guess: str | None = guess
        self._opened = 0

    def open(self, language: str | None) -> AsrStream:
        self._opened += 1
        return Guess(super().open(language), self._guess if self._opened > 1 else None)


class Guess:
    def __init__(self, stream: AsrStream, guess: str | None) -> None:
        self._stream, self._guess, self._seconds = stream, guess, 0.0

    def accept(self, frame: AudioFrame) -> str | None:
        self._seconds += frame.seconds
        self._stream.accept(frame)
        return self._guess if self._seconds >= 0.5 else None

    def peek(self) -> Transcript | None:
        return self._stream.peek()

    def finish(self) -> Transcript:
        return self._stream.finish()

    def close(self) -> None:
        self._stream.close()


async def speak_over(call: Call, seconds: float) -> None:
    call.peer.hears(loud(0.5))
    await until(call, ReplyAudible)
    await asyncio.sleep(0.5)
    call.peer.hears(loud(seconds))
    call.peer.hears(quiet(2.0))
    await until(call, TranscriptFinal, 2)
    await asyncio.sleep(3.0)


def call_of(*said: str, asr: ScriptedAsr | None = None, **barge_in: object) -> Call:
    settings = Settings(turn=TurnSettings(barge_in=BargeInSettings.model_validate(barge_in)))
    agent = ScriptedAgent([LONG, "fine", "very well"])
    return Call(asr=asr or ScriptedAsr("hello", *said), agent=agent, settings=settings)


@pytest.mark.parametrize("when_empty", ["resume", "offer"])
@pytest.mark.parametrize(
    ("said", "seconds"), [("Wait!", 0.6), ("stop. stop please", 1.0), ("Okay, that's enough.", 0.3)]
)
def test_who_says_nothing_but_stop_is_not_answered(said: str, seconds: float, when_empty: str) -> None:
    async def caller(call: Call) -> None:
        await speak_over(call, seconds)
        call.peer.hangs_up()

    call = converse(call_of(said, when_empty=when_empty), caller)
    [cut] = of(call, ReplyFinished)
    assert (cut.status, cut.reason) == (ReplyStatus.CANCELLED, "turn_detected")
    assert texts(call) == [("user", "hello"), ("assistant", cut.item.text), ("user", said)]
    assert len(call.agent.asked) == 1 and len(of(call, DraftDecided)) <= 1, "nothing is made for nobody's ears either"
    assert [event.state for event in call.peer.events if hasattr(event, "state")][-2:] == [
        State.IDLE, State.TERMINATED,
    ]  # fmt: skip


@pytest.mark.parametrize("said", ["stop, what about the other one", "wait for me", "no, go back"])
def test_who_says_more_than_stop_is_answered(said: str) -> None:
    async def caller(call: Call) -> None:
        await speak_over(call, 1.0)
        call.peer.hangs_up()

    assert texts(converse(call_of(said), caller))[2:] == [("user", said), ("assistant", "fine")]


@pytest.mark.parametrize(("seconds", "answered"), [(0.5, False), (1.2, True)])
def test_a_stop_that_was_understood_in_time_stays_one_whatever_is_made_of_it(seconds: float, answered: bool) -> None:
    async def caller(call: Call) -> None:
        await speak_over(call, seconds)
        call.peer.hangs_up()

    call = converse(call_of(asr=Guessing("stop", "hello", "stomp"), confirm_alone=5.0), caller)
    assert of(call, ReplyFinished)[0].status is ReplyStatus.CANCELLED
    assert texts(call)[2:] == [("user", "stomp"), *([("assistant", "fine")] if answered else [])]


@pytest.mark.parametrize("delay", [0.0, 0.2])
def test_stop_while_we_think_leaves_the_question_unanswered(delay: float) -> None:
    call = call_of("stop", "and now")
    call.agent.delay = 1.0
    call.lane.delay = delay

    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        await until(call, InputCommitted)
        call.peer.hears(loud(0.5))
        await until(call, TranscriptFinal, 2)
        await asyncio.sleep(3.0)
        call.peer.hears(loud(0.5))
        await until(call, ReplyAudible)
        call.peer.hangs_up()

    converse(call, caller)
    assert [text for who, text in texts(call) if who == "user"] == ["hello", "stop", "and now"]
    assert call.agent.asked[-1] == [("user", "hello\nstop\nand now")]
    assert len(of(call, ReplyAudible)) == 1


def test_stop_in_the_last_words_has_nothing_to_stop_and_is_not_answered() -> None:
    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        await until(call, ReplyAudible)
        await asyncio.sleep(60 * 0.06 - 0.16)
        call.peer.hears(loud(0.5))
        await until(call, TranscriptFinal, 2)
        await asyncio.sleep(3.0)
        call.peer.hangs_up()

    call = converse(call_of("stop"), caller)
    assert texts(call) == [("user", "hello"), ("assistant", LONG), ("user", "stop")]
    assert of(call, ReplyFinished)[0].status is ReplyStatus.COMPLETED


def test_a_stop_phrase_that_is_said_into_silence_is_a_question_as_any() -> None:
    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    call = converse(Call(asr=ScriptedAsr("wait"), agent=ScriptedAgent(["I do"])), caller)
    assert texts(call) == [("user", "wait"), ("assistant", "I do")]


def test_a_note_tells_the_agent_of_an_answer_that_was_stopped() -> None:
    async def caller(call: Call) -> None:
        await speak_over(call, 0.6)
        call.peer.hears(loud(0.5))
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    call = converse(call_of("stop", "go on", note="You were interrupted."), caller)
    assert call.agent.asked[1][2:] == [("system", "You were interrupted."), ("user", "stop\ngo on")]


def test_clients_that_answer_by_themselves_see_a_stop_as_ever() -> None:
    async def caller(call: Call) -> None:
        call.peer.asks(UpdateSettings({"turns": {"create_reply": False}}))
        call.peer.asks(CreateReply())
        await until(call, ReplyAudible)
        call.peer.hears(loud(0.6))
        await until(call, TranscriptFinal)
        call.peer.asks(CreateReply())
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    call = converse(Call(asr=ScriptedAsr("stop"), agent=ScriptedAgent([LONG, "fine"])), caller)
    assert texts(call)[1:] == [("user", "stop"), ("assistant", "fine")]
    names = kinds(call)
    assert names.index("InputCommitted") < names.index("ItemAdded") < names.index("TranscriptFinal")
    assert len(of(call, ReplyStarted)) == 2
