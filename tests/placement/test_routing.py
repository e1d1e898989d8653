"""Routing: never one who cannot, never one who is gone; fair to the rest, and the same again."""

from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicechat.errors import NoReplica
from voicechat.metrics import Metrics
from voicechat.placement import Replica, Routed, Router, Wish
from voicechat.placement.replicas import lacking
from voicechat.placement.routing import NAMES, STRATEGIES, Strategy
from voicechat.protocols import Capabilities

ALL: tuple[Strategy, ...] = get_args(Strategy)
PLAIN = Capabilities(streaming=True, languages=("en-GB",))


def replica(name: str, capabilities: Capabilities = PLAIN, **state: object) -> Replica:
    made = Replica(name, "piper", "cpu", capabilities, voices=("amy",))
    for key, value in state.items():
        setattr(made, key, value)
    return made


def chosen(router: Router, replicas: list[Replica], times: int, wish: Wish | None = None) -> Counter[str]:
    """How often each was chosen, when every job ends before the next."""
    return Counter(router.choose(replicas, wish or Wish(), 0.0).replica.name for _ in range(times))


@pytest.mark.parametrize(
    ("wish", "missing"),
    [
        (Wish(), ""),
        (Wish(language="en"), ""),
        (Wish(language="en-GB"), ""),
        (Wish(language="en_gb"), ""),
        (Wish(language="en-US"), "language"),
        (Wish(language="de-AT"), ""),  # it speaks German of no region
        (Wish(language="zh-Hans-CN"), ""),
        (Wish(language="zh"), ""),
        (Wish(language="zh-Hant"), "language"),
        (Wish(language="e"), "language"),
        (Wish(streaming=True), ""),
        (Wish(cloning=True), "cloning"),
        (Wish(lora=True), "lora"),
        (Wish(device="cuda"), ""),
        (Wish(device="cuda:1"), ""),
        (Wish(device="cuda:0"), "device"),
        (Wish(device="cpu"), "device"),
        (Wish(engine="piper"), ""),
        (Wish(engine="pip*"), ""),
        (Wish(engine="pip"), "engine"),
        (Wish(engine="espeak"), "engine"),
        (Wish(voice="amy"), ""),
        (Wish(voice="piper-amy"), ""),
        (Wish(voice="piper-*"), ""),
        (Wish(voice="en_US-*"), "voice"),
        (Wish(voice="*"), ""),
        (Wish(voice="bob"), "voice"),
        (Wish(engine="espeak", language="fr"), "engine"),
    ],
)
def test_wish_is_met_or_the_first_thing_lacking_is_named(wish: Wish, missing: str) -> None:
    can = Capabilities(streaming=True, languages=("en-GB", "de", "zh-Hans"))
    assert lacking(Replica("one", "piper", "cuda:1", can, voices=("amy",)), wish) == missing


def test_nothing_that_fits_is_an_error_with_the_count_of_each_reason() -> None:
    french = Capabilities(streaming=False, languages=("fr",))
    replicas = [replica("a"), replica("b"), replica("c", french), replica("d", seen=-61.0)]
    with pytest.raises(NoReplica) as caught:
        Router().choose(replicas, Wish(language="fr", streaming=True), 0.0)
    assert caught.value.code == "no_replica"
    assert caught.value.excluded == {"language": 3, "streaming": 1}
    assert caught.value.message == "no replica of 4 fits; left out by language: 3, streaming: 1"
    with pytest.raises(NoReplica, match="there is none"):
        Router().choose([], Wish(), 0.0)


def test_replica_without_a_sign_of_life_is_left_out_until_it_gives_one() -> None:
    quiet = replica("quiet", seen=0.0)
    assert Router().choose([quiet], Wish(), 60.0).replica is quiet
    with pytest.raises(NoReplica, match="stale: 1"):
        Router().choose([quiet], Wish(), 60.1)
    quiet.seen = 60.1
    assert Router().choose([quiet], Wish(), 60.1).replica is quiet
    with pytest.raises(NoReplica):
        Router(stale_seconds=1.0).choose([quiet], Wish(), 62.0)


def test_resident_goes_before_loadable_and_free_before_busy() -> None:
    replicas = [
        replica("cold", resident=False),
        replica("cold and busy", resident=False, in_flight=1),
        replica("busy", waiting=1),
        replica("free"),
    ]
    order = []
    while replicas:
        decision = Router().choose(replicas, Wish(), 0.0)
        order.append((decision.replica.name, decision.routed.outcome))
        replicas.remove(decision.replica)
    assert order == [("free", "chosen"), ("busy", "chosen"), ("cold", "cold"), ("cold and busy", "cold")]


