"""Which replica speaks for a caller, so that their voice stays the same from reply to reply.

In memory, or in a Redis that several servers share. It is looked up while the answer is still being thought of, before
a replica is chosen; the choice itself waits for nothing.
"""

import asyncio
import importlib.util
from collections import OrderedDict
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import structlog

from voicechat.errors import AdapterUnavailable, ConfigError

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")

KEPT_SECONDS: Final = 3600.0
"""A caller who was silent for so long may get another voice: the longest session, as it is set by default."""

NAMES: Final = 10_000
"""Callers kept in memory; of more, those who spoke least recently are forgotten."""

CALL_SECONDS: Final = 0.1
"""What a lookup may take before it is given up. One in the same network takes a millisecond."""

REST_SECONDS: Final = 5.0
"""How long a Redis that failed is left alone: meanwhile no reply waits for it."""

CONNECTIONS: Final = 8
PREFIX: Final = "voicechat:affinity:"


class Affinity(Protocol):
    """Where callers' replicas are kept. On the loop; raises nothing but CancelledError."""

    async def get(self, caller: str) -> str:
        """The name of the caller's replica; empty: they have none."""
        ...

    async def bind(self, caller: str, replica: str) -> None:
        """From now on it is this one. What was neither bound nor got for an hour is forgotten."""
        ...

    async def forget(self, caller: str) -> None: ...

    async def close(self) -> None: ...


class Memory:
    """In this process."""

    def __init__(self, kept_seconds: float = KEPT_SECONDS, names: int = NAMES) -> None:
        self._kept = kept_seconds
        self._names = names
        self._bound: OrderedDict[str, tuple[str, float]] = OrderedDict()  # to a replica, until; least recent first

    def __len__(self) -> int:
        return len(self._bound)

    async def get(self, caller: str) -> str:
        replica, until = self._bound.get(caller, ("", 0.0))
        if replica and until > self._now():
            await self.bind(caller, replica)
            return replica
        return ""

    async def bind(self, caller: str, replica: str) -> None:
        now = self._now()
        self._bound[caller] = (replica, now + self._kept)
        self._bound.move_to_end(caller)
        while len(self._bound) > self._names or next(iter(self._bound.values()))[1] <= now:
            self._bound.popitem(last=False)

    async def forget(self, caller: str) -> None:
        self._bound.pop(caller, None)

    async def close(self) -> None:
        self._bound.clear()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


class Shared:
    """In a Redis, and in memory for the time that it cannot be reached.

    An outage is logged once, and its end. Every call to Redis has a deadline; after one that failed, none is made for
    REST_SECONDS. `redis` decodes what it gets to text, and is closed with this.
    """

    def __init__(self, redis: "Redis", kept_seconds: float = KEPT_SECONDS, call_seconds: float = CALL_SECONDS) -> None:
        from redis.exceptions import RedisError

        self._errors = (RedisError, OSError, TimeoutError)
        self._redis = redis
        self._kept = int(1000 * kept_seconds)
        self._deadline = call_seconds
        self._memory = Memory(kept_seconds)
        self._again = 0.0
        self._away = False
        self._log = structlog.get_logger()

    async def get(self, caller: str) -> str:
        known = await self._memory.get(caller)
        if not self._reachable():
            return known
        found = str(await self._call(self._redis.getex(PREFIX + caller, px=self._kept)) or known)
        if found != known:  # bound by another server; we shall know it too when Redis goes
            await self._memory.bind(caller, found)
        return found

    async def bind(self, caller: str, replica: str) -> None:
        await self._memory.bind(caller, replica)
        if self._reachable():
            await self._call(self._redis.set(PREFIX + caller, replica, px=self._kept))

    async def forget(self, caller: str) -> None:
        await self._memory.forget(caller)
        if self._reachable():
            await self._call(self._redis.delete(PREFIX + caller))

    async def close(self) -> None:
        await self._memory.close()
        await self._redis.aclose()

    def _reachable(self) -> bool:
        return asyncio.get_running_loop().time() >= self._again

    async def _call(self, command: Awaitable[T]) -> T | None:
        """The command's result; None when it fails."""
        try:
            async with asyncio.timeout(self._deadline):
                result = await command
        except self._errors as error:
            self._again = asyncio.get_running_loop().time() + REST_SECONDS
            if not self._away:
                self._away = True
                self._log.warning("redis fails; affinity is kept in memory", reason=str(error) or type(error).__name__)
            return None
        if self._away:
            self._away = False
            self._log.info("redis is back")
        return result


def connect(where: str, *, kept_seconds: float = KEPT_SECONDS, call_seconds: float = CALL_SECONDS) -> Affinity:
    """For the setting `routing.affinity`: memory, or the address of a Redis, which need not be there yet.

    Raises AdapterUnavailable when the package for Redis is not installed, ConfigError for an address that is none.
    """
    if where == "memory":
        return Memory(kept_seconds)
    if importlib.util.find_spec("redis") is None:
        raise AdapterUnavailable("no_redis", "routing.affinity: no package redis: pip install 'voicechat[cluster]'")
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    try:
        pool = BlockingConnectionPool.from_url(
            where,
            max_connections=CONNECTIONS,
            timeout=call_seconds,
            socket_connect_timeout=call_seconds,
            socket_timeout=call_seconds,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
            encoding_errors="replace",
        )
    except ValueError:  # what was found is not shown: a password may be in it
        raise ConfigError("bad_config", "routing.affinity: allowed: redis://USER:PASSWORD@HOST:PORT/NUMBER") from None
    return Shared(Redis.from_pool(pool), kept_seconds, call_seconds)
