"""Small scenes of synthetic sound, played to the whole house on virtual time."""

import numpy as np
import pytest

from tests.turns import mixing, noises
from tests.turns.voices import say
from voicechat import config, logs
from voicechat.audio import LISTEN_RATE, Samples, level, silence
from voicechat.config import LogSettings, Settings
from voicechat.errors import VoicechatError
from voicechat.rehearsal.loudspeaker import Echo
from voicechat.rehearsal.play import UNRECOGNISED, rehearse
from voicechat.rehearsal.score import Deed
from voicechat.rehearsal.tape import Scene

SETTINGS = Settings(log=LogSettings(level="error"))


@pytest.fixture(autouse=True)
def few_logs() -> None:
    logs.configure(SETTINGS.log)


def spoken(text: str, *, after: float = 0.0) -> Samples:
    """In the synthetic voice, after so many seconds of silence, with half a second after it."""
    speech = mixing.trimmed(say(text))
    return np.concatenate((silence(after, LISTEN_RATE), speech, silence(0.5, LISTEN_RATE)))


def deeds(scene: Scene, settings: Settings = SETTINGS) -> list[Deed]:
    (found,) = rehearse(settings, [scene])
    return [moment.deed for moment in found.moments]


def test_a_bot_that_nobody_interrupts_speaks_as_long_as_it_wants_to() -> None:
    (found,) = rehearse(SETTINGS, [Scene(silence(4.0, LISTEN_RATE), ((0.5, 3.0),))])
    assert [moment.deed for moment in found.moments] == [Deed.SPOKE, Deed.FELL_SILENT]
    assert [moment.at for moment in found.moments] == pytest.approx([0.5, 3.0], abs=0.06)
    assert sum(frame is not None for frame in found.played) == pytest.approx(125, abs=5)
    assert not found.voiced.any()


def test_speech_is_a_turn_that_ends_after_it() -> None:
    sound = spoken("Where can I see the dinosaurs?", after=1.0)
    (found,) = rehearse(SETTINGS, [Scene(sound)])
    assert [moment.deed for moment in found.moments] == [Deed.BEGAN, Deed.ENDED, Deed.UNDERSTOOD]
    began, ended, understood = found.moments
    assert 1.0 < began.at < 1.5
    assert len(sound) / LISTEN_RATE - 0.5 < ended.at < len(sound) / LISTEN_RATE + 1.5
    assert understood.text == UNRECOGNISED


def test_speech_over_the_bot_interrupts_it_and_the_bot_waits_for_its_end() -> None:
    scene = Scene(spoken("No, I wanted to know when the museum opens on Sundays.", after=1.5), ((0.2, 9.0),))
    found = deeds(scene)
    assert found[:4] == [Deed.SPOKE, Deed.PAUSED, Deed.COMMITTED, Deed.BEGAN]
    assert found.index(Deed.ENDED) < len(found) - found[::-1].index(Deed.SPOKE) - 1


def test_a_click_does_not_interrupt() -> None:
    clap = mixing.at_level(noises.slam(np.random.default_rng(1)), -20.0)
    ground = mixing.room(5.0, np.random.default_rng(2))
    mixing.lay(ground, clap, 2.0)
    found = deeds(Scene(mixing.samples(ground), ((0.2, 4.5),)))
    assert Deed.COMMITTED not in found
    assert found.count(Deed.PAUSED) == found.count(Deed.RESUMED)


def test_a_bot_that_ducks_goes_on_softly_over_a_click() -> None:
    clap = mixing.at_level(noises.slam(np.random.default_rng(1)), -20.0)
    ground = mixing.room(5.0, np.random.default_rng(2))
    mixing.lay(ground, clap, 2.0)
    ducking = config.changed(SETTINGS, {"turn.barge_in.first": "duck"}, "test")
    scene = Scene(mixing.samples(ground), ((0.2, 4.5),))
    assert deeds(scene, ducking) == [Deed.SPOKE, Deed.DUCKED, Deed.RESUMED, Deed.FELL_SILENT]


def test_a_bot_that_ducks_is_interrupted_as_soon_as_one_that_pauses() -> None:
    scene = Scene(spoken("No, I wanted to know when the museum opens on Sundays.", after=1.5), ((0.2, 9.0),))
    ducking = config.changed(SETTINGS, {"turn.barge_in.first": "duck"}, "test")
    (pauses,), (ducks,) = rehearse(SETTINGS, [scene]), rehearse(ducking, [scene])
    assert pauses.moments[1].at == ducks.moments[1].at and ducks.moments[1].deed is Deed.DUCKED
    commits = [[m.at for m in found.moments if m.deed is Deed.COMMITTED] for found in (pauses, ducks)]
    assert commits[0] == commits[1] != []


def test_a_setting_changes_what_happens() -> None:
    scene = Scene(spoken("Please go on.", after=0.5))
    (soon,) = rehearse(config.changed(SETTINGS, QUICK, "test"), [scene])
    (late,) = rehearse(config.changed(SETTINGS, PATIENT, "test"), [scene])
    ends = [next(moment.at for moment in found.moments if moment.deed is Deed.ENDED) for found in (soon, late)]
    assert ends[1] - ends[0] == pytest.approx(0.6, abs=0.05)


QUICK = {"turn.endpointing.adaptive": "false", "turn.silence": "0.2"}
PATIENT = {"turn.endpointing.adaptive": "false", "turn.silence": "0.8"}


def test_the_microphone_hears_the_loudspeaker_where_the_scene_says_so() -> None:
    silent = silence(3.0, LISTEN_RATE)
    quiet, echoed = rehearse(SETTINGS, [Scene(silent, ((0.2, 3.0),)), Scene(silent, ((0.2, 3.0),), Echo(0.0, 0.1))])
    assert level(np.concatenate([frame for frame in quiet.played if frame is not None])) > -40
    assert [moment.deed for moment in quiet.moments] == [Deed.SPOKE, Deed.FELL_SILENT]
    assert echoed.moments[0].deed is Deed.SPOKE


def test_scenes_come_out_the_same_every_time() -> None:
    scene = Scene(spoken("Tell me about the whale, and about the ship.", after=1.0), ((0.2, 6.0),))
    first, second = rehearse(SETTINGS, [scene, scene])
    (third,) = rehearse(SETTINGS, [scene])
    assert first.moments == second.moments == third.moments


def test_pocketsphinx_may_listen_too() -> None:
    settings = config.changed(SETTINGS, {"asr.engine": "pocketsphinx"}, "test")
    (found,) = rehearse(settings, [Scene(spoken("Where can I see the dinosaurs?", after=0.5))], recognises=True)
    (understood,) = [moment for moment in found.moments if moment.deed is Deed.UNDERSTOOD]
    assert understood.text.startswith("where can")
    ended = next(moment.at for moment in found.moments if moment.deed is Deed.ENDED)
    assert understood.at >= ended


def test_an_engine_that_cannot_be_loaded_is_told() -> None:
    settings = config.changed(SETTINGS, {"asr.engine": "whisper", "asr.whisper.model": "nowhere"}, "test")
    with pytest.raises(VoicechatError, match="nowhere"):
        rehearse(settings, [Scene(silence(0.1, LISTEN_RATE))], recognises=True)
