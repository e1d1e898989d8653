"""Unloads the models that need not stay: at once where others need their room, and in time where nobody uses them."""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from voicechat.models.residency import Limits, Reason, Resident, expired, surplus

INTERVAL_SECONDS: Final = 30.0


class Holder(Protocol):
    """Who holds models: a manager of one kind."""

    kind: str

    def residents(self) -> Sequence[Resident]: ...

    def evict(self, name: str, reason: Reason) -> "asyncio.Task[None]":
        """Unloads a model that is idle: nobody gets it any more from now on, and it is gone when the task is done."""
        ...


class Evictor:
    """Keeps what all managers hold together within one set of limits. On the loop; nothing here waits for a model."""

    def __init__(self, limits: Limits, interval: float = INTERVAL_SECONDS) -> None:
        self._limits = limits
        self._interval = interval
        self._holders: dict[str, Holder] = {}

    @property
    def limits(self) -> Limits:
        return self._limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        """They hold from now on."""
        self._limits = limits
        self.tidy()

    def watch_over(self, holder: Holder) -> None:
        self._holders[holder.kind] = holder

    def tidy(self) -> None:
        """Makes room; called whenever a model came, or nobody uses one any more."""
        self._evict(surplus(self._residents(), self._limits), "room")

    def tick(self) -> None:
        """Lets go what nobody has used for too long."""
        now = asyncio.get_running_loop().time()
        self._evict(expired(self._residents(), self._limits, now), "idle")
        self.tidy()

    async def make_room(self, wanted: str) -> bool:
        """Unloads the idle model that was used least recently of those on a device (auto, cpu, cuda or cuda:N), and
        waits until it is gone. False: there is none."""
        idle = [one for one in self._residents() if one.idle and wanted in ("auto", one.device, _family(one.device))]
        if not idle:
            return False
        oldest = min(idle, key=lambda one: one.used)
        await asyncio.wait({self._holders[oldest.kind].evict(oldest.name, "room")})
        return True

    async def watch(self) -> None:
        """Ticks for ever."""
        while True:
            await asyncio.sleep(self._interval)
            self.tick()

    def _residents(self) -> list[Resident]:
        return [one for holder in self._holders.values() for one in holder.residents()]

    def _evict(self, going: Sequence[Resident], reason: Reason) -> None:
        for one in going:
            self._holders[one.kind].evict(one.name, reason)


def _family(device: str) -> str:
    return device.partition(":")[0]
