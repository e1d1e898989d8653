"""A caller who says nothing after an answer, on virtual time."""

import pytest

from tests.fakes import ScriptedAgent, ScriptedAsr, loud, quiet
from tests.scripted_call import Call, converse, kinds, of, until
from voicechat.answering import SILENT
from voicechat.commands import CreateReply
from voicechat.config import ServerSettings, Settings
from voicechat.conversation import SessionSettings, Tool, ToolCall, TurnDetection
from voicechat.events import InputTimedOut, ReplyFinished, ReplyStarted, StateChanged


def idle_call(*answers: str, idle: float | None = 5.0) -> Call:
    call = Call(agent=ScriptedAgent(list(answers)))
    call.session_settings = SessionSettings(turns=TurnDetection(idle=idle))
    return call


async def speak_and_wait(call: Call) -> None:
    call.peer.hears(loud(1.0))
    await until(call, ReplyFinished)
    call.peer.hears(quiet(5.5))
    call.peer.hears(loud(0.5))
    await until(call, ReplyFinished, 2)
    call.peer.hangs_up()


def test_long_silence_after_an_answer_is_a_turn_without_words() -> None:
    call = idle_call("good morning", "are you there")

    async def caller(call: Call) -> None:
        call.peer.hears(loud(1.0))
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    converse(call, caller)
    [timed_out] = of(call, InputTimedOut)
    assert timed_out.end - timed_out.start == pytest.approx(5.0, abs=0.03)
    assert kinds(call, StateChanged)[-8:-3] == [
        "InputTimedOut", "InputCommitted", "ItemAdded", "ReplyStarted", "ReplyText"
    ]  # fmt: skip
    assert [item.text for item in call.session.history] == ["hello there", "good morning", "", "are you there"]
    assert call.session.history[2].id == timed_out.item
    assert call.agent.asked[1][-1] == ("system", SILENT)


def test_silence_is_long_only_where_the_callers_program_says_so() -> None:
    call = idle_call("good morning", "fine", idle=None)
    call.asr = ScriptedAsr("hello there", "how are you")
    converse(call, speak_and_wait)
    assert not of(call, InputTimedOut)
    assert of(call, ReplyFinished)[-1].text == "fine"


def test_caller_who_speaks_in_time_is_not_prompted() -> None:
    call = idle_call("good morning", "fine", idle=6.0)
    call.asr = ScriptedAsr("hello there", "how are you")
    converse(call, speak_and_wait)
    assert not of(call, InputTimedOut)


def test_silence_before_the_first_answer_is_not_counted() -> None:
    call = idle_call("good morning")

    async def caller(call: Call) -> None:
        call.peer.hears(quiet(20.0))
        call.peer.asks(CreateReply())
        await until(call, ReplyStarted)
        call.peer.hangs_up()

    converse(call, caller)
    assert not of(call, InputTimedOut)


def test_callers_own_tool_may_take_its_time() -> None:
    call = Call(agent=ScriptedAgent([[ToolCall("call_1", "bell", "{}")]]))
    call.session_settings = SessionSettings(tools=(Tool("bell"),), turns=TurnDetection(idle=5.0))

    async def caller(call: Call) -> None:
        call.peer.hears(loud(1.0))
        await until(call, ReplyFinished)
        call.peer.hears(quiet(20.0))
        call.peer.hangs_up()

    converse(call, caller)
    assert not of(call, InputTimedOut)


def test_session_in_which_only_we_speak_ends() -> None:
    call = idle_call("good morning", *["are you there"] * 20)
    call.settings = Settings(server=ServerSettings(idle_seconds=30.0))

    async def caller(call: Call) -> None:
        call.peer.hears(loud(1.0))

    converse(call, caller)
    assert call.reason == "idle"
    assert 4 <= len(of(call, InputTimedOut)) <= 6
