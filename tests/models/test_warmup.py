"""New engines work once before anybody waits for them."""

import pytest

from tests import virtual_time
from tests.fakes import InlineLane, ScriptedAsr, ScriptedTts
from voicechat.errors import EngineFailed
from voicechat.models import warmup


def test_voice_speaks_to_its_end() -> None:
    engine = ScriptedTts()
    virtual_time.run(warmup.speak(engine, InlineLane()))
    assert (engine.said, engine.working) == (["Hello."], 0)


def test_recogniser_hears_some_quiet_and_keeps_nothing() -> None:
    engine = ScriptedAsr("")
    virtual_time.run(warmup.listen(engine, InlineLane()))
    assert (engine.heard, engine.open_streams) == ([0.5], 0)


def test_recogniser_that_fails_keeps_nothing_either() -> None:
    engine = ScriptedAsr("!")
    with pytest.raises(EngineFailed):
        virtual_time.run(warmup.listen(engine, InlineLane()))
    assert engine.open_streams == 0
