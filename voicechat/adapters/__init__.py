"""The engines behind the protocols, one file each: the file's name is the adapter's name.

Each file has one function for the composition root, called on the engine's lane (it may block):

    vad/    load(settings: Settings) -> VadEngine
    asr/    load(settings: Settings, phrases: Sequence[str]) -> AsrEngine
    agent/  load(settings: Settings) -> Agent
    tts/    load(settings: Settings) -> TtsEngine
    turn/   load(settings: Settings) -> TurnDetector
    spotter/ load(settings: Settings) -> Spotter
    aec/    load() -> Canceller, for `talk` alone

It raises AdapterUnavailable when the model or library it needs is not here, before importing anything heavy, or
EngineFailed when the model is here and broken.

What engines are made of is beside them, in folders of its own: whisper/, piper/ and onnx/.
"""

import importlib
import os
import pkgutil

# Since 1.29 onnxruntime sends usage data to its maker as soon as it is imported, by us or by an engine's package, and
# keeps a database of it. Nothing leaves this server unasked; 0 in the environment allows it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def names(kind: str) -> list[str]:
    """The adapters of a kind: vad, asr, agent, tts or turn. Imports none of them."""
    package = importlib.import_module(f"voicechat.adapters.{kind}")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))
