"""How a model comes to be: a device is found for it, its engine is made, warmed up and measured."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic

from voicechat.errors import AdapterUnavailable, EngineFailed
from voicechat.models.machine import Machine, Slot, plainly
from voicechat.models.stock import E, Model, Recipe
from voicechat.protocols import Lane


class Maker(Generic[E]):
    """Makes the models of one kind. On the loop; what blocks is on the machine's threads.

    `warm_up` lets a new engine work once on its lane, so that its first caller does not wait for what every engine
    puts off. `make_room` unloads something from a device (auto, cpu, cuda or cuda:N); False: there is nothing to.
    """

    def __init__(
        self,
        kind: str,
        machine: Machine,
        *,
        warm_up: Callable[[E, Lane], Coroutine[Any, Any, None]],
        make_room: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._kind, self._machine = kind, machine
        self._warm_up, self._make_room = warm_up, make_room

    async def make(self, name: str, recipe: Recipe[E], memory: int) -> Model[E]:
        """A new model that will take so many bytes (0: unknown). Raises VoicechatError.

        Cancelled, or failed on the way, nothing of it stays.
        """
        async with self._machine.slot() as slot:
            device = await self._place(name, memory, recipe, slot)
            with self._machine.coming(device, memory):
                try:
                    return await self._made_on(device, name, recipe, slot)
                except AdapterUnavailable:
                    if device == "cpu" or recipe.device != "auto" or not recipe.cpu:
                        raise
            return await self._made_on("cpu", name, recipe, slot)  # its library has no use for the GPU

    async def _place(self, name: str, memory: int, recipe: Recipe[E], slot: Slot) -> str:
        """The device for it. Where it would fit if others went that nobody uses, they go."""
        while True:
            try:
                return await self._machine.place(slot, name, memory, wanted=recipe.device, cpu=recipe.cpu)
            except AdapterUnavailable:
                if not await self._make_room(recipe.device):
                    raise

    async def _made_on(self, device: str, name: str, recipe: Recipe[E], slot: Slot) -> Model[E]:
        before = await slot.run(lambda: self._machine.measure(device))
        making = Making(lambda: recipe.make(device))
        lanes = self._machine.lanes(self._kind, device)
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


class Making(Generic[E]):
    """Makes an engine on a thread; if nobody wants it any more when it is there, it is closed where it is."""

    def __init__(self, make: Callable[[], E]) -> None:
        self._make = make
        self._lock = threading.Lock()  # held for moments
        self._given_up = False
        self._engine: E | None = None

    def __call__(self) -> E:
        with self._lock:
            if self._given_up:
                raise EngineFailed("given_up", "nobody waits for it")
        engine = self._make()
        with self._lock:
            if not self._given_up:
                self._engine = engine
                return engine
        engine.close()
        raise EngineFailed("given_up", "nobody waits for it")

    def give_up(self) -> E | None:
        """From now on nobody wants it; the engine that is there already, for whoever gives it up to close."""
        with self._lock:
            self._given_up = True
            return self._engine
