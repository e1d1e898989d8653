import pytest

from voicechat.sphinx.phones import distance, is_phone

MUSEUM = "M Y UW Z IY AH M".split()


def test_the_same_phones_are_no_distance_apart() -> None:
    assert distance(MUSEUM, MUSEUM) == 0.0


def test_an_accent_is_nearer_than_another_word() -> None:
    accent = "M IY UW Z EY AH N".split()
    company = "K AH M P AH N IY".split()
    assert 0.0 < distance(MUSEUM, accent) < 0.25 < distance(MUSEUM, company)


@pytest.mark.parametrize(
    ("wanted", "heard", "cost"),
    [
        ("T", "D", 0.3),
        ("T", "M", 0.8),
        ("AA", "IY", 0.3),
        ("AA", "T", 1.0),
        ("T", "T AH", 0.5),
        ("T AH", "T", 0.25),
        ("T AH", "", 0.6),
    ],
)
def test_changes_cost_what_they_tell(wanted: str, heard: str, cost: float) -> None:
    assert distance(wanted.split(), heard.split()) == pytest.approx(cost)


def test_nothing_wanted_is_far_from_anything() -> None:
    assert distance([], MUSEUM) == 1.0


def test_silence_and_noise_are_no_phones() -> None:
    assert [is_phone(name) for name in ("AA", "NG", "SIL", "+SPN+")] == [True, True, False, False]
