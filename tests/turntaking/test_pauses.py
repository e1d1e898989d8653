"""The caller's own pauses, by tables."""

import pytest

from voicechat.turntaking.pauses import MOST_CARE, USUAL_PAUSE, Pauses, quantile


def after(*seconds: float) -> Pauses:
    pauses = Pauses()
    for pause in seconds:
        pauses.add(pause)
    return pauses


def test_a_stranger_pauses_as_most_do() -> None:
    assert Pauses().usual == USUAL_PAUSE


def test_one_long_pause_changes_little() -> None:
    assert after(2.5).usual < 1.2 * USUAL_PAUSE + 0.1


def test_who_pauses_long_is_soon_known() -> None:
    assert after(0.6, 0.7, 0.9, 0.6).usual > 0.6


def test_who_hardly_pauses_is_known_too() -> None:
    assert after(*[0.12] * 20).usual < USUAL_PAUSE


def test_old_pauses_are_forgotten() -> None:
    assert after(*[1.5] * 30, *[0.15] * 30).usual < USUAL_PAUSE


@pytest.mark.parametrize("seconds", [0.0, 0.08, 3.5, 60.0])
def test_holes_in_words_and_long_absences_are_no_pauses(seconds: float) -> None:
    pauses = after(seconds)
    assert pauses.usual == USUAL_PAUSE
    assert pauses.expected == 0.0


def test_a_long_pause_is_expected_again_in_the_same_turn_only() -> None:
    pauses = after(1.2, 0.3)
    assert pauses.expected == pytest.approx(1.44)
    pauses.begin()
    assert pauses.expected == 0.0


def test_one_mistake_takes_many_good_turns_to_be_forgotten() -> None:
    pauses = Pauses()
    pauses.cut_off()
    good = 0
    while pauses.care > 1.0:
        pauses.finish()
        good += 1
    assert 20 <= good <= 25


def test_care_has_an_end() -> None:
    pauses = Pauses()
    for _ in range(50):
        pauses.cut_off()
    assert pauses.care == MOST_CARE


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 2.0), (0.75, 2.5), (1.0, 3.0)])
def test_quantiles_lie_between_neighbours(share: float, value: float) -> None:
    assert quantile((3.0, 1.0, 2.0), share) == value
