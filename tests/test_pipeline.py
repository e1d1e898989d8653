"""Whole conversations on virtual time: a scripted caller, scripted engines, the real session between them."""

import asyncio

import pytest

from tests.fakes import (
    FakePeer,
    InlineLane,
    ScriptedAgent,
    ScriptedAsr,
    loud,
    noise,
    quiet,
)
from tests.scripted_call import LONG, Call, converse, kinds, of, texts, until
from voicechat.commands import (
    AddItem,
    Ask,
    CancelReply,
    ClearInput,
    CommitInput,
    CreateReply,
    DeleteItem,
    RetrieveItem,
    TruncateItem,
    UpdateSettings,
)
from voicechat.config import AgentSettings, ServerSettings, Settings, TurnSettings
from voicechat.conversation import Item, ItemStatus, Role, SessionSettings
from voicechat.events import (
    Event,
    Failed,
    InputCleared,
    InputCommitted,
    InputDropped,
    ItemAdded,
    ItemDeleted,
    ItemRetrieved,
    ItemTruncated,
    ReplyAudible,
    ReplyFinished,
    ReplyPaused,
    ReplyResumed,
    ReplyStarted,
    ReplyStatus,
    ReplyText,
    SessionEnded,
    SessionStarted,
    SpeechStarted,
    SpeechStopped,
    State,
    StateChanged,
    TranscriptFailed,
    TranscriptFinal,
    TurnMeasured,
)
from voicechat.session import HISTORY_ITEMS


async def one_turn(call: Call) -> None:
    call.peer.hears(loud(1.0))
    await until(call, ReplyFinished)
    call.peer.hangs_up()


def test_a_spoken_turn_is_understood_and_answered() -> None:
    call = converse(Call(), one_turn)
    assert texts(call) == [("user", "hello there"), ("assistant", "good morning to you")]
    assert kinds(call, StateChanged) == [
        "SessionStarted",
        "SpeechStarted",
        "SpeechStopped",
        "InputCommitted",
        "ItemAdded",
        "TranscriptFinal",
        "ReplyStarted",
        "ReplyText",
        "ReplyAudible",
        "TurnMeasured",
        "ReplyFinished",
        "SessionEnded",
    ]
    assert [event.state for event in of(call, StateChanged)] == [
        State.LISTENING,
        State.THINKING,
        State.SPEAKING,
        State.IDLE,
        State.TERMINATED,
    ]
    assert call.reason == "hung_up"


def test_the_recogniser_hears_the_whole_utterance_with_pre_roll() -> None:
    call = converse(Call(), one_turn)
    assert call.asr.heard == [pytest.approx(1.0 + 0.3 + 0.0, abs=0.03)], "speech and the silence that ended it"
    assert call.asr.open_streams == 0


def test_a_turn_is_measured_in_parts_that_add_up() -> None:
    agent = ScriptedAgent(["good morning to you"], delay=0.1)
    call = Call(agent=agent, lane=InlineLane(0.01), settings=Settings(turn=TurnSettings(preempt=False)))
    converse(call, one_turn)
    [measured] = of(call, TurnMeasured)
    assert measured.endpointed == pytest.approx(0.3, abs=0.03)
    assert measured.endpointed <= measured.understood <= measured.first_word <= measured.first_sound
    assert measured.first_word - measured.understood == pytest.approx(0.1, abs=0.02)
    assert measured.first_sound < 1.2


def test_many_turns_make_one_history() -> None:
    call = Call(asr=ScriptedAsr("one", "two", "three"), agent=ScriptedAgent(["first", "second", "third"]))

    async def caller(call: Call) -> None:
        for count in range(1, 4):
            call.peer.hears(loud(0.5))
            await until(call, ReplyFinished, count)
        call.peer.hangs_up()

    converse(call, caller)
    assert [text for _, text in texts(call)] == ["one", "first", "two", "second", "three", "third"]
    assert call.agent.asked[2] == [
        ("user", "one"),
        ("assistant", "first"),
        ("user", "two"),
        ("assistant", "second"),
        ("user", "three"),
    ]


