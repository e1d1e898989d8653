"""A voice in an answer's last words, on virtual time: the next turn's, of an answer that was heard to its end."""

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest

from tests.fakes import RATE, ScriptedAgent, ScriptedAsr, ScriptedTts, loud
from tests.scripted_call import LONG, Call, converse, of, texts, until
from voicechat.audio import FRAME_SECONDS
from voicechat.config import BargeInSettings, Settings, TurnSettings
from voicechat.conversation import ItemStatus
from voicechat.events import ReplyAudible, ReplyFinished, ReplyPaused, ReplyStatus, SpeechStarted, TranscriptFinal
from voicechat.protocols import Speech

WORDS_SECONDS = 60 * 0.06
TAIL_SECONDS = 0.34


class Tailed(ScriptedTts):
    """The last clause ends in silence, as espeak's do."""

    def synthesize(self, text: str, voice: str, speed: float = 1.0) -> Iterator[Speech]:
        yield from super().synthesize(text, voice, speed)
        for _ in range(round(TAIL_SECONDS / FRAME_SECONDS) if LONG.endswith(text.split()[-1]) else 0):
            yield Speech(np.zeros(round(RATE * FRAME_SECONDS), np.int16), "")


def call_of(**knobs: float) -> Call:
    barge_in = BargeInSettings(note="You were interrupted.")
    return Call(
        asr=ScriptedAsr("hello", "yes please"),
        agent=ScriptedAgent([LONG, "here it is"]),
        tts=Tailed(),
        settings=Settings(turn=TurnSettings.model_validate({"barge_in": barge_in, **knobs})),
    )


def say(call: Call, *, at: float, seconds: float = 0.3) -> Call:
    """The caller speaks so long after the answer's last word, or before it."""

    async def caller(call: Call) -> None:
        call.peer.hears(loud(0.5))
        await until(call, ReplyAudible)
        await asyncio.sleep(WORDS_SECONDS + at)
        call.peer.hears(loud(seconds))
        await until(call, TranscriptFinal, 2)
        await until(call, ReplyFinished, 2)
        call.peer.hangs_up()

    return converse(call, caller)


@pytest.mark.parametrize("at", [-0.15, 0.05, 0.2])
@pytest.mark.parametrize("seconds", [0.16, 0.3, 1.5])
def test_it_is_the_next_turn(at: float, seconds: float) -> None:
    call = say(call_of(), at=at, seconds=seconds)
    assert of(call, ReplyPaused) == []
    assert [reply.status for reply in of(call, ReplyFinished)] == [ReplyStatus.COMPLETED] * 2
    assert call.session.history[1].status is ItemStatus.COMPLETED
    assert texts(call) == [("user", "hello"), ("assistant", LONG), ("user", "yes please"), ("assistant", "here it is")]
    assert call.agent.asked[1] == texts(call)[:3], "the agent is told of no interruption"
    assert len(of(call, SpeechStarted)) == 2
    assert call.asr.heard[1] >= 0.3 + seconds, "all of it is understood"


def test_a_voice_before_them_is_none_of_the_next_turn() -> None:
    call = say(call_of(), at=-0.5, seconds=0.8)
    assert len(of(call, ReplyPaused)) == 1
    assert of(call, ReplyFinished)[0].status is ReplyStatus.CANCELLED


@pytest.mark.parametrize(("last_words", "at"), [(1.0, -0.9), (0.5, -0.4), (0.0, 0.05)])
def test_they_are_as_long_as_configured_however_little_is_queued(last_words: float, at: float) -> None:
    call = call_of(last_words=last_words)
    say(call, at=at)
    assert of(call, ReplyPaused) == []
    assert texts(call)[1:3] == [("assistant", LONG), ("user", "yes please")]
    assert call.asr.heard[1] >= 0.3 + 0.3


def test_words_are_not_the_last_while_the_agent_may_say_more() -> None:
    call = call_of(last_words=1.0)
    call.agent.delay = 0.058  # the last word comes when its time has come
    say(call, at=-0.6, seconds=0.8)
    assert of(call, ReplyFinished)[0].status is ReplyStatus.CANCELLED
