"""What always holds of models, whatever is asked for in whatever order: a Hypothesis state machine on virtual time.

`make soak` runs it 2,000 times; VOICECHAT_RUNS says how often.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.virtual_time import VirtualLoop
from voicechat.errors import AdapterUnavailable, EngineFailed, ModelBusy, VoicechatError
from voicechat.models.evictor import Evictor
from voicechat.models.machine import Machine
from voicechat.models.manager import CLOSE_SECONDS, ModelManager
from voicechat.models.residency import Limits
from voicechat.models.stock import Lease, Recipe
from voicechat.placement import Device
from voicechat.protocols import Lane

T = TypeVar("T")

RUNS = int(os.environ.get("VOICECHAT_RUNS", "60"))
GIB = 1024**3
DEFAULT = "default"
SIZES = {DEFAULT: 1, "small": 1, "middle": 2, "large": 3}
"""Bytes; the devices are far larger, so only the budget counts them."""
DEVICES = (Device("cpu", 64 * GIB, 32 * GIB), Device("cuda:0", 16 * GIB, 16 * GIB), Device("cuda:1", 16 * GIB, 8 * GIB))
LOADS = 2
names = st.sampled_from(sorted(SIZES))


class Part:
    """An engine that knows when it may be closed."""

    def __init__(self, world: "World", name: str, memory: int) -> None:
        self.name, self.world = name, world
        self.memory = memory
        self.closed = 0
        world.parts.append(self)

    @property
    def capabilities(self) -> "Part":
        return self

    def close(self) -> None:
        if not self.world.over and self in [lease.model.engine for lease in self.world.leases]:
            self.world.wrongly_closed.append(self)
        self.closed += 1


class World:
    """What the lanes and the recipes do, as the rules want it."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.leases: list[Lease[Part]] = []
        self.outcomes: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        self.loading: Counter[str] = Counter()
        self.wrongly_closed: list[Part] = []
        self.over = False

    def recipe(self, name: str, device: str) -> Recipe[Part]:
        def make(where: str) -> Part:
            match self.outcomes.get(name, "good"):
                case "broken":
                    raise EngineFailed("bad_model", f"{name} is broken")
                case "bug":
                    raise RuntimeError(f"a library fails on {name}")
                case "no gpu" if where != "cpu":
                    raise AdapterUnavailable("no_device", f"{name} has no use for {where}")
            return Part(self, name, SIZES[name])

        return Recipe("part", make, device=device)

    async def warm_up(self, part: Part, lane: Lane) -> None:
        await lane.run(lambda: None)
        if self.outcomes.get(part.name) == "mute":
            raise EngineFailed("engine_failed", f"{part.name} says nothing")


class FakeLane:
    """Jobs take their time and, once begun, go on when nobody waits for them, as those of a thread do."""

    load = 0

    def __init__(self, world: World, name: str, maker: bool) -> None:
        self.name, self._world, self._maker = name, world, maker
        self._busy = asyncio.Lock()
        self._begun: set[asyncio.Task[Any]] = set()

    def clock(self) -> float:
        return 0.0

    async def run(self, call: Callable[[], T], *, urgent: bool = False, deadline: float | None = None) -> T:
        job: asyncio.Task[T] = asyncio.create_task(self._do(call))
        job.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            async with asyncio.timeout(20.0 if deadline is None else deadline):
                return await asyncio.shield(job)
        except TimeoutError:
            raise EngineFailed("engine_timeout", self.name) from None
        finally:
            if job not in self._begun:
                job.cancel()

    async def _do(self, call: Callable[[], T]) -> T:
        async with self._busy:
            task = asyncio.current_task()
            assert task is not None
            self._begun.add(task)
            try:
                if not self._maker:
                    await asyncio.sleep(0.01)
                    return call()
                return await self._make(call)
            finally:
                self._begun.discard(task)

    async def _make(self, call: Callable[[], T]) -> T:
        """What is made is there at first or at last, so that it is given up while it is there and while it is not."""
        await asyncio.sleep(self._world.seconds.get("late", 0.0))
        before = len(self._world.parts)
        result = call()
        made = self._world.parts[before:]
        self._world.loading.update(part.name for part in made)
        try:
            await asyncio.sleep(sum(self._world.seconds.get(part.name, 0.0) for part in made))
        finally:
            self._world.loading.subtract(part.name for part in made)
        return result

    def post(self, call: Callable[[], object]) -> None:
        asyncio.get_running_loop().create_task(self._do(call))

    def stream(self, make: Callable[[], Iterator[T]], *, urgent: bool = False) -> Any:
        raise NotImplementedError

    async def close(self) -> None:
        pass


