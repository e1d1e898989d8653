"""What the `models` commands show and do: of the models' folder here, or of a running server. Blocking.

Each function raises VoicechatError.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any, Final
from urllib.parse import quote

import aiohttp
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from voicechat import adapters
from voicechat.config import Settings
from voicechat.errors import VoicechatError
from voicechat.fetching import pull
from voicechat.library.catalogue import FILED, Catalogue, Kind
from voicechat.terminal import login

LOAD_SECONDS: Final = 600.0
"""Large models come from slow disks."""

ASK_SECONDS: Final = 20.0
"""How long one request asks the server to wait; it is repeated."""

ANSWER_SECONDS: Final = 15.0
"""For the server to answer, beyond what it was asked to wait."""

Model = Mapping[str, Any]


def of(settings: Settings) -> Catalogue:
    """The models that this installation can use."""
    kinds: tuple[Kind, ...] = ("asr", "tts")
    built_in = {name: kind for kind in kinds for name in adapters.names(kind) if name not in FILED}
    return Catalogue(settings.models.root, built_in, frozenset(adapters.names("tts")))


def listed(settings: Settings, url: str | None, key: str | None = None) -> list[Model]:
    """The models as JSON objects; with a URL those of the server there, with what it has loaded."""
    if url is not None:
        return list(_ask(url, "GET", "/admin/models", key)["models"])
    return [{**entry.told(), "place": str(entry.place or "")} for entry in of(settings).entries()]


def shown(settings: Settings, name: str, url: str | None, key: str | None = None) -> Model:
    models = listed(settings, url, key)
    found = next((model for model in models if model["name"] == name), None)
    if found is None and url is None:
        whole = of(settings).find(name).name
        found = next(model for model in models if model["name"] == whole)
    if found is None:
        raise VoicechatError("model_not_found", f"{url}: there is no model {name!r}")
    return found


def load(url: str, name: str, key: str | None = None) -> Model:
    """Waits until a running server has loaded the model."""
    return _do(url, name, "load", "Loading", key)


def unload(url: str, name: str, key: str | None = None) -> Model:
    """Waits until a running server has unloaded the model."""
    return _do(url, name, "unload", "Unloading", key)


def fetch(settings: Settings, name: str) -> Model:
    """Pulls the model from the hub; what is known of it then."""
    pull.run(settings, name)
    return shown(settings, pull.order(name).name, None)


def tell(models: Sequence[Model]) -> None:
    """Prints a table; of a server's models also how they are."""
    running = any("state" in model for model in models)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("Model", "Kind", "On disk", "Languages", "Licence"):
        table.add_column(title, justify="right" if title == "On disk" else "left", overflow="fold")
    for title in ("State", "Device", "Memory", "Users") if running else ("State",):
        table.add_column(title, justify="right" if title in ("Memory", "Users") else "left", overflow="fold")
    for model in models:
        cells = [model["name"], model["kind"], _size(model["size"]), " ".join(model["languages"]), model["licence"]]
        cells += [_state(model)]
        if running:
            cells += [model["device"], _size(model["memory"]), str(model["users"] or "")]
        table.add_row(*map(_plain, cells))
    Console().print(table)


def tell_one(model: Model) -> None:
    """Prints a line for each thing that is known, and for each fault."""
    console = Console(soft_wrap=True)
    width = max(map(len, model))
    for key, value in model.items():
        for line in _lines(key, value):
            console.print(f"{key:{width}}  {_plain(line)}", highlight=False)


def _lines(key: str, value: Any) -> list[str]:
    """None for what is empty."""
    match value:
        case bool():
            return ["yes" if value else "no"]
        case int() if key in ("size", "memory"):
            return [_size(value)] if value else []
        case float():
            return [f"{value:.1f} s"] if value else []
        case list():
            return value if key == "faults" else [" ".join(value)] if value else []
    return [str(value)] if value not in ("", None) else []


def as_json(found: Sequence[Model] | Model) -> str:
    return json.dumps(found, indent=2)


def _do(url: str, name: str, what: str, doing: str, key: str | None) -> Model:
    deadline = monotonic() + LOAD_SECONDS
    with Console(stderr=True).status(f"{doing} {_plain(name)}"):
        while True:
            path = f"/admin/models/{quote(name, safe='')}/{what}?wait={ASK_SECONDS:g}"
            answer = _ask(url, "POST", path, key)
            if answer["status"] == 200:
                return dict(answer["model"])
            if monotonic() > deadline:
                raise VoicechatError("model_slow", f"{url}: {name} is still {answer['model'].get('state', 'busy')}")


def _ask(url: str, method: str, path: str, key: str | None) -> dict[str, Any]:
    """The JSON of a good answer, and its status."""
    return asyncio.run(_asked(f"{url.rstrip('/')}", method, path, key))


async def _asked(url: str, method: str, path: str, key: str | None) -> dict[str, Any]:
    timeout = aiohttp.ClientTimeout(total=ASK_SECONDS + ANSWER_SECONDS, sock_connect=5.0)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=login.headers(key)) as client,
            client.request(method, url + path) as answer,
        ):
            body = json.loads(await answer.text())
            if not isinstance(body, dict):
                raise ValueError
            if answer.status >= 400:
                error = body["error"]
                raise VoicechatError(str(error["code"]), f"{url}: {error['message']}")
            return {**body, "status": answer.status}
    except aiohttp.InvalidURL:
        raise VoicechatError("bad_url", f"{url}: is no address of a server, such as http://127.0.0.1:8080") from None
    except aiohttp.ClientSSLError as error:
        raise VoicechatError("no_server", f"{url}: its certificate is not trusted here ({error.strerror})") from None
    except (aiohttp.ClientConnectionError, TimeoutError):
        raise VoicechatError("no_server", f"{url}: no server answers there; start it, or give its --url") from None
    except (aiohttp.ClientError, ValueError, KeyError, TypeError):
        raise VoicechatError("no_server", f"{url}: what answers there is no voicechat that is new enough") from None


def _state(model: Model) -> str:
    if model["faults"]:
        return f"incomplete: {model['faults'][0].rpartition('/')[2]}"
    return str(model.get("error") or model.get("state") or "ready")


def _size(count: float) -> str:
    if not count:
        return ""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _plain(text: str) -> str:
    """Names of files may hold anything."""
    return escape("".join(letter if letter.isprintable() else "?" for letter in text))