def test_caller_stays_with_their_replica_while_it_has_room() -> None:
    own, other = replica("own", in_flight=1, capacity=2), replica("other", capacity=2)
    assert Router().choose([own, other], Wish(), 0.0, bound="own").replica is own
    own.waiting = 1
    decision = Router().choose([own, other], Wish(), 0.0, bound="own")
    assert (decision.replica, decision.routed.affinity) == (other, "moved")


@pytest.mark.parametrize("state", [{"seen": -61.0}, {"resident": False}, {"capabilities": Capabilities(True, ("fr",))}])
def test_caller_leaves_a_replica_that_is_gone_or_cannot_do_it(state: dict[str, object]) -> None:
    capabilities = state.pop("capabilities", PLAIN)
    assert isinstance(capabilities, Capabilities)
    own, other = replica("own", capabilities, **state), replica("other")
    decision = Router().choose([own, other], Wish(language="en"), 0.0, bound="own")
    assert (decision.replica, decision.routed.affinity) == (other, "moved")


def test_caller_whose_replica_is_not_there_any_more_gets_another() -> None:
    decision = Router().choose([replica("other")], Wish(), 0.0, bound="own")
    assert (decision.replica.name, decision.routed.affinity) == ("other", "moved")


def test_fallback_speaks_where_no_other_can_but_only_the_language() -> None:
    can = Capabilities(streaming=False, languages=("fr",))
    espeak = Replica("espeak", "espeak", "cpu", can)
    router = Router(fallback="espeak")
    decision = router.choose([replica("piper"), espeak], Wish(language="fr", streaming=True, voice="piper-*"), 0.0)
    assert (decision.replica, decision.routed.outcome) == (espeak, "fallback")
    assert decision.routed.excluded == {"language": 1, "voice": 1}
    with pytest.raises(NoReplica):
        router.choose([replica("piper"), espeak], Wish(language="de"), 0.0)


def test_least_loaded_fills_by_capacity() -> None:
    replicas = [replica("small", capacity=2), replica("large", capacity=6)]
    router = Router("least_loaded")
    for _ in range(8):
        router.choose(replicas, Wish(), 0.0).replica.in_flight += 1
    assert [one.in_flight for one in replicas] == [2, 6]


def test_least_latency_weighs_the_queue_by_the_speed() -> None:
    fast, slow = replica("fast", factor=0.1, in_flight=2, capacity=4), replica("slow", factor=0.2, capacity=4)
    assert Router("least_latency").choose([fast, slow], Wish(), 0.0).replica is slow
    slow.in_flight = 1
    assert Router("least_latency").choose([fast, slow], Wish(), 0.0).replica is fast


def test_replica_that_was_never_measured_is_tried_and_not_flooded() -> None:
    known, new = replica("known", factor=0.5, capacity=9), replica("new", capacity=9)
    router = Router("least_latency")
    for _ in range(10):
        router.choose([known, new], Wish(), 0.0).replica.in_flight += 1
    assert (known.in_flight, new.in_flight) == (5, 5)


@pytest.mark.parametrize("strategy", ["least_loaded", "round_robin", "least_latency", "weighted"])
def test_equals_are_chosen_equally_often(strategy: Strategy) -> None:
    assert set(chosen(Router(strategy), [replica(f"{i}") for i in range(7)], 700).values()) == {100}


def test_chance_spreads_evenly_in_the_long_run() -> None:
    counts = chosen(Router("random", random=Random(7)), [replica(f"{i}") for i in range(8)], 40_000)
    assert max(abs(count / 5_000 - 1) for count in counts.values()) < 0.1


def test_one_that_comes_late_does_not_get_all_the_turns_it_missed() -> None:
    old, new = [replica("a"), replica("b")], replica("new")
    for strategy in ("round_robin", "weighted", "least_loaded"):
        router = Router(strategy)
        chosen(router, old, 1000)
        assert chosen(router, [*old, new], 30)["new"] <= 11


def test_one_that_was_away_does_not_get_all_the_turns_it_missed() -> None:
    replicas = [replica("a"), replica("b"), replica("away")]
    router = Router("weighted")
    chosen(router, replicas, 30)
    chosen(router, replicas[:2], 1000)
    assert chosen(router, replicas, 30)["away"] <= 11


