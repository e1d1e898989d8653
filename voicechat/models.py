"""The ModelManager: engines are loaded once, warmed up, and lent to sessions by name."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from voicechat.errors import AdapterUnavailable, EngineFailed
from voicechat.protocols import Lane

LOAD_SECONDS: Final = 600.0
"""Large models come from slow disks."""

CLOSE_SECONDS: Final = 0.5
"""A recognition that lasts longer is not worth making the whole server end late."""


class Engine(Protocol):
    """What every engine has in common. `close` is called on the engine's lane."""

    name: str

    def close(self) -> None: ...


E = TypeVar("E", bound=Engine)


@dataclass(slots=True)
class Model(Generic[E]):
    """A loaded engine, the lanes it may run on, and how many sessions use it."""

    engine: E
    lanes: tuple[Lane, ...]
    users: int = 0

    def lane(self) -> Lane:
        """The lane with the least to do."""
        return min(self.lanes, key=lambda lane: lane.load)


class ModelManager(Generic[E]):
    """Holds the engines of one kind. On the loop."""

    def __init__(self) -> None:
        self._models: dict[str, Model[E]] = {}
        self.default = ""

    async def load(self, make: Callable[[], E], lanes: tuple[Lane, ...]) -> Model[E]:
        """Makes an engine on the first of its lanes. The first engine loaded is the default. Raises AdapterError."""
        engine = await lanes[0].run(make, deadline=LOAD_SECONDS)
        model = self._models[engine.name] = Model(engine, lanes)
        self.default = self.default or engine.name
        return model

    @contextmanager
    def lend(self, name: str = "") -> Iterator[Model[E]]:
        """The named engine, or the default, counted as in use. Raises AdapterUnavailable for a name not loaded."""
        model = self._models.get(name or self.default)
        if model is None:
            raise AdapterUnavailable("no_such_model", f"{name!r} is not loaded; loaded: {', '.join(self._models)}")
        model.users += 1
        try:
            yield model
        finally:
            model.users -= 1

    def list(self) -> list[Model[E]]:
        return list(self._models.values())

    async def close(self) -> None:
        """Frees every engine on its lane; one that is still busy is left to the end of the process."""
        models, self._models = self._models, {}
        for model in models.values():
            with suppress(EngineFailed):
                await model.lanes[0].run(model.engine.close, urgent=True, deadline=CLOSE_SECONDS)
