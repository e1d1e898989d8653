"""What a rehearsal was worth, by tables."""

import numpy as np
import pytest
from numpy.typing import NDArray

from voicechat.rehearsal.score import Deed, Label, Meaning, Moment, Score, judge, parse, percentile, supposed

SPEECH, INTERRUPTION = Meaning.SPEECH, Meaning.INTERRUPTION
QUIET = np.zeros(500, np.bool_)


def voiced_from(second: float) -> NDArray[np.bool_]:
    return np.arange(500) >= round(second * 50)


def moments(*pairs: tuple[float, Deed]) -> list[Moment]:
    return [Moment(at, deed) for at, deed in pairs]


def test_labels_are_read_as_audacity_writes_them() -> None:
    text = "\ufeff1.5\t2.5\tspeech\n\\\t100.0\t4000.0\n\n0,250000\t1,0\t Noise \r\n"
    assert parse(text) == (Label(0.25, 1.0, Meaning.NOISE), Label(1.5, 2.5, SPEECH))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1\t2\tspeech\n1 2 speech", "line 2: found '1 2 speech'; start, end and name between tabs are expected"),
        ("a\t2\tspeech", "line 1: found 'a' and '2'; seconds are expected"),
        ("2\t1\tspeech", "line 1: found 2 to 1; a label ends after it starts"),
        ("1\tnan\tspeech", "line 1: found 1 to nan; a label ends after it starts"),
        ("1\t2\tsinging", "line 1: found 'singing'; allowed: speech, interruption, backchannel, noise, bot"),
    ],
)
def test_a_bad_label_is_told_with_its_line(text: str, says: str) -> None:
    with pytest.raises(ValueError) as error:
        parse(text)
    assert str(error.value) == says


def test_an_end_in_a_pause_gives_an_answer_time_until_the_caller_goes_on() -> None:
    done = moments((1.1, Deed.BEGAN), (1.8, Deed.ENDED), (1.9, Deed.BEGAN), (2.2, Deed.ENDED), (2.5, Deed.BEGAN))
    assert judge([Label(1.0, 3.0, SPEECH)], done, QUIET).openings == pytest.approx([0.3])


def test_an_end_after_which_nobody_is_heard_gives_it_all_the_time() -> None:
    done = moments((1.1, Deed.BEGAN), (2.7, Deed.ENDED))
    assert judge([Label(1.0, 3.0, SPEECH)], done, QUIET).openings == [float("inf")]


@pytest.mark.parametrize(
    ("ends", "score"),
    [
        pytest.param([3.4], Score(utterances=1, waits=[0.4]), id="ended after its end"),
        pytest.param([2.0, 3.4], Score(utterances=1, cut_off=1), id="ended in a pause"),
        pytest.param([], Score(utterances=1, unended=1), id="never ended"),
        pytest.param([2.95], Score(utterances=1, waits=[0.0]), id="ended as labelled, nearly"),
        pytest.param([5.5], Score(utterances=1, unended=1), id="ended with the next one"),
    ],
)
def test_an_utterance(ends: list[float], score: Score) -> None:
    labels = [Label(1.0, 3.0, SPEECH), Label(5.0, 6.0, Meaning.BACKCHANNEL)]
    found = judge(labels, moments((1.1, Deed.BEGAN), *((at, Deed.ENDED) for at in ends)), QUIET)
    assert found.waits == pytest.approx(score.waits)
    assert (found.utterances, found.cut_off, found.unended) == (score.utterances, score.cut_off, score.unended)


def over_the_bot(*pairs: tuple[float, Deed], meaning: Meaning = INTERRUPTION) -> Score:
    return judge([Label(2.0, 3.0, meaning)], moments((0.5, Deed.SPOKE), *pairs), voiced_from(2.1))


def test_times_of_an_interruption_count_from_its_first_voiced_frame() -> None:
    score = over_the_bot((2.18, Deed.PAUSED), (2.4, Deed.COMMITTED), (2.4, Deed.BEGAN))
    assert (score.interruptions, score.missed) == (1, 0)
    assert score.pauses == pytest.approx([0.08])
    assert score.commits == pytest.approx([0.3])


def test_an_onset_in_a_noise_that_is_voiced_counts_apart() -> None:
    always = np.ones(500, np.bool_)
    pairs = moments((0.5, Deed.SPOKE), (2.15, Deed.PAUSED), (2.4, Deed.COMMITTED))
    score = judge([Label(2.0, 3.0, INTERRUPTION)], pairs, always)
    assert score.pauses == []
    assert score.noisy_pauses == pytest.approx([0.15])


def test_an_interruption_without_a_commit_is_missed() -> None:
    score = over_the_bot((2.18, Deed.PAUSED), (2.5, Deed.RESUMED))
    assert (score.interruptions, score.missed, score.commits) == (1, 1, [])


def test_a_pause_that_was_there_already_is_no_wait() -> None:
    score = over_the_bot((1.9, Deed.PAUSED), (2.4, Deed.COMMITTED))
    assert score.pauses == [0.0]


def test_speech_when_the_bot_was_cut_before_is_no_interruption() -> None:
    score = over_the_bot((1.0, Deed.COMMITTED), (1.0, Deed.BEGAN), (3.3, Deed.ENDED))
    assert (score.interruptions, score.utterances) == (0, 1)


@pytest.mark.parametrize("meaning", [Meaning.NOISE, Meaning.BACKCHANNEL])
@pytest.mark.parametrize(("at", "false"), [(2.4, 1), (3.9, 1), (4.1, 0)])
def test_a_harmless_sound_that_interrupts_counts(meaning: Meaning, at: float, false: int) -> None:
    score = over_the_bot((2.2, Deed.PAUSED), (at, Deed.COMMITTED), meaning=meaning)
    assert (score.harmless, score.false_commits, score.false_pauses) == (1, false, 1)


def test_a_turn_that_nobody_began_counts() -> None:
    labels = [Label(1.0, 2.0, SPEECH), Label(4.0, 5.0, Meaning.NOISE)]
    assert judge(labels, moments((1.1, Deed.BEGAN), (4.2, Deed.BEGAN)), QUIET).false_starts == 1


def test_scores_add_up() -> None:
    total = Score(utterances=1, waits=[0.3]) + Score(utterances=2, waits=[0.1], missed=1)
    assert total == Score(utterances=3, waits=[0.3, 0.1], missed=1)


def test_utterances_are_supposed_between_long_silences() -> None:
    likely = np.zeros(500, np.float32)
    for start, end in ((50, 100), (120, 160), (210, 260), (400, 405)):
        likely[start:end] = 0.9
    assert supposed(likely) == (Label(1.0, 3.2, SPEECH), Label(4.2, 5.2, SPEECH))
    assert supposed(np.zeros(50, np.float32)) == ()


@pytest.mark.parametrize(("share", "value"), [(0.5, 2.0), (0.95, 4.0), (0.0, 1.0), (1.0, 4.0)])
def test_percentiles_are_values_that_were_measured(share: float, value: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == value
    assert percentile([], share) is None