def test_turns_of_callers_who_stay_count_as_the_replicas_share() -> None:
    replicas = [replica("a"), replica("b")]
    router = Router("weighted")
    for _ in range(10):
        router.choose(replicas, Wish(), 0.0, bound="a")
    assert chosen(router, replicas, 10) == {"b": 10}


def test_names_of_replicas_that_have_gone_are_forgotten() -> None:
    router = Router("weighted")
    for number in range(NAMES + 500):
        router.choose([replica(f"{number}")], Wish(), 0.0)
    assert len(router._turns.last) == len(router._turns.due) == NAMES


def test_impossible_replica_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity 0"):
        Replica("none", "piper", "cpu", PLAIN, capacity=0)


def test_every_choice_is_counted() -> None:
    metrics = Metrics()
    router = Router(observers=[metrics.observe_routing], fallback="espeak")
    espeak = Replica("espeak", "espeak", "cpu", PLAIN)
    own = replica("own", capacity=2)
    router.choose([own], Wish(), 0.0, bound="own")
    router.choose([own, replica("cold", resident=False)], Wish(), 0.0, bound="lost")
    router.choose([own, espeak], Wish(cloning=True), 0.0)
    with pytest.raises(NoReplica):
        router.choose([own, own], Wish(language="fr"), 0.0)

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, labels)

    outcomes = ("chosen", "fallback", "none")
    counts = [
        value("voicechat_routing_decisions_total", strategy="least_loaded", outcome=outcome) for outcome in outcomes
    ]
    assert counts == [2, 1, 1]
    assert value("voicechat_routing_affinity_total", result="kept") == 1
    assert value("voicechat_routing_affinity_total", result="moved") == 1
    assert value("voicechat_routing_excluded_total", reason="cloning") == 2
    assert value("voicechat_routing_excluded_total", reason="language") == 2


# What holds for any replicas and wishes.

languages = st.sampled_from(["en", "en-GB", "en-US", "de", "fr-CA"])
capabilities = st.builds(
    Capabilities,
    streaming=st.booleans(),
    languages=st.lists(languages, max_size=3).map(tuple),
    zero_shot=st.booleans(),
    lora=st.booleans(),
)
states = st.fixed_dictionaries(
    {
        "resident": st.booleans(),
        "waiting": st.integers(0, 3),
        "in_flight": st.integers(0, 3),
        "factor": st.sampled_from([0.0, 0.1, 0.9]),
        "seen": st.sampled_from([0.0, 39.9, 40.0, 90.0]),
    }
)
kinds = st.tuples(
    st.sampled_from(["piper", "espeak"]),
    st.sampled_from(["cpu", "cuda:0", "cuda:1"]),
    capabilities,
    st.lists(st.sampled_from(["amy", "bob"]), max_size=2).map(tuple),
    st.integers(1, 4),
    st.sampled_from([0.5, 1.0, 3.0]),
)
fleets = st.lists(st.tuples(kinds, states), max_size=8)
wishes = st.builds(
    Wish,
    language=st.one_of(st.just(""), languages),
    streaming=st.booleans(),
    cloning=st.booleans(),
    lora=st.booleans(),
    device=st.sampled_from(["auto", "cpu", "cuda", "cuda:1"]),
    engine=st.sampled_from(["", "", "piper", "pip*", "xtts"]),
    voice=st.sampled_from(["", "", "amy", "piper-*"]),
)
bounds = st.sampled_from(["", "0", "1", "gone"])
strategies = st.sampled_from(ALL)
NOW = 100.0
Fleet = list[tuple[tuple[str, str, Capabilities, tuple[str, ...], int, float], Mapping[str, object]]]


def build(fleet: Fleet) -> list[Replica]:
    made = [Replica(str(number), *kind) for number, (kind, _) in enumerate(fleet)]
    for one, (_, state) in zip(made, fleet, strict=True):
        for key, value in state.items():
            setattr(one, key, value)
    return made


