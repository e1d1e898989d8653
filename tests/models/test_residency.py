"""Which models make room for others, and which are let go."""

import pytest

from voicechat.models.residency import Limits, Resident, expired, surplus


def models(*texts: str) -> list[Resident]:
    """Each as "name device bytes used", with a star behind the name of one that must stay."""
    parts = [text.split() for text in texts]
    return [
        Resident("tts", name.rstrip("*"), device, int(size), float(used), not name.endswith("*"))
        for name, device, size, used in parts
    ]


@pytest.mark.parametrize(
    ("limits", "held", "going"),
    [
        (Limits(), ["a cpu 9 1", "b cpu 9 2"], ""),
        (Limits(cap=2), ["a cpu 1 2", "b cpu 1 1", "c cpu 1 3"], "b"),
        (Limits(cap=1), ["a cpu 1 2", "b cpu 1 1", "c cpu 1 3"], "ba"),
        (Limits(cap=1), ["a* cpu 1 2", "b cpu 1 1", "c* cpu 1 3"], "b"),
        (Limits(cap=1), ["a* cpu 1 2", "b* cpu 1 1"], ""),
        (Limits(budget=3), ["a cpu 2 1", "b cpu 1 2", "c cpu 1 3"], "a"),
        (Limits(budget=3), ["a cpu 1 1", "b* cpu 2 2", "c cpu 2 3"], "ac"),
        (Limits(budget=3), ["a cpu 0 1", "b cpu 2 2", "c cpu 2 3"], "b"),  # what nobody measured is no help
        (Limits(budget=3), ["a cpu 3 1", "b cuda:0 3 2", "c cuda:1 3 3"], ""),
        (Limits(budget=3), ["a cpu 3 1", "b cuda:0 3 2", "c cuda:0 3 3"], "b"),
        (Limits(cap=2, budget=3), ["a cpu 1 1", "b cuda:0 3 2", "c cuda:0 3 3"], "b"),
        (Limits(cap=1, budget=3), ["a cpu 1 1", "b cuda:0 3 2", "c cuda:0 3 3"], "ba"),
    ],
)
def test_least_recently_used_go_until_the_limits_hold(limits: Limits, held: list[str], going: str) -> None:
    assert "".join(one.name for one in surplus(models(*held), limits)) == going


def test_what_was_not_used_for_long_goes_and_what_must_stay_stays() -> None:
    held = models("a cpu 1 0", "b cpu 1 5", "c* cpu 1 0")
    assert [one.name for one in expired(held, Limits(ttl=10), 10.0)] == ["a"]
    assert [one.name for one in expired(held, Limits(ttl=10), 15.0)] == ["a", "b"]
    assert expired(held, Limits(ttl=None), 1e9) == []
