"""Which replica speaks a reply.

What can be done at once goes before what must wait: a replica that is resident and has room, then one that is resident
and busy, then one that has to be loaded first. Among equals the strategy chooses. A caller's own replica goes before
all others while it can be heard at once, so their voice stays the same.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, Literal, TypeAlias

from voicechat.errors import NoReplica
from voicechat.placement.replicas import Replica, Wish, lacking

STALE_SECONDS: Final = 60.0

WISHES: Final = 64
"""So many different wishes are kept in mind. Callers' languages are in them, so there is no end of them."""

NAMES: Final = 4096
"""So many replicas, of those that are and those that were."""

Strategy: TypeAlias = Literal["least_loaded", "round_robin", "least_latency", "random", "weighted"]
Outcome: TypeAlias = Literal["chosen", "cold", "fallback", "none"]
Affinity: TypeAlias = Literal["kept", "moved", ""]


@dataclass(frozen=True, slots=True)
class Routed:
    """A choice as it is counted."""

    strategy: Strategy
    outcome: Outcome
    """chosen; cold: it must be loaded first; fallback: it cannot do all that was wished; none."""
    affinity: Affinity
    """Whether the caller stays with their replica; empty: they had none."""
    excluded: Mapping[str, int]
    """How many replicas were left out, by the first requirement each lacked; "stale": no sign of life."""


@dataclass(frozen=True, slots=True)
class Decision:
    replica: Replica
    routed: Routed


@dataclass(slots=True)
class Turns:
    """Who was chosen when and how often, to be fair among equals (start-time fair queueing)."""

    count: int = 0
    last: dict[str, int] = field(default_factory=dict)
    """For a replica's name, the number of the choice that took it last."""
    clock: float = 0.0
    due: dict[str, float] = field(default_factory=dict)
    """For a replica's name, when by its share it may be chosen again; on `clock`, which goes on as choices are made."""

    def longest_ago(self, pool: Sequence[Replica]) -> Replica:
        if len(pool) == 1:
            return pool[0]
        ages = [self.last.get(one.name, 0) for one in pool]
        return pool[ages.index(min(ages))]

    def most_due(self, pool: Sequence[Replica]) -> Replica:
        """The one that had the least of its share. One that is new, or was away, has no claim on what it missed."""
        clock = self.clock
        starts = [self.due.get(one.name, clock) for one in pool]
        least = self.clock = max(clock, min(starts))
        return self.longest_ago([one for one, start in zip(pool, starts, strict=True) if start <= least])

    def took(self, replica: Replica, share: float) -> None:
        """Callers who stay with their replica count as well."""
        name = replica.name
        self.count += 1
        self.last.pop(name, None)
        self.last[name] = self.count
        self.due[name] = max(self.clock, self.due.get(name, 0.0)) + 1 / share
        if len(self.last) > NAMES:
            gone = next(iter(self.last))
            del self.last[gone]
            del self.due[gone]


def least_loaded(pool: Sequence[Replica], turns: Turns, random: Random) -> Replica:
    """The one that is least full when it has taken the job as well."""
    return _least([(one.waiting + one.in_flight + 1) / one.capacity for one in pool], pool, turns)


def in_turn(pool: Sequence[Replica], turns: Turns, random: Random) -> Replica:
    """Each as often as its share, evenly mixed."""
    return turns.most_due(pool)


def least_latency(pool: Sequence[Replica], turns: Turns, random: Random) -> Replica:
    """The one whose queue is soonest done. One that was not measured yet is taken to be as fast as the fastest."""
    best = min((one.factor for one in pool if one.factor > 0), default=1.0)
    waits = [(one.factor or best) * (one.waiting + one.in_flight + 1) / one.capacity for one in pool]
    return _least(waits, pool, turns)


def by_chance(pool: Sequence[Replica], turns: Turns, random: Random) -> Replica:
    return random.choice(pool)


def _least(values: Sequence[float], pool: Sequence[Replica], turns: Turns) -> Replica:
    least = min(values)
    return turns.most_due([one for one, value in zip(pool, values, strict=True) if value == least])


STRATEGIES: Final[Mapping[Strategy, Callable[[Sequence[Replica], Turns, Random], Replica]]] = {
    "least_loaded": least_loaded,
    "round_robin": in_turn,
    "least_latency": least_latency,
    "random": by_chance,
    "weighted": in_turn,
}


