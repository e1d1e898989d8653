"""Sessions in which nothing is answered, and recordings that are read before an answer: on virtual time."""

import asyncio

import numpy as np
import pytest

from tests.fakes import InlineLane, ScriptedAgent, ScriptedAsr, loud, quiet
from tests.scripted_call import LONG, Call, converse, kinds, of, texts, until
from voicechat.audio import AudioFrame
from voicechat.commands import AddItem, Ask, CancelReply, CommitInput, CreateReply, DeleteItem, UpdateSettings
from voicechat.config import AgentSettings, Settings, TurnSettings
from voicechat.conversation import Item, Role, SessionSettings, TurnDetection
from voicechat.events import (
    Failed,
    ItemDeleted,
    ReplyFinished,
    ReplyStarted,
    ReplyStatus,
    SettingsChanged,
    SpeechStarted,
    State,
    TranscriptFailed,
    TranscriptFinal,
)
from voicechat.understanding import MOST_RECORDINGS

MUTE = SessionSettings(answers=False, turns=TurnDetection(idle=5.0))
SOUND = AudioFrame(np.full(48_000, 8000, np.int16), 24_000)
"""2 s."""


def recording(id: str) -> AddItem:
    return AddItem(Item(id, Role.USER, "", spoken=True), sound=SOUND)


def test_what_is_said_is_transcribed_and_neither_answered_nor_drafted_nor_asked_after() -> None:
    async def caller(call: Call) -> None:
        for sound in (loud(1.0), quiet(2.0), loud(1.0), quiet(20.0)):
            call.peer.hears(sound)
        await until(call, TranscriptFinal, 2)
        call.peer.asks(CommitInput(event_id="e1"))
        call.peer.asks(Ask("hello?", event_id="e2"))
        await until(call, Failed, 2)
        call.peer.hangs_up()

    call = converse(Call(asr=ScriptedAsr("one", "two"), session_settings=MUTE), caller)
    assert [event.text for event in of(call, TranscriptFinal)] == ["one", "two"]
    assert texts(call)[:2] == [("user", "one"), ("user", "two")]
    assert of(call, ReplyStarted) == [] and call.agent.asked == []
    assert [(event.code, event.event_id) for event in of(call, Failed)] == [
        ("input_audio_buffer_commit_empty", "e1"), ("response_not_available", "e2")
    ]  # fmt: skip


def test_recogniser_that_stalls_is_told_and_nothing_is_said_of_it() -> None:
    async def caller(call: Call) -> None:
        call.peer.hears(loud(1.0))
        await until(call, TranscriptFailed)
        assert call.session.floor.state is State.IDLE
        call.peer.hangs_up()

    settings = Settings(turn=TurnSettings(give_up=5.0))
    call = converse(Call(lane=InlineLane(60.0), session_settings=MUTE, settings=settings), caller)
    assert [event.code for event in of(call, TranscriptFailed)] == ["stalled"]
    assert of(call, ReplyStarted) == []


def test_answer_that_was_asked_for_is_forgotten_when_nothing_shall_be_answered() -> None:
    async def caller(call: Call) -> None:
        call.peer.hears(loud(1.0))
        call.peer.asks(CreateReply())
        call.peer.asks(UpdateSettings({"answers": False}))
        call.peer.hears(quiet(3.0))
        await until(call, TranscriptFinal)
        call.peer.hears(quiet(1.0))
        call.peer.hangs_up()

    call = converse(Call(), caller)
    assert of(call, ReplyStarted) == []


def test_answers_of_every_kind_end_when_nothing_shall_be_answered() -> None:
    async def caller(call: Call) -> None:
        call.peer.asks(CreateReply())
        await until(call, ReplyStarted)
        call.peer.asks(CreateReply(stored=False, speaks=False))
        await until(call, ReplyStarted, 2)
        call.peer.asks(UpdateSettings({"answers": False}))
        call.peer.hears(quiet(5.0))
        await until(call, SettingsChanged)
        await asyncio.sleep(5.0)
        call.peer.hangs_up()

    call = converse(Call(agent=ScriptedAgent([LONG, LONG], delay=0.5)), caller)
    assert [event.status for event in of(call, ReplyFinished)] == [ReplyStatus.CANCELLED] * 2
    names = kinds(call)
    assert set(names[names.index("SettingsChanged") :]) <= {"SettingsChanged", "StateChanged", "SessionEnded"}


def test_failed_cancel_of_another_answer_drops_none_that_waits() -> None:
    async def caller(call: Call) -> None:
        call.peer.asks(CreateReply(stored=False, speaks=False))
        await until(call, ReplyStarted)
        aside = of(call, ReplyStarted)[0].reply
        call.peer.asks(recording("a"))
        call.peer.asks(CreateReply())
        call.peer.asks(CancelReply("nobody", event_id="e1"))
        call.peer.asks(CancelReply(aside))
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    asked = ScriptedAgent([LONG, "noted"], delay=0.5)
    call = converse(Call(asr=ScriptedAsr("one"), agent=asked, lane=InlineLane(0.3)), caller)
    assert [(event.code, event.event_id) for event in of(call, Failed)] == [("response_cancel_not_active", "e1")]
    assert [event.status for event in of(call, ReplyFinished)] == [ReplyStatus.CANCELLED, ReplyStatus.COMPLETED]
    assert call.agent.asked[-1] == [("user", "one")]


