"""One utterance and its recogniser: what is taken is given back."""

import asyncio
from collections.abc import Callable

import pytest

from tests.fakes import InlineLane, ScriptedAsr, loud
from voicechat.audio import LISTEN_RATE, AudioFrame
from voicechat.conversation import Transcript
from voicechat.errors import EngineFailed
from voicechat.utterance import Utterance


def spoken(expected: Callable[[Transcript], None]) -> Utterance:
    utterance = Utterance("item", limit=10.0, partial=lambda _: None, expected=expected)
    utterance.hear(AudioFrame(loud(0.06), LISTEN_RATE))
    return utterance


async def test_an_expected_end_is_understood_though_little_sound_is_new() -> None:
    told: list[Transcript] = []
    utterance, engine = spoken(told.append), ScriptedAsr("hello")
    utterance.expect()
    recognising = asyncio.create_task(utterance.recognise(engine, InlineLane(), None))
    await asyncio.sleep(0.05)
    assert [transcript.text for transcript in told] == ["hello"]
    assert not recognising.done()
    utterance.end()
    assert (await recognising).text == "hello"
    assert len(told) == 1
    assert engine.heard == [0.06]


@pytest.mark.parametrize("then", [Utterance.go_on, Utterance.end, Utterance.forget])
async def test_what_was_expected_and_is_overtaken_is_not_told(then: Callable[[Utterance], None]) -> None:
    utterance = spoken(lambda transcript: pytest.fail("too late"))
    utterance.expect()
    recognising = asyncio.create_task(utterance.recognise(ScriptedAsr("hello"), InlineLane(0.02), None))
    await asyncio.sleep(0.05)  # opened, heard, and in the peek
    then(utterance)
    await asyncio.sleep(0.05)
    utterance.end()
    await recognising


class BusyLane(InlineLane):
    """Has so much to do that what nobody waits for is not done yet."""

    def post(self, call: Callable[[], object]) -> None:
        pass


@pytest.mark.parametrize("text", ["hello", "!"])
async def test_the_engine_has_its_stream_back_before_the_transcript_is_known(text: str) -> None:
    engine = ScriptedAsr(text)
    utterance = Utterance("item", limit=10.0, partial=lambda _: None)
    utterance.hear(AudioFrame(loud(0.2), LISTEN_RATE))
    utterance.end()
    try:
        transcript = await utterance.recognise(engine, BusyLane(), None)
    except EngineFailed:
        assert text == "!"
    else:
        assert transcript.text == text
    assert engine.open_streams == 0


async def test_a_forgotten_utterance_is_not_recognised_to_its_end() -> None:
    engine = ScriptedAsr("never")
    utterance = Utterance("item", limit=10.0, partial=lambda _: pytest.fail("nobody wants to know"))
    utterance.hear(AudioFrame(loud(0.2), LISTEN_RATE))
    utterance.forget()
    await utterance.recognise(engine, InlineLane(), None)
    assert (engine.texts, engine.open_streams) == (["never"], 0)