class Router:
    """Chooses replicas by one strategy, and remembers whose turn it was. For one thread.

    The same wishes, replicas and `random` give the same choices. `fallback` is the engine, or prefix of engines, that
    speaks where no other can; of the wish it keeps the language alone.
    """

    def __init__(
        self,
        strategy: Strategy = "least_loaded",
        *,
        stale_seconds: float = STALE_SECONDS,
        fallback: str = "",
        random: Random | None = None,
        observers: Iterable[Callable[[Routed], None]] = (),
    ) -> None:
        self.strategy = strategy
        self._choose = STRATEGIES[strategy]
        self._stale = stale_seconds
        self._fallback = fallback
        self._random = random or Random(0)
        self._observers = tuple(observers)
        self._turns = Turns()
        self._verdicts: dict[Wish, dict[Replica, str]] = {}

    def choose(self, replicas: Sequence[Replica], wish: Wish, now: float, bound: str = "") -> Decision:
        """The replica for a reply. `now` is on the clock of `Replica.seen`; `bound` names the caller's own replica.

        Raises NoReplica, which says how many replicas each requirement left out.
        """
        oldest = now - self._stale
        if bound and (own := _own(replicas, wish, oldest, bound)):
            return self._decide(own, Routed(self.strategy, "chosen", "kept", {}))
        affinity: Affinity = "moved" if bound else ""
        excluded: dict[str, int] = {}
        pool = self._fitting(replicas, wish, oldest, excluded)
        if not pool and self._fallback:
            pool = self._fitting(replicas, Wish(language=wish.language, engine=self._fallback), oldest, {})
            outcome: Outcome = "fallback"
        else:
            outcome = "chosen" if pool and pool[0].resident else "cold"
        if not pool:
            self._tell(Routed(self.strategy, "none", affinity, excluded))
            raise NoReplica(_explain(len(replicas), excluded), excluded)
        chosen = self._choose(pool, self._turns, self._random)
        if chosen.name == bound:
            affinity = "kept"  # it is busy, and no other is less so
        return self._decide(chosen, Routed(self.strategy, outcome, affinity, excluded))

    def _fitting(
        self, replicas: Sequence[Replica], wish: Wish, oldest: float, excluded: dict[str, int]
    ) -> list[Replica]:
        """The best rank of those that are fit and alive; counts the others in `excluded`."""
        verdicts = self._known(wish)
        best = 4
        pool: list[Replica] = []
        for one in replicas:
            reason = verdicts.get(one)
            if reason is None:
                reason = verdicts[one] = lacking(one, wish)
            if reason or one.seen < oldest:
                reason = reason or "stale"
                excluded[reason] = excluded.get(reason, 0) + 1
                continue
            rank = (0 if one.resident else 2) + (one.waiting + one.in_flight >= one.capacity)
            if rank < best:
                best, pool = rank, [one]
            elif rank == best:
                pool.append(one)
        return pool

    def _known(self, wish: Wish) -> dict[Replica, str]:
        """What replicas were found to lack for such a wish; to find it again would be half of the whole choice."""
        if len(self._verdicts) > WISHES:
            self._verdicts.clear()
        verdicts = self._verdicts.setdefault(wish, {})
        if len(verdicts) > NAMES:
            verdicts.clear()
        return verdicts

    def _decide(self, replica: Replica, routed: Routed) -> Decision:
        self._turns.took(replica, self._share(replica))
        self._tell(routed)
        return Decision(replica, routed)

    def _share(self, replica: Replica) -> float:
        match self.strategy:
            case "weighted":
                return replica.weight
            case "round_robin":
                return 1.0
        return replica.capacity

    def _tell(self, routed: Routed) -> None:
        for observe in self._observers:
            observe(routed)


def _own(replicas: Iterable[Replica], wish: Wish, oldest: float, bound: str) -> Replica | None:
    """The caller's own replica, if it is alive, fit and has room."""
    for one in replicas:
        if one.name == bound:
            alive = one.resident and one.seen >= oldest and one.waiting + one.in_flight < one.capacity
            return one if alive and not lacking(one, wish) else None
    return None


def _explain(count: int, excluded: Mapping[str, int]) -> str:
    if not count:
        return "no replica fits: there is none"
    return f"no replica of {count} fits; left out by {', '.join(f'{why}: {many}' for why, many in excluded.items())}"
