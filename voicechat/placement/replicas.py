"""What can speak, and what a reply needs of it."""

from dataclasses import dataclass, field
from functools import lru_cache

from voicechat.protocols import Capabilities


@dataclass(slots=True, eq=False)
class Replica:
    """An engine on a device, one of perhaps several of its kind.

    Who lends replicas keeps one of these for each. What it is never changes; how it is, from `resident` on, is kept up
    to date: `waiting` and `in_flight` change as soon as a job is given and when it ends, so the next choice sees them.
    """

    name: str
    """Its own, e.g. "piper-amy@cpu#1"."""
    engine: str
    device: str
    """cpu or cuda:N."""
    capabilities: Capabilities
    voices: tuple[str, ...] = ()
    capacity: int = 1
    """Jobs it can have at a time, and no caller waits audibly."""
    weight: float = 1.0
    """Its share of the work, where the strategy is weighted."""

    resident: bool = True
    """Loaded, and not merely loadable."""
    waiting: int = 0
    in_flight: int = 0
    factor: float = 0.0
    """Time of work over time of sound, on average; 0: not measured yet."""
    seen: float = 0.0
    """When it last gave a sign of life, on the loop's clock."""

    tongues: frozenset[str] = field(init=False, repr=False)
    spoken: frozenset[str] = field(init=False, repr=False)
    names: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.capacity < 1 or self.weight <= 0:
            raise ValueError(f"{self.name}: capacity {self.capacity} and weight {self.weight} must be above 0")
        self.tongues = frozenset(_plain(tag) for tag in self.capabilities.languages)
        self.spoken = frozenset(part for tag in self.tongues for part in _prefixes(tag))
        self.names = frozenset(name for voice in self.voices for name in (voice, f"{self.engine}-{voice}"))


@dataclass(frozen=True, slots=True)
class Wish:
    """What a reply needs; what is empty or false may be anything."""

    language: str = ""
    """BCP 47. "en" is spoken by en-GB, and en-GB by an "en" without region, but not by en-US."""
    streaming: bool = False
    cloning: bool = False
    lora: bool = False
    device: str = "auto"
    """auto, cpu, cuda (any of them) or cuda:N."""
    engine: str = ""
    """An engine's name, or with a star at its end a prefix: `piper-*`."""
    voice: str = ""
    """A voice, alone or behind its engine's name (`amy`, `piper-amy`), or a prefix of either: `piper-*`."""


def lacking(replica: Replica, wish: Wish) -> str:
    """The first requirement that the replica cannot meet; empty: it meets all."""
    can = replica.capabilities
    if wish.engine and not _matches(wish.engine, replica.engine):
        return "engine"
    if wish.voice and wish.voice not in replica.names and not _has_prefix(wish.voice, replica.names):
        return "voice"
    if wish.language and not _speaks(replica, wish.language):
        return "language"
    if wish.streaming and not can.streaming:
        return "streaming"
    if wish.cloning and not can.zero_shot:
        return "cloning"
    if wish.lora and not can.lora:
        return "lora"
    if wish.device != replica.device and wish.device not in ("auto", replica.device.partition(":")[0]):
        return "device"
    return ""


def _matches(pattern: str, name: str) -> bool:
    return name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1]))


@lru_cache(maxsize=1024)
def _has_prefix(pattern: str, names: frozenset[str]) -> bool:
    return pattern.endswith("*") and any(name.startswith(pattern[:-1]) for name in names)


def _speaks(replica: Replica, wanted: str) -> bool:
    parts = _prefixes(wanted)
    return parts[0] in replica.spoken or any(part in replica.tongues for part in parts)


@lru_cache(maxsize=1024)
def _prefixes(language: str) -> tuple[str, ...]:
    """The tag and what is left of it without its last parts, longest first: zh-hans-cn, zh-hans, zh."""
    parts = _plain(language).split("-")
    return tuple("-".join(parts[:count]) for count in range(len(parts), 0, -1))


def _plain(tag: str) -> str:
    return tag.lower().replace("_", "-")
