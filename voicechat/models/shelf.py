"""The catalogue as managers see it: as it was when it was last read, and a recipe for each model."""

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from voicechat.library.catalogue import Catalogue, Entry, Kind, named
from voicechat.models.stock import E, Recipe

COPY: Final = "#"
"""`piper-amy#2` is a second copy of piper-amy."""


def original(name: str) -> str:
    """The model that a name is a copy of, or the name itself."""
    return name.partition(COPY)[0]


class Shelf(Catalogue):
    """Whoever reads the catalogue brings this up to date. Reading blocks; `models` is for the loop."""

    models: Mapping[str, Entry] = {}
    """By name, those that can be loaded."""

    own: Mapping[str, str] = {}
    """For an adapter that loads one of them where it is asked for no model by name, which."""

    def entries(self) -> list[Entry]:
        found = super().entries()
        self.models = {entry.name: entry for entry in found if entry.complete}
        return found

    def settle(self, adapter: str, place: Path) -> None:
        """The adapter loads what lies there by itself: that is the model of this name from now on, and no other."""
        for entry in self.models.values():
            if entry.engine == adapter and entry.model is not None and entry.model.resolve() == place.resolve():
                self.own = {**self.own, adapter: entry.name}

    def alias(self, name: str) -> str:
        """The whole name of a voice that is called by its speaker or by its engine alone: `piper-amy`, and perhaps
        `piper`, is `piper-en_US-amy-medium`."""
        name = self.own.get(name, name)
        found = named(name, self.models.values())
        return name if found is None else found.name


class Recipes(Mapping[str, Recipe[E]]):
    """Of all models of a kind on a shelf. `adapters` are models by their own names too: what the settings say of them;
    but one that loads a model of the shelf is that model, and has no second name.

    `make` makes the recipe of an entry, or of an adapter.
    """

    def __init__(
        self, shelf: Shelf, kind: Kind, adapters: Collection[str], make: Callable[[str, Entry | None], Recipe[E]]
    ) -> None:
        self._shelf, self._kind = shelf, kind
        self._adapters = tuple(adapters)
        self._make = make

    def __getitem__(self, name: str) -> Recipe[E]:
        """Raises KeyError."""
        name = original(name)
        entry = self._shelf.models.get(name)
        if entry is not None and entry.kind == self._kind:
            return self._make(entry.engine, entry)
        if name in self._adapters:
            return self._make(name, None)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        adapters = (name for name in self._adapters if name not in self._shelf.own)
        names = [*adapters, *(entry.name for entry in self._shelf.models.values() if entry.kind == self._kind)]
        return iter(dict.fromkeys(names))

    def __len__(self) -> int:
        return sum(1 for _ in self)
