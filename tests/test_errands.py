"""Tools on virtual time: they run for the agent, are spoken of, and stop with the turn."""

import json

import pytest
from prometheus_client import generate_latest

from tests.fakes import ScriptedAgent, ScriptedAsr, ScriptedTools, loud, noise, quiet
from tests.scripted_call import LONG, Call, converse, kinds, of, texts, until
from voicechat.commands import AddItem, CancelReply, CreateReply, DeleteItem, GiveResult, UpdateSettings
from voicechat.config import AgentSettings, Settings, ToolSettings
from voicechat.conversation import (
    Ended,
    Item,
    ItemStatus,
    Kind,
    Piece,
    Role,
    SessionSettings,
    Tokens,
    Tool,
    ToolCall,
)
from voicechat.errands import CANCELLED
from voicechat.events import (
    DraftDecided,
    Failed,
    ItemAdded,
    ReplyAudible,
    ReplyCalled,
    ReplyFinished,
    ReplyStarted,
    ReplyStatus,
    ReplyText,
    State,
    StateChanged,
    ToolEnded,
)
from voicechat.metrics import Metrics

WEATHER = ToolCall("call_1", "weather", '{"place": "Oslo"}')
TIME = ToolCall("call_2", "time", "{}")
SAID = "weather of " + WEATHER.arguments
THEIRS = SessionSettings(tools=(Tool("weather"), Tool("time")))


def settings(**knobs: object) -> Settings:
    return Settings(agent=AgentSettings(tools=ToolSettings(**knobs)))


async def one_turn(call: Call) -> None:
    call.peer.hears(loud(1.0))
    await until(call, ReplyFinished)
    call.peer.hangs_up()


def spoken_turn(
    *answers: str | list[Piece], tools: ScriptedTools | None = None, knobs: Settings | None = None
) -> Call:
    call = Call(agent=ScriptedAgent(list(answers)), tools=tools or ScriptedTools(weather=0.1, time=0.2))
    call.settings = knobs or Settings()
    return converse(call, one_turn)


def test_tool_runs_and_its_result_is_spoken() -> None:
    call = spoken_turn([WEATHER], "sunny and warm")
    assert call.tools.done == ["weather"]
    assert call.agent.asked[1] == [("user", "hello there"), ("assistant", WEATHER.arguments), ("user", SAID)]
    [finished] = of(call, ReplyFinished)
    assert finished.status is ReplyStatus.COMPLETED
    assert finished.text == "sunny and warm"
    assert finished.calls == ()
    assert [(item.kind, item.text) for item in call.session.history] == [
        (Kind.MESSAGE, "hello there"),
        (Kind.CALL, WEATHER.arguments),
        (Kind.OUTPUT, SAID),
        (Kind.MESSAGE, "sunny and warm"),
    ]


def test_observers_hear_of_a_tool_of_ours_and_the_caller_of_no_item() -> None:
    call = spoken_turn([WEATHER], "sunny and warm")
    [called] = of(call, ReplyCalled)
    assert (called.item.kind, called.item.call, called.item.name, called.ours) == (
        Kind.CALL,
        "call_1",
        "weather",
        "house",
    )
    [ended] = of(call, ToolEnded)
    assert (ended.name, ended.output, ended.failed) == ("weather", SAID, False)
    assert ended.seconds == pytest.approx(0.1)
    assert len(of(call, ItemAdded)) == 1, "what the caller said"


def test_items_after_a_tool_of_ours_follow_one_that_the_caller_knows() -> None:
    call = Call(agent=ScriptedAgent([[WEATHER], "sunny"]), tools=ScriptedTools(weather=0.1))

    async def caller(call: Call) -> None:
        call.peer.hears(loud(1.0))
        await until(call, ReplyFinished)
        answer = of(call, ReplyFinished)[0].item.id
        call.peer.asks(DeleteItem(answer))
        call.peer.asks(AddItem(Item("mine", Role.USER, "thanks")))
        await until(call, ItemAdded, 2)
        call.peer.hangs_up()

    converse(call, caller)
    said, mine = of(call, ItemAdded)
    assert [item.kind for item in call.session.history][1:3] == [Kind.CALL, Kind.OUTPUT]
    assert mine.previous == said.item.id


