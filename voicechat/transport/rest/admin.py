"""What an operator may ask of a running server, as JSON: which models there are, to load one, to unload one.

    GET  /admin/models                  200 {"models": [...]}
    POST /admin/models/{name}/load      200 {"model": {...}}, it is loaded; 202, it is still being loaded
    POST /admin/models/{name}/unload    200, it is not loaded; 202, it is still being unloaded
    GET  /admin/capabilities            200, what the loaded models can do

Both POSTs wait for at most `?wait=SECONDS`; what they began goes on after a 202, and asking again waits again. A model
that cannot be loaded is 404 `model_not_found`, 424 where something is missing that it needs, such as a file or a
package, or 500 with what its engine says. One that cannot be unloaded is 409: `model_in_use` or `model_required`.

All of it needs the scope `operate`.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

from aiohttp import web

from voicechat.errors import AdapterError, AdapterUnavailable, BadMessage, ModelBusy, PeerError
from voicechat.transport.access.scopes import Scope, scope
from voicechat.transport.refusal import refusal

T = TypeVar("T")

PATH: Final = "/admin"

WAIT_SECONDS: Final = 30.0
MOST_WAIT_SECONDS: Final = 300.0

LOOK_SECONDS: Final = 10.0
"""Looking into the models' folder takes so long only on a disk that hangs."""

_UNKNOWN: Final = frozenset({"model_not_found", "no_such_model"})


class Operations(Protocol):
    """The house as an operator sees it. Models are JSON objects; `name` is one of a model's keys."""

    async def models(self) -> Sequence[Mapping[str, object]]:
        """Every model there is, loaded or not."""
        ...

    async def load(self, name: str) -> str:
        """Waits until the model is loaded; returns its whole name. Raises AdapterError."""
        ...

    async def unload(self, name: str) -> str:
        """Waits until the model is gone; returns its whole name. Raises AdapterError."""
        ...

    async def capabilities(self) -> Mapping[str, object]:
        """What the loaded models can do, and the devices they have."""
        ...


class Admin:
    """The routes, and what of them goes on: of each thing to do with each model, one."""

    def __init__(self, house: Operations) -> None:
        self._house = house
        self._going: dict[tuple[str, str], asyncio.Task[str]] = {}

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.get(f"{PATH}/models", self._models),
            web.post(f"{PATH}/models/{{name}}/load", self._load),
            web.post(f"{PATH}/models/{{name}}/unload", self._unload),
            web.get(f"{PATH}/capabilities", self._capabilities),
        ]

    async def close(self) -> None:
        """Waits for nothing that goes on."""
        going = list(self._going.values())
        for task in going:
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)

    @scope(Scope.OPERATE)
    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"models": list(await self._look(self._house.models()))})

    @scope(Scope.OPERATE)
    async def _capabilities(self, request: web.Request) -> web.Response:
        return web.json_response(await self._look(self._house.capabilities()))

    @scope(Scope.OPERATE)
    async def _load(self, request: web.Request) -> web.Response:
        return await self._do(request, "load", self._house.load)

    @scope(Scope.OPERATE)
    async def _unload(self, request: web.Request) -> web.Response:
        return await self._do(request, "unload", self._house.unload)

    async def _do(
        self, request: web.Request, what: str, work: Callable[[str], Coroutine[Any, Any, str]]
    ) -> web.Response:
        """Raises PeerError."""
        wait = _wait(request)
        name = request.match_info["name"]
        task = self._going.get((what, name)) or self._begin(what, name, work)
        done, _ = await asyncio.wait({task}, timeout=wait)
        if done:
            try:
                name = task.result()
            except AdapterError as error:
                return _refused(error)
        models = await self._look(self._house.models())
        found = next((model for model in models if model["name"] == name), {"name": name})
        return web.json_response({"model": found}, status=200 if done else 202)

    def _begin(self, what: str, name: str, work: Callable[[str], Coroutine[Any, Any, str]]) -> asyncio.Task[str]:
        def end(task: asyncio.Task[str]) -> None:
            del self._going[what, name]
            if not task.cancelled():
                task.exception()  # whoever still waits is told; the list of models tells the others

        task = self._going[what, name] = asyncio.create_task(work(name), name=f"{what} {name[:100]}")
        task.add_done_callback(end)
        return task

    async def _look(self, work: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                return await work
        except TimeoutError:
            raise web.HTTPServiceUnavailable(text="the models' folder does not answer") from None
        except AdapterError as error:
            raise web.HTTPServiceUnavailable(text=error.message) from None


def _refused(error: AdapterError) -> web.Response:
    """What became of the wish. Raises PeerError for a model that does not exist."""
    if error.code in _UNKNOWN:
        raise PeerError("model_not_found", error.message) from None
    status = 500
    if isinstance(error, ModelBusy):
        status = 409
    elif isinstance(error, AdapterUnavailable):
        status = 503 if error.code == "closing" else 424
    return refusal(status, error.code, error.message, "name")


def _wait(request: web.Request) -> float:
    """Raises BadMessage."""
    text = request.query.get("wait", str(WAIT_SECONDS))
    try:
        wait = float(text)
    except ValueError:
        wait = math.nan
    if not 0 <= wait <= MOST_WAIT_SECONDS:
        raise BadMessage(
            "invalid_value", f"wait: found {text[:40]!r}; allowed: 0 to {MOST_WAIT_SECONDS:g} seconds", param="wait"
        )
    return wait
