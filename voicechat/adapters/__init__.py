"""The engines behind the protocols, found by name, one file each: the file's name is the adapter's name.

Each file has one function for `choose`, called on the engine's lane (it may block):

    vad/    load(settings: Settings) -> VadEngine
    asr/    load(settings: Settings, phrases: Sequence[str]) -> AsrEngine
    agent/  load(settings: Settings) -> Agent
    tts/    load(settings: Settings) -> TtsEngine
    turn/   load(settings: Settings) -> TurnDetector
    spotter/ load(settings: Settings) -> Spotter
    aec/    load() -> Canceller, for `talk` alone
    tool/   async load(settings: Settings, lanes: Callable[[str, float], Lane]) -> list[Toolbox], all of them are used

It raises AdapterUnavailable when the model or library it needs is not here, before importing anything heavy, or
EngineFailed when the model is here and broken.

What they are made of is beside them, in folders of its own: whisper/, piper/, onnx/, chat/ and toolbox/.
"""

import importlib
import os
import pkgutil
from types import ModuleType
from typing import Any, Final

from voicechat.errors import AdapterUnavailable, ConfigError

PREFERRED: Final = {"asr": ("whisper", "pocketsphinx"), "tts": ("piper", "espeak"), "spotter": ("pocketsphinx",)}
"""With `engine: auto`, the first of these that can be loaded here."""

SETTINGS: Final = {"spotter": "turn.barge_in.spotter"}
"""Where a kind's engine is named, if not in `engine` of a section of its own."""

# Since 1.29 onnxruntime sends usage data to its maker as soon as it is imported, by us or by an engine's package, and
# keeps a database of it. Nothing leaves this server unasked; 0 in the environment allows it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# CUDA puts the fastest GPU first, the driver's program counts as they are plugged in; where cards differ, cuda:0 would
# be one for who loads a model and another for who counts its memory. Read by CUDA when it is first used.
os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")


def names(kind: str) -> list[str]:
    """The adapters of a kind: vad, asr, agent, tts or turn. Imports none of them."""
    package = importlib.import_module(f"voicechat.adapters.{kind}")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def choose(kind: str, wanted: str, *arguments: object) -> Any:
    """Loads the wanted engine of a kind, or with "auto" the best that is present. Blocking.

    Raises ConfigError for a name that no adapter has, AdapterError when it cannot be loaded.
    """
    if wanted != "auto":
        return _module(kind, wanted).load(*arguments)
    reasons = []
    for name in PREFERRED[kind]:
        try:
            return _module(kind, name).load(*arguments)
        except AdapterUnavailable as error:
            reasons.append(f"{name}: {error.message}")
    raise AdapterUnavailable("no_engine", f"no {kind} engine can be loaded here; {'; '.join(reasons)}")


def _module(kind: str, name: str) -> ModuleType:
    known = names(kind)
    if name not in known:
        key = SETTINGS.get(kind, f"{kind}.engine")
        allowed = ", ".join([*(["auto"] if kind in PREFERRED else []), *known])
        raise ConfigError("bad_config", f"{key}: found '{name}'; allowed: {allowed}")
    return importlib.import_module(f"voicechat.adapters.{kind}.{name}")
