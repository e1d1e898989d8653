"""Models: loaded once, lent, let go; what goes wrong is told and takes nothing else with it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tests import virtual_time
from tests.fakes import InlineLane
from voicechat.errors import AdapterUnavailable, EngineFailed, ModelBusy
from voicechat.lane import ThreadLane
from voicechat.models.evictor import Evictor
from voicechat.models.machine import Machine
from voicechat.models.manager import CLOSE_SECONDS, ModelManager
from voicechat.models.record import FIRST_RETRY_SECONDS
from voicechat.models.residency import Change, Limits
from voicechat.models.stock import Model, Recipe, State
from voicechat.placement import Device
from voicechat.protocols import Capabilities, Lane

GIB = 1024**3
PROCESSOR = Device("cpu", 64 * GIB, 32 * GIB)


@dataclass
class Engine:
    """Knows the threads that it was made, warmed up and closed on."""

    name: str
    device: str = "cpu"
    memory: int = 0
    made_on: str = ""
    threads: list[str] = field(default_factory=list)
    closed: int = 0

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(streaming=True, languages=("en",), memory=self.memory)

    def close(self) -> None:
        self.closed += 1
        self.threads.append(threading.current_thread().name)


@dataclass
class Stage:
    """A manager of engines that are made by functions of a device, and what it tells."""

    models: ModelManager[Engine]
    machine: Machine
    evictor: Evictor
    changes: list[Change]

    def state(self, name: str) -> State:
        return next(info.state for info in self.models.list() if info.name == name)


async def warm_up(engine: Engine, lane: Lane) -> None:
    engine.threads.append(await lane.run(lambda: threading.current_thread().name))
    if engine.name == "mute":
        raise EngineFailed("engine_failed", "mute says nothing")


@asynccontextmanager
async def staged(
    recipes: Mapping[str, Recipe[Engine]],
    *,
    lane: Callable[[str], Lane] = lambda name: InlineLane(),
    devices: tuple[Device, ...] = (PROCESSOR,),
    limits: Limits = Limits(),  # noqa: B008 - frozen
    loads: int = 2,
) -> AsyncIterator[Stage]:
    lanes: list[Lane] = []

    def made(name: str) -> Lane:
        lanes.append(lane(name))
        return lanes[-1]

    changes: list[Change] = []
    evictor = Evictor(limits, interval=5.0)
    machine = Machine(
        lanes=lambda kind, device: (made(f"{kind}-{device}"),),
        makers=[made(f"load-{number}") for number in range(loads)],
        survey=lambda: devices,
        measure=lambda device: 0,
    )
    models = ModelManager[Engine]("tts", recipes, machine, evictor, warm_up=warm_up, observe=changes.append)
    try:
        yield Stage(models, machine, evictor, changes)
    finally:
        await models.close()
        await machine.close()
        await asyncio.gather(*(lane.close() for lane in lanes))


def of(*names: str, **made: Callable[[str], Engine]) -> dict[str, Recipe[Engine]]:
    """Recipes of engines that take a byte for each letter of their names, and of those that are given."""

    def plain(name: str) -> Callable[[str], Engine]:
        return lambda device: Engine(name, device, len(name))

    return {name: Recipe("engine", make) for name, make in {**{name: plain(name) for name in names}, **made}.items()}


async def test_models_are_made_apart_from_the_lane_that_they_work_and_end_on() -> None:
    def make(device: str) -> Engine:
        return Engine("amy", made_on=threading.current_thread().name)

    async with staged(of(amy=make), lane=ThreadLane) as stage:
        async with stage.models.lend("amy") as model:
            engine = model.engine
            assert (engine.made_on, engine.threads) == ("lane-load-0", ["lane-tts-cpu"])
        await stage.models.unload("amy")
        assert (engine.closed, engine.threads[-1]) == (1, "lane-tts-cpu")
        assert [(change.what, change.reason) for change in stage.changes] == [("loaded", ""), ("unloaded", "asked")]


async def test_loop_goes_on_while_a_model_loads_and_unloads() -> None:
    gate, closing = threading.Event(), threading.Event()

    class Slow(Engine):
        def close(self) -> None:
            closing.wait(30)

    def make(device: str) -> Engine:
        gate.wait(30)
        return Slow("slow")

    async with staged(of("quick", slow=make), lane=ThreadLane) as stage:
        loading = asyncio.create_task(stage.models.load("slow"))
        async with stage.models.lend("quick") as model:
            assert model.engine.name == "quick"
            assert stage.state("slow") is State.LOADING
        gate.set()
        await loading
        unloading = asyncio.create_task(stage.models.unload("slow"))
        await asyncio.sleep(0.01)
        assert stage.state("slow") is State.UNLOADING
        closing.set()
        await unloading
        assert stage.state("slow") is State.ABSENT


async def test_engine_that_is_made_when_nobody_waits_any_more_is_closed() -> None:
    gate = threading.Event()
    made: list[Engine] = []

    def make(device: str) -> Engine:
        gate.wait(30)
        made.append(Engine("late"))
        return made[0]

    async with staged(of(late=make), lane=ThreadLane) as stage:
        waiter = asyncio.create_task(stage.models.acquire("late"))
        await asyncio.sleep(0.05)
        begun = asyncio.get_running_loop().time()
        await stage.models.close()
        assert asyncio.get_running_loop().time() - begun < CLOSE_SECONDS + 5
        with pytest.raises(AdapterUnavailable) as caught:
            await waiter
        assert caught.value.code == "closing"
        await stage.machine.close()
        gate.set()
        for _ in range(500):
            if made and made[0].closed:
                break
            await asyncio.sleep(0.01)
    assert [engine.closed for engine in made] == [1]


def test_many_who_wait_get_one_model_of_one_load() -> None:
    async def play() -> None:
        async with staged(of("amy"), lane=lambda name: InlineLane(0.5)) as stage:
            leases = await asyncio.gather(*(stage.models.acquire("amy") for _ in range(20)))
            assert {id(lease.model) for lease in leases} == {id(leases[0].model)}
            (info,) = stage.models.list()
            assert (info.users, info.loads, info.memory, info.engine) == (20, 1, 3, "engine")
            for lease in leases:
                lease.close()
                lease.close()
            assert leases[0].model.users == 0

    virtual_time.run(play())


def test_load_goes_on_when_all_who_waited_have_gone() -> None:
    async def play() -> None:
        async with staged(of("amy"), lane=lambda name: InlineLane(0.5)) as stage:
            waiters = [asyncio.create_task(stage.models.acquire("amy")) for _ in range(2)]
            await asyncio.sleep(0.1)
            for waiter in waiters:
                waiter.cancel()
            await asyncio.wait(waiters)
            await asyncio.sleep(10)
            lease = stage.models.take("amy")
            assert lease is not None
            assert [change.what for change in stage.changes] == ["loaded"]

    virtual_time.run(play())


def test_model_that_failed_is_not_tried_again_for_a_while_but_by_operators() -> None:
    tries: list[float] = []

    def make(device: str) -> Engine:
        tries.append(asyncio.get_running_loop().time())
        raise EngineFailed("bad_model", "cut short")

    async def attempt(stage: Stage) -> str:
        with pytest.raises(EngineFailed) as caught:
            await stage.models.acquire("bad")
        return caught.value.code

    async def play() -> None:
        async with staged(of(bad=make)) as stage:
            assert [await attempt(stage) for _ in range(3)] == ["bad_model"] * 3
            assert (len(tries), stage.state("bad")) == (1, State.FAILED)
            await asyncio.sleep(FIRST_RETRY_SECONDS)
            await attempt(stage)
            await asyncio.sleep(FIRST_RETRY_SECONDS)
            await attempt(stage)  # the second wait is longer
            assert len(tries) == 2
            with pytest.raises(EngineFailed):
                await stage.models.load("bad")
            assert len(tries) == 3
            assert stage.models.list()[0].error == "cut short"

    virtual_time.run(play())


def test_whatever_a_library_raises_is_an_error_of_ours() -> None:
    def make(device: str) -> Engine:
        raise RuntimeError("CUDA error: out of memory\nand much more")

    async def play() -> None:
        async with staged(of(bad=make)) as stage:
            with pytest.raises(EngineFailed, match="^RuntimeError: CUDA error: out of memory$"):
                await stage.models.load("bad")

    virtual_time.run(play())


def test_engine_that_cannot_warm_up_is_closed_and_its_load_has_failed() -> None:
    made: list[Engine] = []

    def make(device: str) -> Engine:
        made.append(Engine("mute"))
        return made[-1]

    async def play() -> None:
        async with staged(of(mute=make)) as stage:
            with pytest.raises(EngineFailed, match="says nothing"):
                await stage.models.load("mute")
            assert [engine.closed for engine in made] == [1]

    virtual_time.run(play())


def test_new_one_takes_over_and_who_had_the_old_one_keeps_it() -> None:
    async def play() -> None:
        async with staged(of("amy")) as stage:
            old = await stage.models.acquire("amy")
            await stage.models.load("amy")  # it is there
            assert await lent(stage, "amy") is old.model
            await stage.models.load("amy", again=True)
            new = await stage.models.acquire("amy")
            assert new.model is not old.model
            assert old.model.engine.closed == 0
            old.close()
            await asyncio.sleep(0.1)
            assert (old.model.engine.closed, new.model.engine.closed) == (1, 0)
            assert stage.changes[-1].reason == "replaced"

    virtual_time.run(play())


def test_old_one_serves_on_when_the_new_one_cannot_be_loaded() -> None:
    made: list[Engine] = []

    def make(device: str) -> Engine:
        if made:
            raise EngineFailed("bad_model", "cut short")
        made.append(Engine("amy"))
        return made[0]

    async def play() -> None:
        async with staged(of(amy=make)) as stage:
            await stage.models.load("amy")
            with pytest.raises(EngineFailed):
                await stage.models.load("amy", again=True)
            assert (await lent(stage, "amy")).engine is made[0]
            assert (stage.state("amy"), stage.models.list()[0].error) == (State.RESIDENT, "cut short")

    virtual_time.run(play())


async def lent(stage: Stage, name: str) -> Model[Engine]:
    async with stage.models.lend(name) as model:
        return model


def test_model_in_use_or_needed_is_not_unloaded() -> None:
    async def play() -> None:
        async with staged(of("amy", "joe"), lane=lambda name: InlineLane(0.1)) as stage:
            stage.models.keep("joe")
            lease = await stage.models.acquire("amy")
            loading = asyncio.create_task(stage.models.load("joe"))
            await asyncio.sleep(0.05)
            for name, code in (("amy", "model_in_use"), ("joe", "model_in_use")):
                with pytest.raises(ModelBusy) as caught:
                    await stage.models.unload(name)
                assert caught.value.code == code
            await loading
            with pytest.raises(ModelBusy) as caught:
                await stage.models.unload("joe")
            assert caught.value.code == "model_required"
            lease.close()
            await stage.models.unload("amy")
            await stage.models.unload("amy")
            assert lease.model.engine.closed == 1

    virtual_time.run(play())


def test_idle_models_are_let_go_in_time_and_the_default_stays() -> None:
    async def play() -> None:
        async with staged(of("amy", "joe"), limits=Limits(ttl=60.0)) as stage:
            stage.models.default = "joe"
            stage.models.keep("joe")
            watching = asyncio.create_task(stage.evictor.watch())
            await stage.models.load()
            async with stage.models.lend("amy"):
                await asyncio.sleep(300)
            await asyncio.sleep(50)
            assert stage.state("amy") is State.RESIDENT
            await asyncio.sleep(20)
            assert (stage.state("amy"), stage.state("joe")) == (State.ABSENT, State.RESIDENT)
            watching.cancel()

    virtual_time.run(play())


def test_least_recently_used_makes_room_and_what_is_lent_does_not() -> None:
    async def play() -> None:
        async with staged(of("a", "b", "c"), limits=Limits(cap=2)) as stage:
            first = await stage.models.acquire("a")
            for name in "bc":
                await asyncio.sleep(1)
                await stage.models.load(name)
            await asyncio.sleep(1)
            assert [model.name for model in stage.models.loaded()] == ["a", "c"]
            first.close()
            stage.evictor.limits = Limits(budget=1)
            await asyncio.sleep(1)
            assert [model.name for model in stage.models.loaded()] == ["a"], "it was used last"

    virtual_time.run(play())


def test_models_go_to_the_device_with_most_room_each_on_lanes_of_its_own() -> None:
    devices = (PROCESSOR, Device("cuda:0", 24 * GIB, 8 * GIB), Device("cuda:1", 24 * GIB, 20 * GIB))
    recipes = {
        name: Recipe("engine", lambda device: Engine("engine", device), wanted, memory=4 * GIB)
        for name, wanted in {"any": "auto", "first": "cuda:0", "slow": "cpu"}.items()
    }
    recipes["huge"] = Recipe("engine", lambda device: Engine("engine"), "cuda", memory=40 * GIB)

    async def play() -> None:
        async with staged(recipes, devices=devices) as stage:
            for name in ("any", "first", "slow"):
                await stage.models.load(name)
            models = {model.name: model for model in stage.models.loaded()}
            places = {name: (model.device, model.engine.device) for name, model in models.items()}
            assert places == {"any": ("cuda:1",) * 2, "first": ("cuda:0",) * 2, "slow": ("cpu",) * 2}
            assert len({model.lanes for model in models.values()}) == 3
            with pytest.raises(AdapterUnavailable, match="huge needs 48.0 GiB on cuda: cpu was not asked for"):
                await stage.models.load("huge")

    virtual_time.run(play())


def test_two_that_load_at_a_time_do_not_count_on_the_same_memory() -> None:
    devices = (PROCESSOR, Device("cuda:0", 24 * GIB, 10 * GIB), Device("cuda:1", 24 * GIB, 9 * GIB))
    recipes = {
        name: Recipe("engine", lambda device: Engine("engine", device), "cuda", memory=6 * GIB) for name in ("a", "b")
    }

    async def play() -> None:
        async with staged(recipes, devices=devices, lane=lambda name: InlineLane(0.1)) as stage:
            await asyncio.gather(stage.models.load("a"), stage.models.load("b"))
            assert {model.device for model in stage.models.loaded()} == {"cuda:0", "cuda:1"}

    virtual_time.run(play())


def test_idle_model_makes_room_on_a_full_device() -> None:
    held: list[str] = []

    class Held(Engine):
        def close(self) -> None:
            held.remove(self.name)
            super().close()

    def survey() -> tuple[Device, ...]:
        return (PROCESSOR, Device("cuda:0", 10 * GIB, (10 - 8 * len(held)) * GIB))

    def recipe(name: str) -> Recipe[Engine]:
        def make(device: str) -> Engine:
            held.append(name)
            return Held(name, device, 8 * GIB)

        return Recipe("engine", make, "cuda", memory=8 * GIB)

    async def play() -> None:
        async with staged({name: recipe(name) for name in ("a", "b")}) as stage:
            stage.machine._survey = survey
            lease = await stage.models.acquire("a")
            with pytest.raises(AdapterUnavailable, match="free"):
                await stage.models.load("b")
            lease.close()
            await stage.models.load("b")
            assert held == ["b"]

    virtual_time.run(play())


def test_gpu_that_the_library_cannot_use_is_left_for_the_processor() -> None:
    def make(device: str) -> Engine:
        if device != "cpu":
            raise AdapterUnavailable("no_device", "built without CUDA")
        return Engine("amy", device)

    recipes = {"auto": Recipe("engine", make), "told": Recipe("engine", make, "cuda:0")}

    async def play() -> None:
        async with staged(recipes, devices=(PROCESSOR, Device("cuda:0", 8 * GIB, 8 * GIB))) as stage:
            await stage.models.load("auto")
            assert stage.models.loaded()[0].device == "cpu"
            with pytest.raises(AdapterUnavailable, match="built without CUDA"):
                await stage.models.load("told")

    virtual_time.run(play())


@pytest.mark.parametrize("name", ["nothing", "../../etc/passwd", "https://example.org/model", ""])
def test_only_names_of_the_catalogue_are_loaded(name: str) -> None:
    async def play() -> None:
        async with staged(of("amy")) as stage:
            with pytest.raises(AdapterUnavailable) as caught:
                await stage.models.acquire(name)
            assert caught.value.code == "no_such_model"

    virtual_time.run(play())


def test_load_that_never_ends_is_given_up_and_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicechat.models.manager.LOAD_SECONDS", 10.0)

    class Stuck(InlineLane):
        async def run(self, call, *, urgent=False, deadline=None):  # type: ignore[no-untyped-def]
            await asyncio.sleep(100.0)
            return call()

    async def play() -> None:
        lane = iter([Stuck(), InlineLane()])
        async with staged(of("amy"), lane=lambda name: next(lane), loads=1) as stage:
            for _ in range(2):
                with pytest.raises(EngineFailed) as caught:
                    await stage.models.load("amy")
                assert caught.value.code == "load_timeout"
            assert stage.machine._free.empty(), "the stuck thread's place is not free"

    virtual_time.run(play())


