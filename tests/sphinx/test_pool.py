"""The pool with ears that only know whether they are closed."""

import threading
from typing import Any, cast

import pytest

from voicechat.errors import EngineFailed
from voicechat.sphinx.ears import Ears
from voicechat.sphinx.pool import Pool


class Maker:
    """Counts what it makes; `gate` holds back those after the first, `fails` breaks them."""

    def __init__(self) -> None:
        self.made: list[Any] = []
        self.gate = threading.Event()
        self.gate.set()
        self.fails = False

    def __call__(self) -> Ears:
        if self.made:
            self.gate.wait(5)
            if self.fails:
                raise EngineFailed("bad_model", "it broke")
        ears = type("FakeEars", (), {"closed": False, "close": lambda self: setattr(self, "closed", True)})()
        self.made.append(ears)
        return cast(Ears, ears)


@pytest.fixture
def maker() -> Maker:
    return Maker()


def wait_for_maker(pool: Pool) -> None:
    maker = pool._maker
    if maker is not None:
        maker.join(5)


def test_ears_come_back_and_are_lent_again(maker: Maker) -> None:
    pool = Pool(maker, 1)
    ears = pool.take()
    assert ears is maker.made[0] and pool.take() is None
    pool.give(ears)
    assert pool.take() is ears
    assert len(maker.made) == 1


def test_more_are_made_in_the_background_up_to_the_limit(maker: Maker) -> None:
    pool = Pool(maker, 2)
    maker.gate.clear()
    assert pool.take() is not None
    assert pool.take() is None and pool.take() is None
    maker.gate.set()
    wait_for_maker(pool)
    assert pool.take() is maker.made[1]
    assert pool.take() is None and len(maker.made) == 2


def test_an_utterance_that_ends_gets_a_spare_that_is_dropped_after_use(maker: Maker) -> None:
    pool = Pool(maker, 1)
    first, spare = pool.take(), pool.take_now()
    assert first is not None and spare is maker.made[1]
    pool.give(spare)
    pool.give(first)
    assert [ears.closed for ears in maker.made] == [False, True]
    assert pool.take() is first


def test_an_utterance_that_ends_makes_one_set_and_keeps_it_within_the_limit(maker: Maker) -> None:
    pool = Pool(maker, 2)
    first, second = pool.take_now(), pool.take_now()
    wait_for_maker(pool)
    assert maker.made == [first, second]
    pool.give(first)
    pool.give(second)
    assert [ears.closed for ears in maker.made] == [False, False]


def test_closing_frees_what_is_there_and_later_what_comes_back(maker: Maker) -> None:
    pool = Pool(maker, 2)
    lent = pool.take()
    assert lent is not None
    pool.take()
    wait_for_maker(pool)
    pool.close()
    assert [ears.closed for ears in maker.made] == [False, True]
    pool.give(lent)
    assert all(ears.closed for ears in maker.made)


def test_a_failure_in_the_background_is_met_by_the_one_who_needs_ears(maker: Maker) -> None:
    pool = Pool(maker, 2)
    maker.fails = True
    lent = pool.take()
    assert lent is not None and pool.take() is None
    wait_for_maker(pool)
    with pytest.raises(EngineFailed):
        pool.take_now()
    wait_for_maker(pool)
    pool.give(lent)
    assert pool.take() is lent
