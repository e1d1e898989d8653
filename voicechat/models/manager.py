"""The ModelManager: models are loaded once, warmed up, lent to sessions by name, and unloaded when nobody needs them.

    absent ─ load ─► loading ─► resident ─ evict, unload ─► unloading ─► absent
                        └─────► failed ─ after a while, when somebody asks ─► loading

A model that is lent is never unloaded. One that is loaded anew serves until the new one is there, and those who have
it keep it; if the new one cannot be loaded, it goes on serving.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Generic

import structlog

from voicechat.errors import AdapterUnavailable, EngineFailed, ModelBusy, VoicechatError
from voicechat.models.evictor import Evictor
from voicechat.models.machine import Machine, Making, Slot, plainly
from voicechat.models.residency import Change, Reason, Resident
from voicechat.models.stock import E, Lease, Model, ModelInfo, Recipe, State
from voicechat.protocols import Lane

LOAD_SECONDS: Final = 600.0
"""Large models come from slow disks; waiting for a place to load in is part of it."""

UNLOAD_SECONDS: Final = 20.0
"""For jobs on the model's lanes that are not over, and for the engine's own close."""

CLOSE_SECONDS: Final = 0.5
"""A recognition that lasts longer is not worth making the whole server end late."""

FIRST_RETRY_SECONDS: Final = 5.0
LONGEST_RETRY_SECONDS: Final = 300.0
"""After a load that failed, callers do not try again for so long; each failure in a row doubles it."""


@dataclass(slots=True, eq=False)
class _Entry(Generic[E]):
    """All that is known of one name."""

    name: str
    model: Model[E] | None = None
    loading: asyncio.Task[VoicechatError | None] | None = None
    closing: set[asyncio.Task[None]] = field(default_factory=set)
    waiting: int = 0  # callers who wait for the load
    error: VoicechatError | None = None
    failures: int = 0  # in a row
    again: float = 0.0  # not to be tried before, on the loop's clock
    loads: int = 0
    memory: int = 0  # as measured the last time

    @property
    def state(self) -> State:
        if self.model is not None:
            return State.RESIDENT
        if self.loading is not None:
            return State.LOADING
        if self.closing:
            return State.UNLOADING
        return State.ABSENT if self.error is None else State.FAILED


def _ignore(change: Change) -> None:
    pass


class ModelManager(Generic[E]):
    """Holds the models of one kind. On the loop.

    `recipes` says which names there are; it may change. `warm_up` lets a new engine work once on its lane, so that its
    first caller does not wait for what every engine puts off. `observe` hears of every load and unload.
    """

    def __init__(
        self,
        kind: str,
        recipes: Mapping[str, Recipe[E]],
        machine: Machine,
        evictor: Evictor,
        *,
        warm_up: Callable[[E, Lane], Coroutine[Any, Any, None]],
        observe: Callable[[Change], None] = _ignore,
    ) -> None:
        self.kind = kind
        self.recipes = recipes
        self.default = ""
        """Lent where no name is asked for; it is loaded at start and stays."""
        self._machine, self._evictor = machine, evictor
        self._warm_up, self._observe = warm_up, observe
        self._entries: dict[str, _Entry[E]] = {}
        self._kept: set[str] = set()
        self._retired: set[Model[E]] = set()  # replaced, and still lent
        self._closed = False
        self._log = structlog.get_logger()
        evictor.watch_over(self)

    # Lending

    async def acquire(self, name: str = "") -> Lease[E]:
        """The named model, or the default; loads it if need be. However many wait, it is loaded once, and once begun
        the load goes on even if nobody waits any more.

        Raises AdapterUnavailable for a name that does not exist, and what the load failed with: at once for some time
        after it did.
        """
        entry = self._entry(name or self.default)
        if entry.model is None:
            now = asyncio.get_running_loop().time()
            if entry.error is not None and entry.loading is None and now < entry.again:
                raise entry.error.with_traceback(None)
            async with self._waited_for(entry):
                return self._lend(entry)
        return self._lend(entry)

    def take(self, name: str = "") -> Lease[E] | None:
        """As `acquire`, for a model that is there; None: it must be loaded first."""
        entry = self._entries.get(name or self.default)
        return None if entry is None or entry.model is None or self._closed else self._lend(entry)

    @asynccontextmanager
    async def lend(self, name: str = "") -> AsyncGenerator[Model[E]]:
        """As `acquire`, for a block."""
        lease = await self.acquire(name)
        try:
            yield lease.model
        finally:
            lease.close()

    def _lend(self, entry: _Entry[E]) -> Lease[E]:
        if entry.model is None or self._closed:
            raise AdapterUnavailable("closing", f"{entry.name}: the server is ending")
        return Lease(entry.model, self._given_back)

    def _given_back(self, model: Model[E]) -> None:
        model.users -= 1
        model.used = asyncio.get_running_loop().time()
        if model.users or self._closed:
            return
        if model in self._retired:
            self._retired.discard(model)
            self._free(model, "replaced")
        else:
            self._evictor.tidy()

    # Loading

    async def load(self, name: str = "", *, again: bool = False) -> None:
        """Loads the model, now, even if that failed a moment ago; with `again` anew if it is there already.

        Raises as `acquire`.
        """
        entry = self._entry(name or self.default)
        if entry.model is None or again or entry.loading is not None:
            async with self._waited_for(entry):
                pass
        else:
            entry.model.used = asyncio.get_running_loop().time()

    def keep(self, name: str) -> None:
        """The model is never evicted or unloaded from now on."""
        self._kept.add(self._entry(name).name)

    def forget(self, name: str) -> None:
        """That a model could not be loaded; it was only tried."""
        entry = self._entries.get(name)
        if entry is not None and entry.state is State.FAILED:
            del self._entries[name]

    def _entry(self, name: str) -> _Entry[E]:
        if self._closed:
            raise AdapterUnavailable("closing", f"{name}: the server is ending")
        entry = self._entries.get(name)
        if entry is None:
            if name not in self.recipes:
                known = ", ".join(self.recipes) or "none"
                raise AdapterUnavailable("no_such_model", f"there is no {self.kind} model {name!r}; there are: {known}")
            entry = self._entries[name] = _Entry(name)
        return entry

    @asynccontextmanager
    async def _waited_for(self, entry: _Entry[E]) -> AsyncGenerator[None]:
        """The block runs when the model has been loaded; it cannot be unloaded before the block's end."""
        if entry.loading is None:
            entry.loading = asyncio.create_task(self._load(entry), name=f"load {self.kind} {entry.name}")
        loading = entry.loading
        entry.waiting += 1
        try:
            await asyncio.wait({loading})  # a waiter that is cancelled leaves it alone
            if loading.cancelled():
                raise AdapterUnavailable("closing", f"{entry.name}: the server is ending")
            if (error := loading.result()) is not None:
                raise error.with_traceback(None)
            yield
        finally:
            entry.waiting -= 1
            if not self._closed:
                self._evictor.tidy()

    async def _load(self, entry: _Entry[E]) -> VoicechatError | None:
        """Loads the model; what goes wrong is its result, so that it is nobody's alone."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        error: VoicechatError | None = None
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                model = await self._made(entry)
        except TimeoutError:
            error = EngineFailed("load_timeout", f"{entry.name}: not loaded within {LOAD_SECONDS:g} s")
        except VoicechatError as failure:
            error = failure
        finally:
            entry.loading = None
        if error is None:
            model.seconds, model.used = loop.time() - begun, loop.time()
            self._arrived(entry, model)
        else:
            self._failed(entry, error, loop.time() - begun)
        self._evictor.tidy()
        return error

    def _arrived(self, entry: _Entry[E], model: Model[E]) -> None:
        old, entry.model = entry.model, model
        entry.error, entry.failures = None, 0
        entry.loads += 1
        entry.memory = model.memory
        self._tell(Change(self.kind, entry.name, "loaded", seconds=model.seconds, memory=model.memory))
        if old is not None and old.users:
            self._retired.add(old)
        elif old is not None:
            self._free(old, "replaced")

    def _failed(self, entry: _Entry[E], error: VoicechatError, seconds: float) -> None:
        entry.error = error
        entry.failures += 1
        wait = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(entry.failures - 1, 16))
        entry.again = asyncio.get_running_loop().time() + wait
        tell = self._log.debug if isinstance(error, AdapterUnavailable) else self._log.warning  # "auto" tries
        tell("model not loaded", kind=self.kind, model=entry.name, code=error.code, error=error.message)
        self._tell(Change(self.kind, entry.name, "failed", error.code, seconds))

    async def _made(self, entry: _Entry[E]) -> Model[E]:
        """A new model, placed, made, warmed up and measured."""
        if entry.closing:  # two of it may not fit
            await asyncio.wait(entry.closing)
        recipe = self.recipes[entry.name]
        expected = entry.memory or recipe.memory
        async with self._machine.slot() as slot:
            device = await self._place(entry.name, expected, recipe, slot)
            with self._machine.coming(device, expected):
                try:
                    return await self._made_on(device, entry.name, recipe, slot)
                except AdapterUnavailable:
                    if device == "cpu" or recipe.device != "auto" or not recipe.cpu:
                        raise
            return await self._made_on("cpu", entry.name, recipe, slot)  # its library has no use for the GPU

    async def _place(self, name: str, memory: int, recipe: Recipe[E], slot: Slot) -> str:
        """The device for it. Where it would fit if others went that nobody uses, they go."""
        while True:
            try:
                return await self._machine.place(slot, name, memory, wanted=recipe.device, cpu=recipe.cpu)
            except AdapterUnavailable:
                if not await self._evictor.make_room(recipe.device):
                    raise

    async def _made_on(self, device: str, name: str, recipe: Recipe[E], slot: Slot) -> Model[E]:
        before = await slot.run(lambda: self._machine.measure(device))
        making = Making(lambda: recipe.make(device))
        lanes = self._machine.lanes(self.kind, device)
        complete = False
        try:
            engine = await slot.run(making)
            await plainly(asyncio.ensure_future(self._warm_up(engine, lanes[0])))
            after = await slot.run(lambda: self._machine.measure(device))
            complete = True
        finally:
            if not complete and (made := making.give_up()) is not None:
                lanes[0].post(made.close)
        memory = getattr(getattr(engine, "capabilities", None), "memory", 0) or max(0, after - before)
        return Model(name, engine, device, lanes, memory)

    # Unloading

    async def unload(self, name: str) -> None:
        """Frees the model; one that is not loaded stays so. Raises ModelBusy while it is in use, or has to stay."""
        entry = self._entry(name)
        if entry.loading is not None or entry.waiting:
            raise ModelBusy("model_in_use", f"{name} is being loaded")
        if entry.model is not None:
            if name in self._kept:
                raise ModelBusy("model_required", f"{name} cannot be unloaded: it is the default, or speaks for others")
            if entry.model.users:
                raise ModelBusy("model_in_use", f"{name} is in use, {entry.model.users} times")
            self._drop(entry, "asked")
        if entry.closing:
            await asyncio.wait(entry.closing)

    def evict(self, name: str, reason: Reason) -> asyncio.Task[None]:
        """See `evictor.Holder`."""
        return self._drop(self._entries[name], reason)

    def _drop(self, entry: _Entry[E], reason: Reason) -> asyncio.Task[None]:
        model, entry.model = entry.model, None
        assert model is not None and model.users == 0, "a model in use stays"
        return self._free(model, reason)

    def _free(self, model: Model[E], reason: Reason, *, urgent: bool = False) -> asyncio.Task[None]:
        entry = self._entries[model.name]
        task = asyncio.create_task(self._freed(model, reason, urgent), name=f"unload {self.kind} {model.name}")
        entry.closing.add(task)
        task.add_done_callback(entry.closing.discard)
        return task

    async def _freed(self, model: Model[E], reason: Reason, urgent: bool) -> None:
        """Closes the engine on its lane, when no other lane is at work in it. One that is stuck is left alone: freeing
        what native code works on ends the process."""
        try:
            for lane in model.lanes[1:]:
                await lane.run(_nothing, urgent=urgent, deadline=UNLOAD_SECONDS)
            await plainly(
                asyncio.ensure_future(
                    model.lanes[0].run(model.engine.close, urgent=urgent, deadline=UNLOAD_SECONDS)
                )
            )
        except VoicechatError as error:
            self._log.warning("model not freed", kind=self.kind, model=model.name, error=error.message)
        self._tell(Change(self.kind, model.name, "unloaded", reason, memory=model.memory))

    async def close(self) -> None:
        """Frees every model on its lane; one that is still busy is left to the end of the process.

        What is being loaded is given up. Leases that are still open stay harmless.
        """
        self._closed = True
        loads = [entry.loading for entry in self._entries.values() if entry.loading is not None]
        for load in loads:
            load.cancel()
        await asyncio.gather(*loads, return_exceptions=True)
        for entry in self._entries.values():
            model, entry.model = entry.model, None
            if model is not None:
                self._free(model, "closing", urgent=True)
        retired, self._retired = self._retired, set()
        for model in retired:
            self._free(model, "closing", urgent=True)
        closing = [task for entry in self._entries.values() for task in entry.closing]
        if closing:
            await asyncio.wait(closing, timeout=CLOSE_SECONDS)
        for task in closing:
            task.cancel()
        await asyncio.gather(*closing, return_exceptions=True)

    # Looking

    def residents(self) -> list[Resident]:
        """What is in memory, for the evictor."""
        found = [
            self._resident(model, not (model.users or entry.waiting or entry.loading or entry.name in self._kept))
            for entry in self._entries.values()
            if (model := entry.model) is not None
        ]
        return found + [self._resident(model, False) for model in self._retired]

    def _resident(self, model: Model[E], idle: bool) -> Resident:
        return Resident(self.kind, model.name, model.device, model.memory, model.used, idle)

    def loaded(self) -> list[Model[E]]:
        """The models that are there to be lent."""
        return [entry.model for entry in self._entries.values() if entry.model is not None]

    def list(self) -> list[ModelInfo]:
        """Every model there is, loaded or not."""
        names = dict.fromkeys([*self.recipes, *self._entries])
        return [self._info(name, self._entries.get(name) or _Entry(name)) for name in names]

    def _info(self, name: str, entry: _Entry[E]) -> ModelInfo:
        model = entry.model
        recipe = self.recipes.get(name)
        now = asyncio.get_running_loop().time()
        return ModelInfo(
            name,
            self.kind,
            recipe.engine if recipe is not None else "",
            entry.state,
            model.device if model is not None else "",
            model.memory if model is not None else entry.memory,
            model.users if model is not None else 0,
            now - model.used if model is not None and not model.users else 0.0,
            entry.loads,
            model.seconds if model is not None else 0.0,
            entry.error.message if entry.error is not None else "",
        )

    def _tell(self, change: Change) -> None:
        self._observe(change)


def _nothing() -> None:
    pass