def test_user_talking_over_reply_cuts_it() -> None:
    call = Call(asr=ScriptedAsr("hello", "but why"), agent=ScriptedAgent([LONG, "fine"]))

    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        await until(call, ReplyAudible)
        call.peer.hears(quiet(1.0))
        call.peer.hears(loud(0.6))
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    converse(call, caller)
    cut, _ = of(call, ReplyFinished)
    assert cut.status is ReplyStatus.CANCELLED
    assert cut.reason == "turn_detected"
    assert cut.text.split() == LONG.split()[: len(cut.text.split())]
    heard = cut.item.text.split()
    assert heard == LONG.split()[: len(heard)]
    assert cut.heard == pytest.approx(1.0 + 0.06, abs=0.05), "it paused at the first voice, and that was the end"
    assert len(heard) == pytest.approx(cut.heard / 0.06, abs=1)
    assert cut.item.status is ItemStatus.INCOMPLETE
    assert texts(call) == [("user", "hello"), ("assistant", cut.item.text), ("user", "but why"), ("assistant", "fine")]
    assert call.agent.asked[1][1] == ("assistant", cut.item.text), "the agent is told what was heard, not what was made"
    names = kinds(call)
    assert names.index("SpeechStarted", names.index("ReplyAudible")) < names.index("ReplyFinished")
    assert call.tts.working == 0
    assert call.agent.working == 0


def test_a_cough_pauses_the_reply_and_not_a_sample_is_lost() -> None:
    call = Call(agent=ScriptedAgent([LONG]))

    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        await until(call, ReplyAudible)
        call.peer.hears(quiet(0.5))
        call.peer.hears(noise(0.2))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    converse(call, caller)
    assert len(of(call, ReplyPaused)) == len(of(call, ReplyResumed)) == 1
    [finished] = of(call, ReplyFinished)
    assert finished.status is ReplyStatus.COMPLETED
    assert finished.item.text == LONG
    sounding = [place for place, frame in enumerate(call.peer.on_wire) if frame is not None and frame.all()]
    assert len(sounding) == 180, "60 words of 3 frames; those that fade at the gap's edges are not of them"
    gap = sounding[-1] - sounding[0] + 1 - len(sounding)
    assert gap * 0.02 == pytest.approx(0.3, abs=0.05)


def test_caller_going_on_while_we_think_gets_one_answer_to_both_parts() -> None:
    call = Call(
        asr=ScriptedAsr("turn on", "the lamp"), agent=ScriptedAgent([LONG, "it is on"], delay=0.5)
    )

    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        call.peer.hears(quiet(0.6))
        call.peer.hears(loud(0.5))
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    converse(call, caller)
    assert call.agent.asked[-1] == [("user", "turn on\nthe lamp")]
    assert [event.status for event in of(call, ReplyFinished)] == [ReplyStatus.CANCELLED, ReplyStatus.COMPLETED]


def test_a_slow_recogniser_is_waited_for_before_answering() -> None:
    """The caller speaks twice before the first utterance is understood: one answer, to both, in order."""
    call = Call(asr=ScriptedAsr("first part", "second part"), agent=ScriptedAgent(["yes"]), lane=InlineLane(0.4))

    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        call.peer.hears(quiet(0.4))
        call.peer.hears(loud(0.5))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    converse(call, caller)
    assert call.agent.asked == [[("user", "first part\nsecond part")]]
    assert texts(call)[:2] == [("user", "first part"), ("user", "second part")]


def test_typed_text_is_answered() -> None:
    async def caller(call: Call) -> None:
        call.peer.asks(AddItem(Item("item_typed", Role.USER, "hi")))
        call.peer.asks(CreateReply())
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    call = converse(Call(), caller)
    assert texts(call) == [("user", "hi"), ("assistant", "good morning to you")]
    assert of(call, TurnMeasured) == []


def test_text_alone_is_written_and_not_spoken() -> None:
    async def caller(call: Call) -> None:
        call.peer.asks(AddItem(Item("item_typed", Role.USER, "hi")))
        call.peer.asks(CreateReply(speaks=False))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    call = converse(Call(), caller)
    [finished] = of(call, ReplyFinished)
    assert finished.item.text == "good morning to you"
    assert call.tts.said == []
    assert "".join(event.delta for event in of(call, ReplyText)).strip() == "good morning to you"


def test_a_second_reply_while_one_runs_is_refused() -> None:
    async def caller(call: Call) -> None:
        call.peer.asks(CreateReply())
        call.peer.asks(CreateReply(event_id="mine"))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    call = converse(Call(), caller)
    [failed] = of(call, Failed)
    assert (failed.code, failed.event_id) == ("conversation_already_has_active_response", "mine")


