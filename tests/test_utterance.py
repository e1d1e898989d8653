"""One utterance and its recogniser: what is taken is given back."""

from collections.abc import Callable

import pytest

from tests.fakes import InlineLane, ScriptedAsr, loud
from voicechat.audio import LISTEN_RATE, AudioFrame
from voicechat.errors import EngineFailed
from voicechat.utterance import Utterance


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
