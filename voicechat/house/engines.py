"""The models that understand and speak: how each is made, on which device and lanes, and within which limits."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import structlog

from voicechat import adapters
from voicechat.adapters.piper import voices
from voicechat.adapters.whisper import models
from voicechat.config import Settings
from voicechat.errors import AdapterUnavailable
from voicechat.house.lanes import Lanes
from voicechat.library.catalogue import BUILT_IN, Entry, Kind
from voicechat.models import footprint, warmup
from voicechat.models.desk import Desk
from voicechat.models.evictor import Evictor
from voicechat.models.machine import Machine
from voicechat.models.manager import LOAD_SECONDS, ModelManager
from voicechat.models.residency import Change, Limits
from voicechat.models.shelf import Recipes, Shelf
from voicechat.models.stock import Recipe
from voicechat.placement import Device
from voicechat.pool import MOST_WORKERS
from voicechat.protocols import AsrEngine, Lane, TtsEngine

FINDERS: Final[Mapping[str, Callable[[Settings], Path]]] = {"whisper": models.find, "piper": voices.find}
"""Adapters that choose among the models of the folder, and how."""


class Engines:
    """Those that are loaded and lent, and the desk from which operators see to them. None is loaded yet.

    `survey` tells the devices and may block; `phrases` are what the agent knows to be asked. `observe` hears of every
    load and unload.
    """

    def __init__(
        self,
        settings: Settings,
        lanes: Lanes,
        survey: Callable[[], Sequence[Device]],
        *,
        phrases: Sequence[str],
        observe: Callable[[Change], None],
    ) -> None:
        self._settings, self._lanes, self._look = settings, lanes, survey
        self._devices: Sequence[Device] = ()
        knobs = settings.models
        self.shelf = Shelf(knobs.root)
        self.evictor = Evictor(Limits(knobs.ttl, knobs.resident_cap, knobs.memory_budget), knobs.evict_interval)
        makers = [lanes.new(f"load-{number}", LOAD_SECONDS) for number in range(knobs.max_parallel_loads)]
        self._machine = machine = Machine(
            lanes=self._lanes_on, makers=makers, survey=self._survey, measure=footprint.used
        )
        self.asr: ModelManager[AsrEngine] = ModelManager(
            "asr", self._recipes("asr", phrases), machine, self.evictor, warm_up=warmup.listen, observe=observe
        )
        self.tts: ModelManager[TtsEngine] = ModelManager(
            "tts", self._recipes("tts"), machine, self.evictor, warm_up=warmup.speak, observe=observe
        )
        self.desk = Desk(self.shelf, {"asr": self.asr, "tts": self.tts}, self._survey)

    def look(self) -> None:
        """Reads which models there are. Blocking.

        A folder that cannot be read has no models: the built-in ones need none.
        """
        try:
            self.shelf.entries()
        except AdapterUnavailable as error:
            structlog.get_logger().warning("no models", error=error.message)
        for adapter, find in FINDERS.items():
            with suppress(AdapterUnavailable):
                self.shelf.settle(adapter, find(self._settings))

    async def close(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.asr.close())
            group.create_task(self.tts.close())
        await self._machine.close()

    def _survey(self) -> Sequence[Device]:
        """Blocking."""
        self._devices = self._look()
        return self._devices

    def _recipes(self, kind: Kind, *arguments: object) -> Recipes[Any]:
        """Of every model of a kind; `arguments` are what its adapters are loaded with beside the settings."""

        def recipe(engine: str, entry: Entry | None) -> Recipe[Any]:
            settings = self._settings if entry is None else entry.chosen(self._settings)
            wanted = "cpu" if engine in BUILT_IN else getattr(settings, kind).device

            def make(device: str) -> Any:
                if device == "cpu" and wanted == "auto" and len(self._devices) == 1:
                    device = wanted  # nothing here tells of GPUs; the engine's library may see one
                return adapters.choose(kind, engine, _on(settings, kind, device), *arguments)

            return Recipe(engine, make, wanted, memory=entry.size if entry is not None else 0)

        return Recipes(self.shelf, kind, adapters.names(kind), recipe)

    def _lanes_on(self, kind: str, device: str) -> tuple[Lane, ...]:
        """As many as can work at the same time."""
        knobs = self._settings.tts if kind == "tts" else self._settings.asr
        count = min(MOST_WORKERS, os.cpu_count() or 1)
        if kind == "tts" and self._settings.tts.workers is not None:
            count = self._settings.tts.workers
        place = kind if device == "cpu" else f"{kind}-{device}"
        return tuple(self._lanes.new(f"{place}-{number}", knobs.deadline) for number in range(count))


def _on(settings: Settings, kind: str, device: str) -> Settings:
    """Settings with which a kind's engines are loaded on a device."""
    section = getattr(settings, kind)
    return settings.model_copy(update={kind: section.model_copy(update={"device": device})})