def test_cancel_stops_the_reply_and_a_second_cancel_is_told_so() -> None:
    async def caller(call: Call) -> None:
        call.peer.asks(CreateReply())
        await until(call, ReplyAudible)
        call.peer.asks(CancelReply())
        await until(call, ReplyFinished)
        call.peer.asks(CancelReply(event_id="late"))
        await until(call, Failed)
        call.peer.hangs_up()

    call = converse(Call(agent=ScriptedAgent([LONG])), caller)
    [finished] = of(call, ReplyFinished)
    assert (finished.status, finished.reason) == (ReplyStatus.CANCELLED, "client_cancelled")
    [failed] = of(call, Failed)
    assert (failed.code, failed.event_id) == ("response_cancel_not_active", "late")
    assert call.peer.on_wire[-1] is None


def test_truncation_keeps_the_words_the_client_played() -> None:
    async def caller(call: Call) -> None:
        call.peer.asks(CreateReply())
        await until(call, ReplyFinished)
        item = call.session.history[-1].id
        call.peer.asks(TruncateItem(item, 0.6))
        await until(call, ItemTruncated)
        call.peer.asks(RetrieveItem(item))
        await until(call, ItemRetrieved)
        call.peer.hangs_up()

    call = converse(Call(agent=ScriptedAgent([LONG])), caller)
    [retrieved] = of(call, ItemRetrieved)
    assert retrieved.item.text.split() == LONG.split()[:10]


def test_only_answers_that_were_spoken_can_be_truncated() -> None:
    async def caller(call: Call) -> None:
        call.peer.asks(AddItem(Item("typed", Role.ASSISTANT, "I said this")))
        call.peer.asks(CreateReply(speaks=False))
        await until(call, ReplyFinished)
        for item in [item.id for item in call.session.history]:
            call.peer.asks(TruncateItem(item, 0.5))
        await until(call, Failed, 2)
        call.peer.hangs_up()

    call = converse(Call(), caller)
    assert [event.code for event in of(call, Failed)] == ["invalid_value"] * 2
    assert texts(call) == [("assistant", "I said this"), ("assistant", "good morning to you")]


def test_a_long_history_forgets_its_beginning() -> None:
    call = Call(agent=ScriptedAgent([f"answer {number}" for number in range(250)]))

    async def caller(call: Call) -> None:
        for number in range(250):
            call.peer.asks(AddItem(Item(f"typed_{number}", Role.USER, f"question {number}")))
            call.peer.asks(CreateReply(speaks=False))
            await until(call, ReplyFinished, number + 1)
        call.peer.hangs_up()

    converse(call, caller)
    assert len(call.session.history) == HISTORY_ITEMS
    assert texts(call)[0] == ("user", "question 50")
    assert texts(call)[-1] == ("assistant", "answer 249")


def test_items_can_be_deleted_and_unknown_ones_are_told() -> None:
    async def caller(call: Call) -> None:
        call.peer.asks(AddItem(Item("a", Role.USER, "one")))
        call.peer.asks(AddItem(Item("b", Role.USER, "two"), "root"))
        call.peer.asks(AddItem(Item("b", Role.USER, "again")))
        call.peer.asks(DeleteItem("a"))
        call.peer.asks(DeleteItem("a", event_id="again"))
        await until(call, Failed, 2)
        call.peer.hangs_up()

    call = converse(Call(), caller)
    assert [event.item for event in of(call, ItemDeleted)] == ["a"]
    assert [event.previous for event in of(call, ItemAdded)] == [None, None]
    assert [event.code for event in of(call, Failed)] == [
        "item_create_duplicate_item_id",
        "item_delete_invalid_item_id",
    ]
    assert texts(call) == [("user", "two")]


def test_an_empty_transcript_is_not_answered() -> None:
    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        await until(call, TranscriptFinal)
        call.peer.hangs_up()

    call = converse(Call(asr=ScriptedAsr("")), caller)
    assert of(call, ReplyStarted) == []
    assert call.session.floor.state is State.TERMINATED
    assert [event.state for event in of(call, StateChanged)][-2] is State.IDLE


def test_failing_recogniser_is_told_and_the_next_turn_works() -> None:
    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        await until(call, TranscriptFailed)
        call.peer.hears(loud(0.5))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    call = converse(Call(asr=ScriptedAsr("!", "again")), caller)
    assert of(call, TranscriptFailed)[0].code == "engine_failed"
    assert of(call, ReplyFinished)[0].status is ReplyStatus.COMPLETED
    assert call.asr.open_streams == 0


def test_failing_agent_speaks_the_fallback_and_the_next_turn_works() -> None:
    call = Call(asr=ScriptedAsr("one", "two"), agent=ScriptedAgent(["!", "!", "better"]))

    async def caller(call: Call) -> None:
        for count in (1, 2):
            call.peer.hears(loud(0.5))
            await until(call, ReplyFinished, count)
        call.peer.hangs_up()

    converse(call, caller)
    failed, completed = of(call, ReplyFinished)
    assert (failed.status, failed.reason) == (ReplyStatus.FAILED, "agent_timeout")
    assert failed.item.text == call.settings.agent.fallback
    assert completed.status is ReplyStatus.COMPLETED
    assert [(event.code, event.reply) for event in of(call, Failed)] == [("agent_timeout", failed.reply)]


