"""The ModelManager: models are loaded once, warmed up, lent to sessions by name, and unloaded when nobody needs them.

    absent ─ load ─► loading ─► resident ─ evict, unload ─► unloading ─► absent
                        └─────► failed ─ after a while, when somebody asks ─► loading

A model that is lent is never unloaded. One that is loaded anew serves until the new one is there, and those who have
it keep it; if the new one cannot be loaded, it goes on serving.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Generic

import structlog

from voicechat.errors import AdapterUnavailable, EngineFailed, ModelBusy, VoicechatError
from voicechat.models.evictor import Evictor
from voicechat.models.freeing import free
from voicechat.models.machine import Machine
from voicechat.models.making import Maker
from voicechat.models.record import Record
from voicechat.models.residency import Change, Reason, Resident
from voicechat.models.stock import E, Lease, Model, ModelInfo, Recipe, State
from voicechat.protocols import Lane

LOAD_SECONDS: Final = 600.0
"""Large models come from slow disks; waiting for a place to load in is part of it."""

CLOSE_SECONDS: Final = 0.5
"""A recognition that lasts longer is not worth making the whole server end late."""


def _ignore(change: Change) -> None:
    pass


class ModelManager(Generic[E]):
    """Holds the models of one kind. On the loop.

    `recipes` says which names there are; it may change. `warm_up` lets a new engine work once on its lane. `observe`
    hears of every load and unload.
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
        self._maker = Maker(kind, machine, warm_up=warm_up, make_room=evictor.make_room)
        self._evictor, self._observe = evictor, observe
        self._records: dict[str, Record[E]] = {}
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
        record = self._record(name or self.default)
        if record.model is None:
            if (error := record.refusal(asyncio.get_running_loop().time())) is not None:
                raise error.with_traceback(None)
            async with self._waited_for(record):
                return self._lend(record)
        return self._lend(record)

    def take(self, name: str = "") -> Lease[E] | None:
        """As `acquire`, for a model that is there; None: it must be loaded first."""
        record = self._records.get(name or self.default)
        return None if record is None or record.model is None or self._closed else self._lend(record)

    @asynccontextmanager
    async def lend(self, name: str = "") -> AsyncGenerator[Model[E]]:
        """As `acquire`, for a block."""
        lease = await self.acquire(name)
        try:
            yield lease.model
        finally:
            lease.close()

    def _lend(self, record: Record[E]) -> Lease[E]:
        if record.model is None or self._closed:
            raise AdapterUnavailable("closing", f"{record.name}: the server is ending")
        return Lease(record.model, self._given_back)

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
        record = self._record(name or self.default)
        if record.model is None or again or record.loading is not None:
            async with self._waited_for(record):
                pass
        else:
            record.model.used = asyncio.get_running_loop().time()

    def keep(self, name: str) -> None:
        """The model is never evicted or unloaded from now on."""
        self._record(name).kept = True

    def forget(self, name: str) -> None:
        """That a model could not be loaded; it was only tried."""
        record = self._records.get(name)
        if record is not None and record.state is State.FAILED:
            del self._records[name]

    def _record(self, name: str) -> Record[E]:
        if self._closed:
            raise AdapterUnavailable("closing", f"{name}: the server is ending")
        record = self._records.get(name)
        if record is None:
            if name not in self.recipes:
                known = ", ".join(self.recipes) or "none"
                raise AdapterUnavailable("no_such_model", f"there is no {self.kind} model {name!r}; there are: {known}")
            record = self._records[name] = Record(self.kind, name)
        return record

    @asynccontextmanager
    async def _waited_for(self, record: Record[E]) -> AsyncGenerator[None]:
        """The block runs when the model has been loaded; it cannot be unloaded before the block's end."""
        if record.loading is None:
            record.loading = asyncio.create_task(self._load(record), name=f"load {self.kind} {record.name}")
        loading = record.loading
        record.waiting += 1
        try:
            await asyncio.wait({loading})  # a waiter that is cancelled leaves it alone
            if loading.cancelled():
                raise AdapterUnavailable("closing", f"{record.name}: the server is ending")
            if (error := loading.result()) is not None:
                raise error.with_traceback(None)
            yield
        finally:
            record.waiting -= 1
            if not self._closed:
                self._evictor.tidy()

    async def _load(self, record: Record[E]) -> VoicechatError | None:
        """Loads the model; what goes wrong is its result, so that it is nobody's alone."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        error: VoicechatError | None = None
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                model = await self._made(record)
        except TimeoutError:
            error = EngineFailed("load_timeout", f"{record.name}: not loaded within {LOAD_SECONDS:g} s")
        except VoicechatError as failure:
            error = failure
        finally:
            record.loading = None
        if error is None:
            model.seconds, model.used = loop.time() - begun, loop.time()
            self._arrived(record, model)
        else:
            self._failed(record, error, loop.time() - begun)
        self._evictor.tidy()
        return error

    async def _made(self, record: Record[E]) -> Model[E]:
        if record.closing:  # two of it may not fit
            await asyncio.wait(record.closing)
        recipe = self.recipes[record.name]
        return await self._maker.make(record.name, recipe, record.memory or recipe.memory)

    def _arrived(self, record: Record[E], model: Model[E]) -> None:
        old = record.arrived(model)
        self._observe(Change(self.kind, record.name, "loaded", seconds=model.seconds, memory=model.memory))
        if old is not None and old.users:
            self._retired.add(old)
        elif old is not None:
            self._free(old, "replaced")

    def _failed(self, record: Record[E], error: VoicechatError, seconds: float) -> None:
        record.failed(error, asyncio.get_running_loop().time())
        tell = self._log.debug if isinstance(error, AdapterUnavailable) else self._log.warning  # "auto" tries
        tell("model not loaded", kind=self.kind, model=record.name, code=error.code, error=error.message)
        self._observe(Change(self.kind, record.name, "failed", error.code, seconds))

    # Unloading

    async def unload(self, name: str) -> None:
        """Frees the model; one that is not loaded stays so. Raises ModelBusy while it is in use, or has to stay."""
        record = self._record(name)
        if record.loading is not None or record.waiting:
            raise ModelBusy("model_in_use", f"{name} is being loaded")
        if record.model is not None:
            if record.kept:
                raise ModelBusy("model_required", f"{name} cannot be unloaded: it is the default, or speaks for others")
            if record.model.users:
                raise ModelBusy("model_in_use", f"{name} is in use, {record.model.users} times")
            self.evict(name, "asked")
        if record.closing:
            await asyncio.wait(record.closing)

    def evict(self, name: str, reason: Reason) -> asyncio.Task[None]:
        """See `evictor.Holder`."""
        record = self._records[name]
        model, record.model = record.model, None
        assert model is not None and model.users == 0, "a model in use stays"
        return self._free(model, reason)

    def _free(self, model: Model[E], reason: Reason, *, urgent: bool = False) -> asyncio.Task[None]:
        closing = self._records[model.name].closing
        task = asyncio.create_task(self._freed(model, reason, urgent), name=f"unload {self.kind} {model.name}")
        closing.add(task)
        task.add_done_callback(closing.discard)
        return task

    async def _freed(self, model: Model[E], reason: Reason, urgent: bool) -> None:
        try:
            await free(model, urgent=urgent)
        except VoicechatError as error:
            self._log.warning("model not freed", kind=self.kind, model=model.name, error=error.message)
        self._observe(Change(self.kind, model.name, "unloaded", reason, memory=model.memory))

    async def close(self) -> None:
        """Frees every model on its lane; one that is still busy is left to the end of the process.

        What is being loaded is given up. Leases that are still open stay harmless.
        """
        self._closed = True
        loads = [record.loading for record in self._records.values() if record.loading is not None]
        for load in loads:
            load.cancel()
        await asyncio.gather(*loads, return_exceptions=True)
        for model in (*self.loaded(), *self._retired):
            self._free(model, "closing", urgent=True)
        for record in self._records.values():
            record.model = None
        self._retired.clear()
        closing = [task for record in self._records.values() for task in record.closing]
        if closing:
            await asyncio.wait(closing, timeout=CLOSE_SECONDS)
        for task in closing:
            task.cancel()
        await asyncio.gather(*closing, return_exceptions=True)

    # Looking

    def residents(self) -> list[Resident]:
        """What is in memory, for the evictor."""
        found = [resident for record in self._records.values() for resident in record.residents()]
        return found + [model.resident(self.kind, idle=False) for model in self._retired]

    def loaded(self) -> list[Model[E]]:
        """The models that are there to be lent."""
        return [record.model for record in self._records.values() if record.model is not None]

    def list(self) -> list[ModelInfo]:
        """Every model there is, loaded or not."""
        now = asyncio.get_running_loop().time()
        found = []
        for name in dict.fromkeys([*self.recipes, *self._records]):
            recipe = self.recipes.get(name)
            record = self._records.get(name) or Record(self.kind, name)
            found.append(record.info(recipe.engine if recipe is not None else "", now))
        return found
