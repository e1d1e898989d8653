"""The scenes' own promises, and bounds on what the product does in a few of each kind."""

from collections import defaultdict
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from tests.turns import corpus, noises, voices
from voicechat import logs
from voicechat.audio import FRAME_SECONDS, LISTEN_RATE
from voicechat.config import LogSettings, Settings
from voicechat.rehearsal.play import Rehearsed, rehearse
from voicechat.rehearsal.score import Deed, Score, judge, percentile

EACH = 8
"""Scenes of a category: half a minute of processor time for all would be too much for a test."""


@pytest.mark.parametrize("make", [*noises.COUGHS, *noises.OTHERS.values()])
def test_a_noise_is_always_the_same_and_never_alike(make: object) -> None:
    assert callable(make)
    one, again, other = (make(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one[:1000], other[:1000])
    assert np.isfinite(one).all()


def test_a_scene_is_always_the_same() -> None:
    one, again = (next(iter(corpus.CATEGORIES["cough"]("tune"))) for _ in range(2))
    assert np.array_equal(one.scene.sound, again.scene.sound)
    assert one.labels == again.labels


@pytest.mark.parametrize("category", ["cough", "stop word", "echo"])
@pytest.mark.parametrize("half", corpus.HALVES)
def test_synthetic_scenes_need_no_clips(category: str, half: str) -> None:
    takes = list(islice(corpus.CATEGORIES[category](half), 3))
    assert len(takes) == 3
    for take in takes:
        assert take.labels[0].end <= take.scene.seconds
        assert np.abs(take.scene.sound).max() > 5


def test_halves_share_no_voice_and_no_clip(speech: Path) -> None:
    tune, report = ({utterance.name for utterance in corpus.utterances(half)} for half in corpus.HALVES)
    assert tune and report and not tune & report
    assert not set(corpus.NOISES["tune"]) & set(corpus.NOISES["report"])
    spoken = [{(speaker.program, speaker.voice) for speaker in voices.speakers(half)} for half in corpus.HALVES]
    assert not spoken[0] & spoken[1]


def test_utterances_begin_and_end_with_speech(speech: Path) -> None:
    jfk = next(utterance for utterance in corpus.utterances("report") if utterance.name == "jfk-0")
    assert len(jfk.sound) / 16_000 == pytest.approx(10.3, abs=0.3)
    assert [pause > 1.0 for pause in jfk.pauses] == [True, False, True, False]


def test_what_is_promised_of_turn_taking_holds_for_a_few_scenes_of_each_kind(speech: Path) -> None:
    scores, leaving = _scores(Settings(), "report")
    heard = scores["interruption"]
    assert heard.missed <= 2
    assert (percentile(heard.pauses, 0.5) or 9) <= 0.1
    assert (percentile(heard.commits, 0.5) or 9) <= 0.6
    for category in ("noise", "cough", "back-channel", "echo"):
        assert scores[category].harmless >= EACH // 2, category
        assert scores[category].false_commits <= 1, category
    assert scores["no pauses"].cut_off <= 1
    assert (percentile(scores["no pauses"].waits, 0.5) or 9) <= 0.6
    assert all(score.unended <= score.missed for score in scores.values()), "what was not missed was heard out"
    assert len(leaving) >= EACH and max(leaving) <= 0.02, "it is silent as soon as it is held"


def _scores(settings: Settings, half: str) -> tuple[dict[str, Score], list[float]]:
    """Of every n-th scene of each category, so that each condition and voice has its turn; and for each time an answer
    was held, how many seconds of its sound left after that."""
    logs.configure(LogSettings(level="error"))
    takes = []
    for category in ("interruption", "noise", "cough", "back-channel", "echo", "no pauses"):
        known = corpus.of(category, half)
        takes += known[:: max(1, len(known) // EACH) + 1]
    scores: dict[str, Score] = defaultdict(Score)
    leaving = []
    for take, found in zip(takes, rehearse(settings, [take.scene for take in takes]), strict=True):
        scores[take.category] += judge(take.labels, found.moments, found.voiced)
        leaving += [_leaving(found, moment.at) for moment in found.moments if moment.deed is Deed.PAUSED]
    return scores, leaving


def _leaving(found: Rehearsed, at: float) -> float:
    """Seconds of sound between that moment and the next silence, of half a frame or more."""
    seconds = 0.0
    for frame in found.played[round(at / FRAME_SECONDS) :]:
        sounding = np.flatnonzero(frame) if frame is not None else np.zeros(0, np.int64)
        until = 0 if len(sounding) == 0 else int(sounding[-1]) + 1
        seconds += until / LISTEN_RATE
        if frame is None or until < len(frame) // 2:
            break
    return seconds