def test_failing_synthesizer_is_told_and_the_next_turn_works() -> None:
    call = Call(asr=ScriptedAsr("one", "two"), agent=ScriptedAgent(["this will FAIL soon", "better"]))

    async def caller(call: Call) -> None:
        for count in (1, 2):
            call.peer.hears(loud(0.5))
            await until(call, ReplyFinished, count)
        call.peer.hangs_up()

    converse(call, caller)
    failed, completed = of(call, ReplyFinished)
    assert (failed.status, failed.reason) == (ReplyStatus.FAILED, "engine_failed")
    assert completed.item.text == "better"


def test_push_to_talk_answers_when_asked() -> None:
    call = Call(session_settings=SessionSettings(turns=None))

    async def caller(call: Call) -> None:
        call.peer.asks(CommitInput(event_id="early"))
        call.peer.hears(loud(1.0))
        call.peer.hears(quiet(1.0))
        call.peer.asks(CommitInput())
        call.peer.asks(CreateReply())
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    converse(call, caller)
    assert [event.event_id for event in of(call, Failed)] == ["early"]
    assert of(call, SpeechStarted, SpeechStopped) == []
    assert len(of(call, InputCommitted)) == 1
    assert texts(call) == [("user", "hello there"), ("assistant", "good morning to you")]


def test_push_to_talk_takes_speech_that_voice_detection_did_not_notice() -> None:
    call = Call(session_settings=SessionSettings(turns=None))

    async def caller(call: Call) -> None:
        call.peer.hears(quiet(0.5))
        call.peer.asks(CommitInput())
        call.peer.asks(CommitInput(event_id="nothing since"))
        call.peer.asks(CreateReply())
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    converse(call, caller)
    assert len(of(call, InputCommitted)) == 1
    assert of(call, TranscriptFinal)[0].seconds == pytest.approx(0.5)
    assert [event.event_id for event in of(call, Failed)] == ["nothing since"]


def test_switching_to_push_to_talk_over_an_answer_lets_it_go_on() -> None:
    call = Call(agent=ScriptedAgent([LONG]))

    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        call.peer.hears(quiet(0.5))
        await until(call, ReplyAudible)
        call.peer.hears(loud(0.12))
        await until(call, ReplyPaused)
        call.peer.asks(UpdateSettings({"turns": None}))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    converse(call, caller)
    assert len(of(call, ReplyResumed)) == 1
    assert of(call, ReplyFinished)[0].status is ReplyStatus.COMPLETED


def test_utterance_goes_on_when_the_caller_switches_between_ways_of_talking() -> None:
    call = Call()

    async def caller(call: Call) -> None:
        call.peer.asks(UpdateSettings({"turns": None}))
        call.peer.hears(loud(0.4))
        call.peer.asks(UpdateSettings({"turns": {"silence": 0.3}}))
        call.peer.hears(loud(0.4))
        call.peer.hears(quiet(0.5))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    converse(call, caller)
    assert len(call.asr.heard) == 1, "no second utterance beside a forgotten first"
    assert of(call, TranscriptFinal)[0].seconds > 1.0


def test_cleared_sound_is_forgotten() -> None:
    call = Call(asr=ScriptedAsr("kept"))

    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        await until(call, SpeechStarted)
        call.peer.hears(loud(0.3))
        call.peer.asks(ClearInput())
        await until(call, InputCleared)
        call.peer.hears(quiet(0.5))
        call.peer.hears(loud(0.5))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    converse(call, caller)
    assert texts(call) == [("user", "kept"), ("assistant", "good morning to you")]
    assert len(call.asr.heard) == 1, "what is forgotten is not recognised to its end"


def test_settings_change_in_the_session() -> None:
    async def caller(call: Call) -> None:
        call.peer.asks(UpdateSettings({"turns": {"silence": 1.0}, "voice": "two"}))
        await one_turn(call)

    call = converse(Call(), caller)
    assert call.session.settings.voice == "two"
    [measured] = of(call, TurnMeasured)
    assert measured.endpointed == pytest.approx(1.0, abs=0.03)


