"""Programs beside a call: what they are told when they join, and whose mistakes are told to whom."""

import pytest

from voicechat.commands import CancelReply, Command
from voicechat.conversation import Item, ItemStatus, Kind, Role, SessionSettings
from voicechat.errors import NoRoom, PeerError
from voicechat.events import (
    Event,
    Failed,
    InputCleared,
    ReplyAudible,
    ReplyCalled,
    ReplyFinished,
    ReplyPaused,
    ReplyResumed,
    ReplyStarted,
    ReplyStatus,
    ReplyText,
    SessionEnded,
    SessionStarted,
    SettingsChanged,
)
from voicechat.transport.webrtc.following import MOST, Following

ITEM = Item("item_1", Role.ASSISTANT, "", True, ItemStatus.IN_PROGRESS)
STARTED = ReplyStarted("resp_1", 1, ITEM, None, True)
FINISHED = ReplyFinished("resp_1", ITEM, ReplyStatus.COMPLETED, "One.", 0.5)


def ask(event_id: str | None = None) -> Command:
    return CancelReply(event_id=event_id)


def test_who_joins_late_is_told_how_things_stand() -> None:
    following, late = Following(), list[Event]()
    call = ReplyCalled("resp_1", Item("item_2", Role.ASSISTANT, "{}", kind=Kind.CALL), 1, "item_1")
    for event in (
        SessionStarted("sess_1", SessionSettings()),
        SettingsChanged(SessionSettings(voice="two")),
        STARTED,
        ReplyText("resp_1", "One "),
        ReplyText("resp_1", "two. "),
        ReplyAudible("resp_1"),
        ReplyPaused("resp_1"),
        ReplyResumed("resp_1"),
        call,
        InputCleared(),
    ):
        following.tell(event)
    following.join(late.append)
    assert late == [
        SessionStarted("sess_1", SessionSettings(voice="two")),
        STARTED,
        ReplyText("resp_1", "One two. "),
        ReplyAudible("resp_1"),
        call,
    ]


def test_answers_that_are_over_are_not_told_again() -> None:
    following, late = Following(), list[Event]()
    for event in (STARTED, FINISHED, ReplyText("resp_1", "late")):
        following.tell(event)
    following.join(late.append)
    assert late == []


def test_everybody_is_told_until_they_leave() -> None:
    following, first, second = Following(), list[Event](), list[Event]()
    name = following.join(first.append)
    following.join(second.append)
    assert following.tell(STARTED)
    following.leave(name)
    assert following.tell(FINISHED)
    assert first == [STARTED]
    assert second == [STARTED, FINISHED]


@pytest.mark.parametrize("own", [None, "mine"])
def test_a_followers_mistake_is_told_to_it_alone(own: str | None) -> None:
    following, guilty, innocent = Following(), list[Event](), list[Event]()
    name = following.join(guilty.append)
    following.join(innocent.append)
    marked = following.mark(name, ask(own))
    assert not following.tell(Failed("x", "no", event_id=marked.event_id))
    assert guilty == [Failed("x", "no", event_id=own)]
    assert innocent == []


def test_the_callers_mistake_is_not_told_to_followers() -> None:
    following, heard = Following(), list[Event]()
    following.join(heard.append)
    assert following.tell(Failed("x", "no", event_id="mine"))
    assert heard == []


def test_a_mistake_of_one_who_has_left_is_told_to_nobody() -> None:
    following, heard = Following(), list[Event]()
    name = following.join(heard.append)
    marked = following.mark(name, ask())
    following.leave(name)
    assert not following.tell(Failed("x", "no", event_id=marked.event_id))


def test_what_is_nobodys_mistake_is_told_to_all() -> None:
    following, heard = Following(), list[Event]()
    following.join(heard.append)
    fault = Failed("agent_timeout", "no answer")
    assert following.tell(fault)
    assert heard == [fault]


def test_a_call_has_few_followers_and_none_when_it_is_over() -> None:
    following = Following()
    for _ in range(MOST):
        following.join(lambda event: None)
    with pytest.raises(NoRoom):
        following.join(lambda event: None)
    following.tell(SessionEnded("sess_1", "hung_up"))
    with pytest.raises(PeerError, match="over"):
        following.join(lambda event: None)


def test_followers_are_told_of_an_end_that_the_session_did_not_tell() -> None:
    following, heard = Following(), list[Event]()
    following.join(heard.append)
    following.close()
    following.close()
    assert heard == [SessionEnded("", "failed")]