def test_words_before_a_tool_are_spoken_while_it_runs() -> None:
    call = spoken_turn(["let me ", "look ", WEATHER], "sunny", tools=ScriptedTools(weather=5.0))
    assert [event.delta for event in of(call, ReplyText)] == ["let me look. ", "sunny "]
    told = kinds(call, StateChanged)
    assert told.index("ReplyAudible") < told.index("ToolEnded")
    assert call.agent.asked[1][1:] == [("assistant", "let me look"), ("assistant", WEATHER.arguments), ("user", SAID)]


def test_slow_tool_is_filled_with_a_sentence_once() -> None:
    call = spoken_turn([WEATHER], [TIME], "sunny at noon", tools=ScriptedTools(weather=3.0, time=3.0))
    assert [event.delta for event in of(call, ReplyText)] == ["One moment. ", "sunny at noon "]
    assert "One moment" not in str(call.agent.asked), "the agent does not read it as its own words"
    told = kinds(call, StateChanged)
    assert told.index("ReplyAudible") < told.index("ToolEnded")


def test_quick_tool_needs_no_filler() -> None:
    call = spoken_turn([WEATHER], "sunny", tools=ScriptedTools(weather=0.7))
    assert [event.delta for event in of(call, ReplyText)] == ["sunny "]


def test_filler_may_be_left_out() -> None:
    call = spoken_turn([WEATHER], "sunny", tools=ScriptedTools(weather=3.0), knobs=settings(filler=""))
    assert [event.delta for event in of(call, ReplyText)] == ["sunny "]


def test_written_answer_has_no_filler() -> None:
    call = Call(agent=ScriptedAgent([[WEATHER], "sunny"]), tools=ScriptedTools(weather=3.0))
    call.session_settings = SessionSettings(speaks=False)
    converse(call, one_turn)
    assert [event.delta for event in of(call, ReplyText)] == ["sunny "]


def test_tools_of_one_go_run_side_by_side() -> None:
    call = spoken_turn([WEATHER, TIME], "done", tools=ScriptedTools(weather=0.6, time=0.6))
    assert [event.seconds for event in of(call, ToolEnded)] == pytest.approx([0.6, 0.6])
    assert len(call.agent.asked) == 2
    assert [text for _, text in call.agent.asked[1][1:]] == [WEATHER.arguments, "{}", SAID, "time of {}"]
    assert of(call, ReplyFinished)[0].text == "done", "no filler: together they took no longer than one"


@pytest.mark.parametrize(
    ("tools", "message"),
    [
        (ScriptedTools(weather=-0.1), "weather broke"),
        (ScriptedTools(weather=60.0), "it took longer than 10 s"),
        (ScriptedTools(time=0.1), "there is no tool 'weather'"),
    ],
)
def test_tool_that_fails_is_told_to_the_agent(tools: ScriptedTools, message: str) -> None:
    call = spoken_turn([WEATHER], "no idea", tools=tools)
    assert json.loads(call.agent.asked[1][-1][1]) == {"error": message}
    assert of(call, ReplyFinished)[0].status is ReplyStatus.COMPLETED
    assert not of(call, Failed)
    assert all(event.failed for event in of(call, ToolEnded))


def test_agent_that_only_ever_calls_tools_has_to_stop() -> None:
    call = spoken_turn([WEATHER], [WEATHER], [WEATHER], "that is all", knobs=settings(rounds=3))
    assert [asked.tool_choice for asked in call.agent.settings] == ["auto", "auto", "auto", "none"]
    assert of(call, ReplyFinished)[0].text == "that is all"


