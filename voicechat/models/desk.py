"""Where operators ask, as `transport.admin.Operations` says: the catalogue and the managers, told together."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from voicechat.errors import AdapterUnavailable
from voicechat.library.catalogue import Catalogue, Entry, Kind
from voicechat.models.stock import Model, ModelInfo, State
from voicechat.placement import Device


class Holder(Protocol):
    """A manager of one kind, as it is needed here."""

    def loaded(self) -> Sequence[Model[Any]]: ...

    def list(self) -> Sequence[ModelInfo]: ...

    async def load(self, name: str = "") -> None: ...

    async def unload(self, name: str) -> None: ...


class Desk:
    """On the loop. What may block, the catalogue and `survey`, which tells the devices, runs on threads."""

    def __init__(
        self, catalogue: Catalogue, holders: Mapping[str, Holder], survey: Callable[[], Sequence[Device]]
    ) -> None:
        self._catalogue = catalogue
        self._holders = holders
        self._survey = survey

    async def models(self) -> list[dict[str, object]]:
        """Every model of the catalogue, and what its manager says of it. Raises AdapterUnavailable."""
        entries = await asyncio.to_thread(self._catalogue.entries)
        known = {info.name: info for holder in self._holders.values() for info in holder.list()}
        told = [{**entry.told(), **asdict(known.pop(entry.name, _absent(entry)))} for entry in entries]
        others = [info for info in known.values() if info.state is not State.ABSENT]
        return told + [{**Entry(info.name, _kind(info.kind), info.engine).told(), **asdict(info)} for info in others]

    async def load(self, name: str) -> str:
        """See `transport.admin.Operations`."""
        holder, name = await self._found(name)
        await holder.load(name)
        return name

    async def unload(self, name: str) -> str:
        """See `transport.admin.Operations`."""
        holder, name = await self._found(name)
        await holder.unload(name)
        return name

    async def capabilities(self) -> dict[str, object]:
        """What each loaded model can do, and the devices with their memory in bytes."""
        devices = await asyncio.to_thread(self._survey)
        models = [_able(kind, model) for kind, holder in self._holders.items() for model in holder.loaded()]
        return {"models": models, "devices": [asdict(device) for device in devices]}

    async def _found(self, name: str) -> tuple[Holder, str]:
        """Who has the model, and its whole name. Raises AdapterUnavailable for one that cannot be used."""
        for holder in self._holders.values():
            if any(info.name == name and info.state is not State.ABSENT for info in holder.list()):
                return holder, name
        entry = await asyncio.to_thread(self._catalogue.find, name)
        if not entry.complete:
            raise AdapterUnavailable("model_incomplete", f"{entry.name}: {'; '.join(entry.faults)}")
        return self._holders[entry.kind], entry.name


def _absent(entry: Entry) -> ModelInfo:
    return ModelInfo(entry.name, entry.kind, entry.engine, State.ABSENT, "", 0, 0, 0.0, 0, 0.0, "")


def _kind(kind: str) -> Kind:
    return "asr" if kind == "asr" else "tts"


def _able(kind: str, model: Model[Any]) -> dict[str, object]:
    able: dict[str, object] = {"name": model.name, "kind": kind, "engine": model.engine.name, "device": model.device}
    if kind == "tts":
        able |= asdict(model.engine.capabilities)
        able |= {"rate": model.engine.rate, "voices": [asdict(voice) for voice in model.engine.voices]}
    return able | {"memory": model.memory}
