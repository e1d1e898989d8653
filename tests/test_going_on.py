"""A turn ended too early, on virtual time: until an answer is heard the end is taken back, and nothing is lost."""

import pytest

from tests.fakes import InlineLane, ScriptedAgent, ScriptedAsr, loud, quiet
from tests.scripted_call import Call, converse, of, texts, until
from voicechat.events import InputCommitted, ReplyAudible, ReplyFinished, ReplyPaused, ReplyStatus

SLOW: float = 0.6
"""Seconds to the answer's first word."""


def call_of(*sounds: float) -> Call:
    """Speech and quiet in turn, to an agent that is slow."""
    call = Call(
        agent=ScriptedAgent(["of what", "once upon a time"], delay=SLOW),
        asr=ScriptedAsr("tell me", "a story"),
        lane=InlineLane(0.01),
    )

    async def caller(call: Call) -> None:
        for number, seconds in enumerate(sounds):
            call.peer.hears(quiet(seconds) if number % 2 else loud(seconds))
        await until(call, ReplyFinished, len(sounds) // 2)
        call.peer.hangs_up()

    return converse(call, caller)


@pytest.mark.parametrize("pause", [0.4, 0.5, 0.7])
def test_who_goes_on_before_the_answer_is_heard_is_answered_once_and_as_one(pause: float) -> None:
    call = call_of(1.0, pause, 0.5, 2.0)
    assert len(of(call, InputCommitted)) == 2, "the turn was over, and was not"
    assert len(of(call, ReplyAudible)) == 1
    assert call.agent.asked[-1] == [("user", "tell me\na story")]
    assert [reply.status for reply in of(call, ReplyFinished)] == [ReplyStatus.CANCELLED, ReplyStatus.COMPLETED]
    assert [text for role, text in texts(call) if role == "assistant" and text] == ["once upon a time"]


def test_the_answer_is_held_from_the_first_voiced_sound_on() -> None:
    call = call_of(1.0, 0.85, 0.5, 2.0)
    assert len(of(call, ReplyPaused)) == 1, "it would have begun while the caller spoke"
    assert len(of(call, ReplyAudible)) == 1