def test_tool_that_is_required_is_required_once() -> None:
    call = Call(agent=ScriptedAgent([[WEATHER], "sunny"]), tools=ScriptedTools(weather=0.1))
    call.session_settings = SessionSettings(tool_choice="weather")
    converse(call, one_turn)
    assert [asked.tool_choice for asked in call.agent.settings] == ["weather", "auto"]


def test_interruption_cancels_the_tool_with_the_turn() -> None:
    call = Call(asr=ScriptedAsr("hello there", "what about tomorrow"), agent=ScriptedAgent([[WEATHER], "all right"]))
    call.tools = ScriptedTools(weather=8.0)
    call.settings = settings(filler="")

    async def caller(call: Call) -> None:
        call.peer.hears(loud(1.0))
        await until(call, ReplyCalled)
        assert call.tools.running == ["weather"]
        call.peer.hears(loud(1.0))
        await until(call, ReplyFinished)
        await until(call, ToolEnded)
        assert call.tools.cancelled == ["weather"]
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    converse(call, caller)
    [ended] = of(call, ToolEnded)
    assert (ended.output, ended.failed) == (CANCELLED, True)
    assert call.agent.asked[1] == [
        ("user", "hello there"),
        ("assistant", WEATHER.arguments),
        ("user", CANCELLED),
        ("user", "what about tomorrow"),
    ]


def test_cancelling_the_answer_stops_the_tool_at_its_next_step() -> None:
    call = Call(agent=ScriptedAgent([[WEATHER]]), tools=ScriptedTools(weather=8.0))
    stopped: list[list[str]] = []

    async def caller(call: Call) -> None:
        call.peer.hears(loud(1.0))
        await until(call, ReplyCalled)
        call.peer.asks(CancelReply())
        await until(call, ReplyFinished)
        await until(call, ToolEnded)
        stopped.append(list(call.tools.cancelled))
        call.peer.hangs_up()

    converse(call, caller)
    assert stopped == [["weather"]]
    [finished], [ended] = of(call, ReplyFinished), of(call, ToolEnded)
    assert finished.status is ReplyStatus.CANCELLED
    assert ended.seconds < 0.1


def test_hanging_up_stops_the_tool() -> None:
    call = Call(agent=ScriptedAgent([[WEATHER]]), tools=ScriptedTools(weather=8.0))

    async def caller(call: Call) -> None:
        call.peer.hears(loud(1.0))
        await until(call, ReplyCalled)
        call.peer.hangs_up()

    converse(call, caller)
    assert call.tools.cancelled == ["weather"]
    assert not call.tools.running


def test_draft_runs_no_tool_before_the_turn_is_over() -> None:
    """The caller goes on twice, so two drafts are thrown away; the third is used."""
    pieces: list[Piece] = [WEATHER]
    call = Call(asr=ScriptedAsr("hello there"), agent=ScriptedAgent([pieces, pieces, pieces, "sunny"]))
    call.tools = ScriptedTools(weather=0.1)

    async def caller(call: Call) -> None:
        for _ in range(2):
            call.peer.hears(loud(0.5))
            call.peer.hears(quiet(0.24))
        call.peer.hears(loud(0.5))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    converse(call, caller)
    assert [str(event.fate) for event in of(call, DraftDecided)] == ["resumed", "resumed", "used"]
    assert call.tools.done == ["weather"]
    told = [type(event).__name__ for event in call.peer.events]
    assert told.index("ReplyStarted") < told.index("ReplyCalled")


def test_callers_tool_is_theirs_to_run_and_their_result_is_answered() -> None:
    call = Call(agent=ScriptedAgent([[WEATHER], "sunny"]), session_settings=THEIRS)

    async def caller(call: Call) -> None:
        call.peer.hears(loud(1.0))
        await until(call, ReplyFinished)
        call.peer.asks(AddItem(Item("result", Role.USER, "sun", kind=Kind.OUTPUT, call="call_1")))
        call.peer.asks(CreateReply())
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    converse(call, caller)
    first, second = of(call, ReplyFinished)
    [called] = of(call, ReplyCalled)
    assert (called.reply, called.index, called.ours) == (first.reply, 0, "")
    assert first.calls == (called.item,)
    assert first.status is ReplyStatus.COMPLETED
    assert call.agent.asked[1] == [("user", "hello there"), ("assistant", WEATHER.arguments), ("user", "sun")]
    assert second.text == "sunny"


