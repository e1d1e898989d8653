"""What is known of one model by its name: the engine that is loaded, the load that is under way, what went wrong."""

import asyncio
from dataclasses import dataclass, field
from typing import Final, Generic

from voicechat.errors import VoicechatError
from voicechat.models.residency import Resident
from voicechat.models.stock import E, Model, ModelInfo, State

FIRST_RETRY_SECONDS: Final = 5.0
LONGEST_RETRY_SECONDS: Final = 300.0
"""After a load that failed, callers do not try again for so long; each failure in a row doubles it."""


@dataclass(slots=True, eq=False)
class Record(Generic[E]):
    """Times are on the loop's clock."""

    kind: str
    name: str
    model: Model[E] | None = None
    loading: asyncio.Task[VoicechatError | None] | None = None
    closing: set[asyncio.Task[None]] = field(default_factory=set)
    waiting: int = 0  # callers who wait for the load
    kept: bool = False  # it is never evicted or unloaded
    error: VoicechatError | None = None
    failures: int = 0  # in a row
    again: float = 0.0  # not to be tried before
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

    def arrived(self, model: Model[E]) -> Model[E] | None:
        """It has been loaded; the model that it replaces, if it does."""
        old, self.model = self.model, model
        self.error, self.failures = None, 0
        self.loads += 1
        self.memory = model.memory
        return old

    def failed(self, error: VoicechatError, now: float) -> None:
        self.error = error
        self.failures += 1
        self.again = now + min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(self.failures - 1, 16))

    def refusal(self, now: float) -> VoicechatError | None:
        """What the last load failed with, while it is too early for another."""
        return self.error if self.loading is None and now < self.again else None

    def residents(self) -> list[Resident]:
        """What is in memory under the name, as the evictor sees it."""
        if self.model is None:
            return []
        idle = not (self.model.users or self.waiting or self.loading or self.kept)
        return [self.model.resident(self.kind, idle=idle)]

    def info(self, engine: str, now: float) -> ModelInfo:
        """As operators see it."""
        model = self.model
        return ModelInfo(
            self.name,
            self.kind,
            engine,
            self.state,
            model.device if model is not None else "",
            model.memory if model is not None else self.memory,
            model.users if model is not None else 0,
            now - model.used if model is not None and not model.users else 0.0,
            self.loads,
            model.seconds if model is not None else 0.0,
            self.error.message if self.error is not None else "",
        )
