"""The models that are loaded at start: those without which nobody can be served, then those that are wanted besides."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from voicechat.adapters import PREFERRED
from voicechat.config import Settings
from voicechat.errors import AdapterUnavailable, ConfigError, VoicechatError
from voicechat.house.engines import Engines
from voicechat.models.manager import ModelManager
from voicechat.models.shelf import COPY


async def stock(
    models: ModelManager[Any], wanted: str, preload: Sequence[str], whole: Callable[[str], str] = str
) -> None:
    """Loads the default model of a kind. `whole` gives a model's whole name. Raises ConfigError or AdapterError."""
    kind = models.kind
    for name in (*([] if wanted == "auto" else [wanted]), *preload):
        if whole(name) not in models.recipes:
            allowed = ", ".join([*(["auto"] if name == wanted else []), *models.recipes])
            key = "engine" if name == wanted else "preload"
            raise ConfigError("bad_config", f"{kind}.{key}: found '{name}'; allowed: {allowed}")
    reasons = []
    for name in map(whole, PREFERRED[kind] if wanted == "auto" else (wanted,)):
        try:
            await models.load(name)
        except AdapterUnavailable as error:
            if wanted != "auto":
                raise
            models.forget(name)
            reasons.append(f"{name}: {error.message}")
        else:
            models.default = name
            models.keep(name)
            return
    raise AdapterUnavailable("no_engine", f"no {kind} engine can be loaded here; {'; '.join(reasons)}")


async def stock_more(engines: Engines, settings: Settings) -> None:
    """Loads what is not needed to begin with: that it cannot be loaded is told and no more. Raises ConfigError."""
    asr, tts = engines.asr, engines.tts
    whole = engines.shelf.alias
    interim = whole(settings.tts.interim)
    if interim and interim not in tts.recipes:
        raise ConfigError("bad_config", f"tts.interim: found '{interim}'; allowed: {', '.join(tts.recipes)}")
    copies = [f"{tts.default}{COPY}{number}" for number in range(2, settings.tts.copies + 1)]
    staying = [*copies, interim] if interim else copies
    for name in staying:
        tts.keep(name)
    loads = [tts.load(name) for name in (*staying, *map(whole, settings.tts.preload))]
    loads += [asr.load(name) for name in map(whole, settings.asr.preload)]
    for failure in await asyncio.gather(*loads, return_exceptions=True):
        if isinstance(failure, BaseException) and not isinstance(failure, VoicechatError):
            raise failure