def test_failed_cancel_of_another_answer_leaves_the_one_that_waits_for_the_caller() -> None:
    async def caller(call: Call) -> None:
        call.peer.hears(loud(1.0))
        await until(call, SpeechStarted)
        call.peer.asks(CreateReply())
        call.peer.asks(CancelReply("nobody"))
        call.peer.hears(quiet(3.0))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    turns = TurnDetection(create_reply=False)
    call = converse(Call(session_settings=SessionSettings(turns=turns)), caller)
    assert [event.code for event in of(call, Failed)] == ["response_cancel_not_active"]


def test_greeting_obeys_what_was_asked_before_the_session_began() -> None:
    async def caller(call: Call) -> None:
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    call = Call(settings=Settings(agent=AgentSettings(greeting="welcome in")))
    real = call.make_peer

    def asking() -> object:
        peer = real()
        peer.asks(UpdateSettings({"speaks": False}))
        return peer

    call.make_peer = asking  # type: ignore[assignment]
    converse(call, caller)
    [started] = of(call, ReplyStarted)
    assert not started.speaks
    assert kinds(call)[:3] == ["SessionStarted", "SettingsChanged", "ReplyStarted"]


def test_answer_waits_for_all_recordings_before_it() -> None:
    async def caller(call: Call) -> None:
        call.peer.asks(recording("a"))
        call.peer.asks(recording("b"))
        call.peer.asks(CreateReply())
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    call = converse(Call(asr=ScriptedAsr("one", "two"), lane=InlineLane(0.3)), caller)
    [[(_, asked)]] = call.agent.asked
    assert sorted(asked.split("\n")) == ["one", "two"]
    assert [event.seconds for event in of(call, TranscriptFinal)] == [2.0, 2.0]


def test_answer_that_is_called_off_is_not_made_when_the_recording_is_read() -> None:
    async def caller(call: Call) -> None:
        call.peer.asks(recording("a"))
        call.peer.asks(CreateReply())
        call.peer.asks(CancelReply())
        await until(call, TranscriptFinal)
        call.peer.hears(quiet(1.0))
        call.peer.hangs_up()

    call = converse(Call(asr=ScriptedAsr("one"), lane=InlineLane(0.3)), caller)
    assert of(call, ReplyStarted) == []


def test_recording_whose_item_is_deleted_meanwhile_leaves_no_trace_in_the_history() -> None:
    async def caller(call: Call) -> None:
        call.peer.asks(recording("a"))
        call.peer.asks(DeleteItem("a"))
        await until(call, ItemDeleted)
        await until(call, TranscriptFinal)
        call.peer.hangs_up()

    call = converse(Call(asr=ScriptedAsr("one"), lane=InlineLane(0.3)), caller)
    assert call.session.history == []


def test_recordings_of_deleted_items_count_as_long_as_they_are_read() -> None:
    async def caller(call: Call) -> None:
        for _ in range(3 * MOST_RECORDINGS):
            call.peer.asks(recording("a"))
            call.peer.asks(DeleteItem("a"))
        await until(call, ItemDeleted, 3 * MOST_RECORDINGS)
        call.peer.asks(CreateReply())
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    call = converse(Call(asr=ScriptedAsr(*["one"] * 99), lane=InlineLane(0.3)), caller)
    assert call.asr.heard == [2.0] * MOST_RECORDINGS
    assert {event.code for event in of(call, TranscriptFailed)} == {"recogniser_busy"}
    assert len(of(call, TranscriptFailed)) == 2 * MOST_RECORDINGS
    assert call.asr.open_streams == 0


@pytest.mark.parametrize("sound", [None, SOUND])
def test_recording_of_a_deleted_item_is_not_read_into_one_that_has_its_name_now(sound: AudioFrame | None) -> None:
    async def caller(call: Call) -> None:
        call.peer.asks(recording("a"))
        call.peer.hears(quiet(0.6))  # so that it is ahead
        await asyncio.sleep(0.6)
        call.peer.asks(DeleteItem("a"))
        call.peer.asks(AddItem(Item("a", Role.USER, "mine"), sound=sound))
        call.peer.asks(CreateReply())
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    call = converse(Call(asr=ScriptedAsr("old", "new"), lane=InlineLane(0.3)), caller)
    words = "mine" if sound is None else "mine\nnew"
    assert call.agent.asked == [[("user", words)]], "the answer waits for what is new, and reads nothing else"
    assert [event.text for event in of(call, TranscriptFinal)] == ([] if sound is None else ["new"])


def test_session_that_ends_stops_reading() -> None:
    async def caller(call: Call) -> None:
        call.peer.asks(recording("a"))
        call.peer.hears(quiet(0.5))
        call.peer.hangs_up()

    call = converse(Call(asr=ScriptedAsr("never read"), lane=InlineLane(10.0)), caller)
    assert of(call, TranscriptFinal) == []
    assert call.asr.open_streams == 0


def test_recording_given_while_an_answer_is_spoken_does_not_disturb_it() -> None:
    async def caller(call: Call) -> None:
        call.peer.asks(CreateReply())
        await until(call, ReplyStarted)
        call.peer.asks(recording("a"))
        call.peer.asks(CreateReply(event_id="e1"))
        await until(call, ReplyFinished)
        call.peer.hangs_up()

    call = converse(Call(asr=ScriptedAsr("one"), agent=ScriptedAgent([LONG])), caller)
    assert of(call, ReplyFinished)[0].text == LONG
    assert [event.code for event in of(call, Failed)] == ["conversation_already_has_active_response"]