def test_answer_of_calls_alone_leaves_no_empty_item() -> None:
    call = Call(agent=ScriptedAgent([[WEATHER, TIME]]), session_settings=THEIRS)
    converse(call, one_turn)
    user, first, second = call.session.history
    assert (first.kind, second.kind) == (Kind.CALL, Kind.CALL)
    assert [event.previous for event in of(call, ReplyCalled)] == [user.id, first.id]
    assert [event.index for event in of(call, ReplyCalled)] == [0, 1]
    assert of(call, StateChanged)[-2].state is State.IDLE


def test_words_before_the_callers_tool_are_the_first_output() -> None:
    call = Call(agent=ScriptedAgent([["let me ", "look ", WEATHER]]), session_settings=THEIRS)
    converse(call, one_turn)
    [called], [finished] = of(call, ReplyCalled), of(call, ReplyFinished)
    assert called.index == 1
    assert called.previous == finished.item.id
    assert finished.text == "let me look"
    told = kinds(call, StateChanged)
    assert told.index("ReplyCalled") < told.index("ReplyAudible"), "they run while we speak"


def test_callers_tool_hides_ours_of_the_same_name() -> None:
    call = Call(agent=ScriptedAgent([[WEATHER]]), session_settings=THEIRS, tools=ScriptedTools(weather=0.1, bus=0.1))
    converse(call, one_turn)
    assert [tool.name for tool in call.agent.settings[0].tools] == ["weather", "time", "bus"]
    assert call.tools.done == []


def test_result_that_comes_while_we_speak_is_answered_afterwards() -> None:
    call = Call(agent=ScriptedAgent([[LONG, WEATHER], "sunny"]), session_settings=THEIRS)

    async def caller(call: Call) -> None:
        call.peer.hears(loud(1.0))
        await until(call, ReplyAudible)
        call.peer.asks(GiveResult("call_1", "sun"))
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    converse(call, caller)
    first, second = of(call, ReplyFinished)
    assert first.item.text == LONG, "not interrupted"
    assert second.text == "sunny"


def test_program_that_is_quick_with_its_result_need_not_wait_for_our_last_word() -> None:
    call = Call(agent=ScriptedAgent([[LONG, WEATHER], "sunny"]), session_settings=THEIRS)

    async def caller(call: Call) -> None:
        call.peer.hears(loud(1.0))
        await until(call, ReplyCalled)
        call.peer.asks(AddItem(Item("result", Role.USER, "sun", kind=Kind.OUTPUT, call="call_1")))
        call.peer.asks(CreateReply(metadata={"n": "1"}))
        call.peer.asks(CreateReply(metadata={"n": "2"}, event_id="second"))
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    converse(call, caller)
    assert [event.metadata for event in of(call, ReplyStarted)] == [None, {"n": "1"}]
    assert [event.item.text for event in of(call, ReplyFinished)] == [LONG, "sunny"]
    [failed] = of(call, Failed)
    assert (failed.code, failed.event_id) == ("conversation_already_has_active_response", "second")


def test_program_that_cancels_gets_no_answer_to_its_result_either() -> None:
    call = Call(agent=ScriptedAgent([[LONG, WEATHER]]), session_settings=THEIRS)

    async def caller(call: Call) -> None:
        call.peer.hears(loud(1.0))
        await until(call, ReplyAudible)
        call.peer.asks(GiveResult("call_1", "sun"))
        call.peer.asks(CancelReply())
        await until(call, ReplyFinished)
        call.peer.hears(noise(0.3))
        call.peer.hears(quiet(3.0))
        call.peer.hangs_up()

    converse(call, caller)
    assert len(of(call, ReplyStarted)) == 1
    assert call.session.history[-1].text == "sun", "it is there for the next"