def capable(one: Replica, wish: Wish) -> bool:
    """Said over again, in other words than the code's."""
    can = one.capabilities
    tags = [tag.lower() for tag in can.languages]
    wanted = wish.language.lower()
    spoken = any(f"{tag}-".startswith(f"{wanted}-") or f"{wanted}-".startswith(f"{tag}-") for tag in tags)
    voices = {*one.voices, *(f"{one.engine}-{voice}" for voice in one.voices)}
    if one.engine == "piper" and voices:
        voices.add("piper-*")
    return (
        (not wanted or spoken)
        and can.streaming >= wish.streaming
        and can.zero_shot >= wish.cloning
        and can.lora >= wish.lora
        and (wish.device == "auto" or f"{one.device}:".startswith(f"{wish.device}:"))
        and (not wish.engine or one.engine == wish.engine or (wish.engine, one.engine) == ("pip*", "piper"))
        and (not wish.voice or wish.voice in voices)
    )


@given(strategies, fleets, st.lists(st.tuples(wishes, bounds), min_size=1, max_size=5))
def test_no_stale_and_no_incapable_replica_is_ever_chosen(
    strategy: Strategy, fleet: Fleet, asked: list[tuple[Wish, str]]
) -> None:
    replicas, router = build(fleet), Router(strategy)
    for wish, bound in asked:
        fit = [one for one in replicas if capable(one, wish) and NOW - one.seen <= 60.0]
        try:
            decision = router.choose(replicas, wish, NOW, bound)
        except NoReplica as error:
            assert not fit
            assert sum(error.excluded.values()) == len(replicas)
        else:
            assert decision.replica in fit
            assert decision.replica.resident or not any(one.resident for one in fit)
            decision.replica.in_flight += 1


@given(strategies, fleets, wishes)
def test_own_replica_is_kept_exactly_while_it_is_alive_fit_and_has_room(
    strategy: Strategy, fleet: Fleet, wish: Wish
) -> None:
    for own in build(fleet):
        try:
            decision = Router(strategy).choose([own, *build(fleet)[: int(own.name)]], wish, NOW, own.name)
        except NoReplica:
            continue
        room = own.waiting + own.in_flight < own.capacity
        if own.resident and own.seen >= 40.0 and room and capable(own, wish):
            assert decision.replica is own
        assert (decision.routed.affinity == "kept") == (decision.replica is own)


@given(strategies, fleets, st.lists(wishes, max_size=20), st.integers(0, 3))
def test_same_seed_gives_the_same_choices(strategy: Strategy, fleet: Fleet, asked: list[Wish], seed: int) -> None:
    def play() -> list[str]:
        replicas, router, names = build(fleet), Router(strategy, random=Random(seed)), []
        for wish in asked:
            try:
                one = router.choose(replicas, wish, NOW).replica
            except NoReplica:
                names.append("")
            else:
                one.in_flight += 1
                names.append(one.name)
        return names

    assert play() == play()


@given(strategies, fleets, wishes)
def test_choosing_changes_no_replica_and_tells_once(strategy: Strategy, fleet: Fleet, wish: Wish) -> None:
    told: list[Routed] = []
    replicas = build(fleet)
    before = [repr(one) for one in replicas]
    try:
        routed = [Router(strategy, observers=[told.append]).choose(replicas, wish, NOW).routed]
    except NoReplica:
        assert [one.outcome for one in told] == ["none"]
    else:
        assert told == routed
    assert [repr(one) for one in replicas] == before


@given(st.lists(st.sampled_from([0.5, 1.0, 2.0, 3.0]), min_size=1, max_size=6), st.integers(1, 300))
def test_weighted_gives_each_its_share_at_any_time(weights: list[float], times: int) -> None:
    replicas = [Replica(str(i), "piper", "cpu", PLAIN, weight=weight) for i, weight in enumerate(weights)]
    counts = chosen(Router("weighted"), replicas, times)
    shares = [counts[one.name] / one.weight for one in replicas]
    for one, share in zip(replicas, shares, strict=True):
        for other, theirs in zip(replicas, shares, strict=True):
            assert abs(share - theirs) <= 1 / one.weight + 1 / other.weight + 1e-9


@given(st.sampled_from(["least_loaded", "round_robin"]), st.integers(1, 9), st.integers(1, 200))
def test_no_equal_is_chosen_twice_more_than_another(strategy: Strategy, many: int, times: int) -> None:
    replicas = [replica(f"{i}") for i in range(many)]
    counts = chosen(Router(strategy), replicas, times)
    assert max(counts.values()) - min(counts[one.name] for one in replicas) <= 1


def test_every_strategy_of_the_settings_is_there() -> None:
    assert set(STRATEGIES) == set(ALL)
