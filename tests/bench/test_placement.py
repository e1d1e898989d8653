"""What routing promises, on callers who come, speak and go on a clock of their own."""

import pytest

from bench.placement import costs, play
from voicechat.placement.routing import Strategy


@pytest.mark.parametrize("strategy", ["least_loaded", "round_robin", "least_latency", "weighted"])
def test_callers_stay_with_their_replica_and_the_load_is_even_all_the_same(strategy: Strategy) -> None:
    played = play(strategy, 16, 1800)
    assert played.replies > 10_000
    assert played.stayed >= 0.95
    assert played.stray <= 0.10


@pytest.mark.parametrize("strategy", ["least_loaded", "round_robin", "least_latency", "weighted"])
def test_load_of_callers_who_may_move_is_even(strategy: Strategy) -> None:
    played = play(strategy, 16, 600, affinity=False)
    assert played.affinity["kept"] == 0
    assert played.stray <= 0.01


def test_every_strategy_has_its_row_of_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.placement.CHOICES", 100)
    assert costs(8).row_count == 5