def test_no_reply_is_made_for_a_caller_who_wants_none() -> None:
    async def caller(call: Call) -> None:
        call.peer.asks(UpdateSettings({"turns": {"create_reply": False}}))
        call.peer.hears(loud(0.5))
        await until(call, TranscriptFinal)
        call.peer.hears(quiet(1.0))
        await asyncio.sleep(1.0)
        call.peer.hangs_up()

    call = converse(Call(), caller)
    assert of(call, ReplyStarted) == []


def test_lost_sound_is_told_once() -> None:
    async def caller(call: Call) -> None:
        call.peer.hears(quiet(0.1))
        await asyncio.sleep(0.2)
        call.peer.dropped = 0.5
        await until(call, InputDropped)
        await asyncio.sleep(0.2)
        call.peer.hangs_up()

    call = converse(Call(), caller)
    assert [event.seconds for event in of(call, InputDropped)] == [0.5]


def test_greeting_is_spoken_first() -> None:
    call = Call(settings=Settings(agent=AgentSettings(greeting="welcome in")))

    async def caller(call: Call) -> None:
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    converse(call, caller)
    assert texts(call) == [("assistant", "welcome in")]


def test_who_comes_with_a_history_is_not_greeted() -> None:
    def peer() -> FakePeer:
        made = FakePeer()
        made.asks(AddItem(Item("item_past", Role.USER, "as I said")))
        return made

    call = Call(settings=Settings(agent=AgentSettings(greeting="welcome in")), make_peer=peer)

    async def caller(call: Call) -> None:
        await asyncio.sleep(3.0)
        call.peer.hangs_up()

    converse(call, caller)
    assert texts(call) == [("user", "as I said")] and of(call, ReplyFinished) == []


@pytest.mark.parametrize(
    ("limits", "reason", "seconds"),
    [
        (ServerSettings(idle_seconds=30), "idle", 30),
        (ServerSettings(session_seconds=60), "too_long", 60),
    ],
)
def test_sessions_have_time_limits(limits: ServerSettings, reason: str, seconds: float) -> None:
    call = Call(settings=Settings(server=limits))

    async def caller(call: Call) -> None:
        begin = asyncio.get_running_loop().time()
        await until(call, SessionEnded)
        assert asyncio.get_running_loop().time() - begin == pytest.approx(seconds, abs=1.5)

    converse(call, caller)
    assert call.reason == reason


@pytest.mark.parametrize("moment", [SessionStarted, SpeechStarted, InputCommitted, ReplyStarted, ReplyAudible])
def test_hanging_up_at_any_moment_leaves_nothing(moment: type[Event]) -> None:
    call = Call(agent=ScriptedAgent([LONG], delay=0.05), lane=InlineLane(0.02))

    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        await until(call, moment)
        call.peer.hangs_up()

    converse(call, caller)
    assert isinstance(call.peer.events[-1], SessionEnded)
    assert len(of(call, ReplyFinished)) == len(of(call, ReplyStarted))
    assert (call.asr.open_streams, call.tts.working, call.agent.working) == (0, 0, 0)


def test_shutdown_ends_the_session_with_its_reason() -> None:
    async def caller(call: Call) -> None:
        call.peer.asks(CreateReply())
        await until(call, ReplyAudible)
        call.pipeline.end("shutdown")

    call = converse(Call(agent=ScriptedAgent([LONG])), caller)
    assert call.reason == "shutdown"
    assert of(call, ReplyFinished)[0].status is ReplyStatus.CANCELLED


def test_typed_words_interrupt_and_are_answered() -> None:
    call = Call(agent=ScriptedAgent([LONG, "good evening"]))

    async def caller(call: Call) -> None:
        call.peer.hears(loud(1.0))
        await until(call, ReplyAudible)
        call.peer.asks(Ask("good night"))
        await until(call, ReplyFinished, 2)
        call.peer.asks(Ask("and now in writing", speaks=False))
        await until(call, Failed)
        call.peer.hangs_up()

    call.agent.answers.append("!")
    converse(call, caller)
    first, second, third = of(call, ReplyFinished)
    assert (first.status, first.reason) == (ReplyStatus.CANCELLED, "turn_detected")
    assert 0 < len(first.item.text) < len(LONG)
    assert call.agent.asked[1][-1] == ("user", "good night")
    assert second.item.text == "good evening"
    assert not third.item.spoken


def test_typed_words_while_the_caller_speaks_wait_for_them() -> None:
    call = Call(agent=ScriptedAgent(["good morning"]))

    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        call.peer.asks(Ask("and good night"))
        call.peer.hears(loud(0.5))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    converse(call, caller)
    assert call.agent.asked == [[("user", "and good night\nhello there")]]
