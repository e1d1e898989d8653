"""Answers outside the conversation, on virtual time: beside a spoken one, and instead of one."""

from tests.fakes import ScriptedAgent, ScriptedTools, loud
from tests.scripted_call import LONG, Call, converse, of, texts, until
from voicechat.aside import MOST
from voicechat.commands import AddItem, CancelReply, CreateReply
from voicechat.conversation import Codec, Item, Role, SessionSettings, Tool, ToolCall
from voicechat.events import Failed, ReplyAudible, ReplyFinished, ReplyStarted, ReplyStatus, ToolEnded

ASIDE = CreateReply(stored=False, speaks=False, metadata={"for": "title"})


def test_aside_is_written_while_an_answer_is_spoken() -> None:
    call = Call(agent=ScriptedAgent([LONG, "a greeting"]))

    async def caller(call: Call) -> None:
        call.peer.hears(loud(1.0))
        await until(call, ReplyAudible)
        call.peer.asks(ASIDE)
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    converse(call, caller)
    aside, spoken = of(call, ReplyFinished)
    assert aside.text == "a greeting"
    assert spoken.item.text == LONG, "neither paused nor cut"
    assert texts(call) == [("user", "hello there"), ("assistant", LONG)]
    started = of(call, ReplyStarted)[1]
    assert (started.speaks, started.stored, started.previous, started.metadata) == (False, False, None, ASIDE.metadata)


def test_aside_reads_what_it_is_given_instead_of_the_history() -> None:
    call = Call(agent=ScriptedAgent(["good morning", "one", "two"]))
    given = Item("mine", Role.USER, "name this talk")

    async def caller(call: Call) -> None:
        call.peer.hears(loud(1.0))
        await until(call, ReplyFinished)
        first = call.session.history[0].id
        call.peer.asks(CreateReply(stored=False, speaks=False, items=(first, given)))
        call.peer.asks(CreateReply(stored=False, speaks=False, items=()))
        await until(call, ReplyFinished, 3)
        call.peer.asks(CreateReply(stored=False, speaks=False, items=("nowhere",), event_id="mine"))
        await until(call, Failed)
        call.peer.hangs_up()

    converse(call, caller)
    assert call.agent.asked[1:] == [[("user", "hello there\nname this talk")], []]
    [failed] = of(call, Failed)
    assert (failed.code, failed.event_id) == ("item_not_found", "mine")


def test_asides_are_few_at_a_time_and_cancelled_one_by_one() -> None:
    call = Call(agent=ScriptedAgent([LONG] * MOST, delay=1.0))

    async def caller(call: Call) -> None:
        for _ in range(MOST + 1):
            call.peer.asks(ASIDE)
        await until(call, Failed)
        second = of(call, ReplyStarted)[1].reply
        call.peer.asks(CancelReply(second))
        call.peer.asks(CancelReply())
        await until(call, Failed, 2)
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    converse(call, caller)
    assert [event.code for event in of(call, Failed)] == [
        "conversation_already_has_active_response",
        "response_cancel_not_active",
    ]
    assert len(of(call, ReplyStarted)) == MOST
    assert {event.status for event in of(call, ReplyFinished)} == {ReplyStatus.CANCELLED}
    assert len(of(call, ReplyFinished)) == MOST, "those that were left ended with the session"
    assert call.agent.working == 0


def test_spoken_answer_outside_the_conversation_is_the_only_one_and_not_kept() -> None:
    call = Call(agent=ScriptedAgent(["a greeting", "for the record"]))

    async def caller(call: Call) -> None:
        call.peer.asks(AddItem(Item("a", Role.USER, "hello")))
        call.peer.asks(CreateReply(stored=False))
        await until(call, ReplyAudible)
        call.peer.asks(CreateReply())
        await until(call, ReplyFinished)
        call.peer.asks(CreateReply())
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    converse(call, caller)
    assert [event.code for event in of(call, Failed)] == ["conversation_already_has_active_response"]
    assert [event.item.text for event in of(call, ReplyFinished)] == ["a greeting", "for the record"]
    assert texts(call) == [("user", "hello"), ("assistant", "for the record")]


def test_tools_of_an_aside_leave_nothing_in_the_history() -> None:
    call = Call(agent=ScriptedAgent([[ToolCall("call_1", "weather", "{}")], "sunny"]))
    call.tools = ScriptedTools(weather=0.1)

    async def caller(call: Call) -> None:
        call.peer.asks(ASIDE)
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    converse(call, caller)
    assert [event.name for event in of(call, ToolEnded)] == ["weather"]
    assert of(call, ReplyFinished)[0].text == "sunny"
    assert texts(call) == []


def test_one_answer_may_have_settings_of_its_own() -> None:
    call = Call(agent=ScriptedAgent(["good morning"]), session_settings=SessionSettings(voice="one", max_tokens=100))
    request = CreateReply(
        instructions="be brief",
        voice="two",
        max_tokens=9,
        plays=Codec.MULAW,
        tools=(Tool("bell"),),
        tool_choice="bell",
        metadata={"topic": "x"},
    )

    async def caller(call: Call) -> None:
        call.peer.asks(request)
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    converse(call, caller)
    [started] = of(call, ReplyStarted)
    assert (started.voice, started.max_tokens, started.plays, started.metadata) == (
        "two", 9, Codec.MULAW, {"topic": "x"}
    )  # fmt: skip
    [asked] = call.agent.settings
    assert (asked.instructions, asked.max_tokens, asked.tool_choice) == ("be brief", 9, "bell")
    assert [tool.name for tool in asked.tools] == ["bell"]
    assert call.session.settings.voice == "one"