def test_results_are_answered_when_all_are_there() -> None:
    call = Call(agent=ScriptedAgent([[WEATHER, TIME], "sunny at noon"]), session_settings=THEIRS)

    async def caller(call: Call) -> None:
        call.peer.hears(loud(1.0))
        await until(call, ReplyFinished)
        call.peer.asks(GiveResult("call_2", "noon"))
        call.peer.hears(quiet(1.0))
        call.peer.asks(GiveResult("call_1", "sun"))
        await until(call, ReplyFinished, 2)
        call.peer.asks(GiveResult("call_9", "nothing"))
        await until(call, Failed)
        call.peer.hangs_up()

    converse(call, caller)
    assert len(call.agent.asked) == 2
    assert [text for _, text in call.agent.asked[1][1:]] == [WEATHER.arguments, "{}", "sun", "noon"]
    assert [event.code for event in of(call, Failed)] == ["call_not_found"]


def test_agent_never_reads_a_call_without_its_output() -> None:
    call = Call(asr=ScriptedAsr("hello there", "are you there"), agent=ScriptedAgent([[WEATHER], "still looking"]))
    call.session_settings = THEIRS

    async def caller(call: Call) -> None:
        for count in (1, 2):
            call.peer.hears(loud(1.0))
            await until(call, ReplyFinished, count)
        call.peer.hangs_up()

    converse(call, caller)
    assert [role for role, _ in call.agent.asked[1]] == ["user", "assistant", "user", "user"]
    assert "no result yet" in call.agent.asked[1][2][1]


def test_answer_that_was_too_long_is_incomplete() -> None:
    call = spoken_turn(["good morning to", Ended("max_output_tokens", Tokens(30, 10, 4))])
    [finished] = of(call, ReplyFinished)
    assert (finished.status, finished.reason) == (ReplyStatus.INCOMPLETE, "max_output_tokens")
    assert finished.tokens == Tokens(30, 10, 4)
    assert finished.item.status is ItemStatus.INCOMPLETE
    assert finished.item.text == "good morning to"


def test_tokens_of_all_goes_are_counted() -> None:
    call = spoken_turn([WEATHER, Ended(tokens=Tokens(30, 10, 4))], ["sunny ", Ended(tokens=Tokens(40, 20, 2))])
    [finished] = of(call, ReplyFinished)
    assert finished.status is ReplyStatus.COMPLETED
    assert finished.tokens == Tokens(70, 30, 6)


def test_tools_may_change_between_two_answers() -> None:
    call = Call(asr=ScriptedAsr("one", "two"), agent=ScriptedAgent(["first", "second"]))

    async def caller(call: Call) -> None:
        call.peer.hears(loud(1.0))
        await until(call, ReplyFinished)
        call.peer.asks(UpdateSettings({"tools": (Tool("bell"),)}))
        call.peer.hears(loud(1.0))
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    converse(call, caller)
    assert [[tool.name for tool in asked.tools] for asked in call.agent.settings] == [[], ["bell"]]
    assert texts(call)[-1] == ("assistant", "second")


def test_tools_and_tokens_are_counted_and_no_tool_is_named() -> None:
    tools = ScriptedTools(weather=0.1, time=-0.1)
    call, metrics = spoken_turn([WEATHER, TIME], ["sunny ", Ended(tokens=Tokens(40, 20, 2))], tools=tools), Metrics()
    for event in call.peer.events:
        metrics.observe(event)
    count = metrics.registry.get_sample_value
    assert count("voicechat_tools_total", {"outcome": "done"}) == 1
    assert count("voicechat_tools_total", {"outcome": "failed"}) == 1
    assert count("voicechat_tool_seconds_sum") == pytest.approx(0.2)
    assert [count("voicechat_tokens_total", {"kind": kind}) for kind in ("read", "cached", "written")] == [40, 20, 2]
    assert b"weather" not in generate_latest(metrics.registry)