class Models(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.world = World()
        self.waiting: list[tuple[str, asyncio.Task[Lease[Part]]]] = []
        self.asking: list[asyncio.Task[None]] = []
        self.limits = Limits()

    @property
    def over(self) -> bool:
        return self.world.over

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @initialize(devices=st.lists(st.sampled_from(["auto", "cpu", "cuda", "cuda:1"]), min_size=4, max_size=4))
    def open(self, devices: list[str]) -> None:
        async def build() -> None:
            world = self.world
            self.machine = Machine(
                lanes=lambda kind, device: tuple(FakeLane(world, f"{kind}-{device}", False) for _ in range(2)),
                makers=[FakeLane(world, f"maker-{number}", True) for number in range(LOADS)],
                survey=lambda: DEVICES,
                measure=lambda device: 0,
            )
            self.evictor = Evictor(self.limits, 5.0)
            recipes = {
                name: world.recipe(name, device) for name, device in zip(sorted(SIZES), devices, strict=True)
            }
            self.models = ModelManager("tts", recipes, self.machine, self.evictor, warm_up=world.warm_up)
            self.models.default = DEFAULT
            self.models.keep(DEFAULT)
            await self.models.load(DEFAULT)

        self.do(build())

    @rule(name=names, outcome=st.sampled_from(["good", "good", "broken", "bug", "mute", "no gpu"]))
    def models_change(self, name: str, outcome: str) -> None:
        self.world.outcomes[name] = outcome

    @rule(name=st.one_of(names, st.just("late")), seconds=st.sampled_from([0.0, 0.5, 5.0]))
    def loading_takes(self, name: str, seconds: float) -> None:
        self.world.seconds[name] = seconds

    @precondition(lambda self: not self.over)
    @rule(name=names)
    def acquire(self, name: str) -> None:
        async def ask() -> None:
            self.waiting.append((name, asyncio.create_task(self.models.acquire(name))))
            await asyncio.sleep(0)

        self.do(ask())

    @precondition(lambda self: self.waiting)
    @rule(number=st.integers(0, 20))
    def cancel_a_waiter(self, number: int) -> None:
        async def cancel() -> None:
            _, waiter = self.waiting.pop(number % len(self.waiting))
            waiter.cancel()
            await asyncio.wait({waiter})
            if not waiter.cancelled():
                self._collect(waiter)

        self.do(cancel())

    @precondition(lambda self: self.world.leases)
    @rule(number=st.integers(0, 20), twice=st.booleans())
    def release(self, number: int, twice: bool) -> None:
        lease = self.world.leases.pop(number % len(self.world.leases))
        self.do(self._give_back(lease, twice))

    async def _give_back(self, lease: Lease[Part], twice: bool) -> None:
        lease.close()
        if twice:
            lease.close()

    @precondition(lambda self: not self.over)
    @rule(name=names, again=st.booleans())
    def load(self, name: str, again: bool) -> None:
        async def load() -> None:
            before = self.loaded(name)
            try:
                await self.models.load(name, again=again)
            except VoicechatError:
                assert before is None or self.loaded(name) is before, "a failed load took the model that served"

        async def begin() -> None:
            self.asking.append(asyncio.create_task(load()))
            await asyncio.sleep(0)

        self.do(begin())

    @precondition(lambda self: not self.over)
    @rule(name=names)
    def unload(self, name: str) -> None:
        async def unload() -> None:
            lent = any(lease.model is self.loaded(name) for lease in self.world.leases)
            try:
                await self.models.unload(name)
                assert not lent and name != DEFAULT
            except ModelBusy as busy:
                assert busy.code in ("model_in_use", "model_required")

        self.do(unload())

    @precondition(lambda self: not self.over)
    @rule(cap=st.none() | st.integers(1, 4), budget=st.none() | st.integers(1, 6), ttl=st.none() | st.just(3.0))
    def change_limits(self, cap: int | None, budget: int | None, ttl: float | None) -> None:
        async def change() -> None:
            self.evictor.limits = self.limits = Limits(ttl, cap, budget)

        self.do(change())

    @precondition(lambda self: not self.over)
    @rule()
    def tick(self) -> None:
        async def tick() -> None:
            self.evictor.tick()
            if self.limits.ttl is not None:
                old = self.loop.time() - self.limits.ttl
                assert all(one.used > old for one in self.models.residents() if one.idle)

        self.do(tick())

    @rule(seconds=st.sampled_from([0.005, 0.3, 2.0, 20.0]))
    def time_passes(self, seconds: float) -> None:
        self.do(asyncio.sleep(seconds))
        for name, waiter in list(self.waiting):
            if waiter.done():
                self.waiting.remove((name, waiter))
                self._collect(waiter)

    @precondition(lambda self: not self.over)
    @rule()
    def shut_down(self) -> None:
        begun = self.loop.time()
        self.world.over = True  # leases that are open now are void
        self.do(self.models.close())
        assert self.loop.time() - begun <= CLOSE_SECONDS
        self.do(self.machine.close())

    def _collect(self, waiter: asyncio.Task[Lease[Part]]) -> None:
        """Who waited has what was loaded, or was told why it was not."""
        assert not waiter.cancelled(), "nobody cancelled it"
        error = waiter.exception()
        if error is None:
            self.world.leases.append(waiter.result())
        else:
            assert isinstance(error, VoicechatError) and (self.over or error.code != "closing")

    def loaded(self, name: str) -> object:
        return next((model for model in self.models.loaded() if model.name == name), None)

    def _lent(self) -> Counter[object]:
        """Each model's users, those included who have it and were not asked yet."""
        done = [waiter for _, waiter in self.waiting if waiter.done() and not waiter.cancelled()]
        had = [waiter.result() for waiter in done if waiter.exception() is None]
        return Counter(lease.model for lease in [*self.world.leases, *had])

    @invariant()
    def what_is_lent_is_open_and_counted(self) -> None:
        lent = self._lent()
        for model in self.models.loaded():
            assert model.users == lent[model] >= 0
            assert model.engine.closed == 0
        if not self.over:
            assert all(lease.model.engine.closed == 0 for lease in self.world.leases)

    @invariant()
    def nothing_is_closed_while_it_is_lent(self) -> None:
        assert self.world.wrongly_closed == []

    @invariant()
    def nothing_is_closed_twice(self) -> None:
        assert all(part.closed <= 1 for part in self.world.parts)

    @invariant()
    def few_are_loaded_at_a_time_and_each_once(self) -> None:
        assert self.world.loading.total() <= LOADS
        assert max(self.world.loading.values(), default=0) <= 1

    @invariant()
    def limits_hold_as_long_as_something_is_idle(self) -> None:
        if self.over:
            return
        lent = self._lent()
        asked = {name for name, waiter in self.waiting if not waiter.done()}
        unused = [
            model
            for model in self.models.loaded()
            if not lent[model] and model.name not in asked and model.name != DEFAULT and not self.asking_for(model.name)
        ]
        residents = self.models.residents()
        if self.limits.cap is not None and unused:
            assert len(residents) <= self.limits.cap
        for model in unused:
            on_it = sum(one.memory for one in residents if one.device == model.device)
            assert self.limits.budget is None or on_it <= self.limits.budget

    def asking_for(self, name: str) -> bool:
        record = self.models._records.get(name)  # a load that an operator began is no waiter of ours
        return record is not None and (record.loading is not None or record.waiting > 0)

    @invariant()
    def default_is_always_there(self) -> None:
        assert self.over or self.loaded(DEFAULT) is not None

    def teardown(self) -> None:
        try:
            if hasattr(self, "models"):
                self._end()
        finally:
            for task in asyncio.all_tasks(self.loop):  # of a run that has failed
                task.cancel()
            self.do(asyncio.sleep(0.1))
            self.loop.close()

    def _end(self) -> None:
        if not self.over:
            self.shut_down()
        self.do(asyncio.sleep(60.0))
        while self.world.leases:
            self.do(self._give_back(self.world.leases.pop(), False))
        for task in [*self.asking, *(waiter for _, waiter in self.waiting)]:
            assert task.done(), "somebody waits for ever"
            if not task.cancelled() and not isinstance(task.exception(), VoicechatError):
                task.result()
        assert not asyncio.all_tasks(self.loop)
        assert [part.closed for part in self.world.parts] == [1] * len(self.world.parts)


Models.TestCase.settings = settings(
    max_examples=RUNS,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class TestModels(Models.TestCase):  # type: ignore[misc, valid-type]  # Hypothesis makes it
    pytestmark = pytest.mark.timeout(60 + RUNS)
