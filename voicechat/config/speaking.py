"""Settings of the engines that speak: `tts`."""

from typing import Annotated

from pydantic import Field

from voicechat.config.section import Count, Device, Seconds, Section, Texts


class EspeakSettings(Section):
    words_per_minute: Annotated[int, Field(ge=80, le=450)] = 165


class PiperSettings(Section):
    model: str = ""
    """A voice's name, e.g. en_US-amy-medium, or a path to its .onnx; empty: the first that is present of those that
    speak the callers' language, which is `asr.language`, and else the first of all."""
    threads: Count = 1


class TtsSettings(Section):
    engine: str = "auto"
    device: Device = "auto"
    voice: str = ""
    """The default voice; empty: the engine's first."""
    interim: str = ""
    """The model that speaks while one that is asked for loads; empty: the one that spoke before."""
    preload: Texts = ()
    """Models that are loaded at start beside the engine's own."""
    copies: Count = 1
    """Of the engine's own model, each on the device with the most free memory: for more than one GPU."""
    deadline: Seconds = 20.0
    """A step of synthesis that takes longer has failed."""
    workers: Count | None = None
    """Threads that speak at the same time with one engine; null: by its kind and the cores, at most four."""
    in_flight: Count = 2
    """Sentences of one answer that may be in work at the same time."""
    per_device: Count | None = None
    """Sentences in work at the same time on one device, of all engines; null: one for each core, two on a GPU."""
    espeak: EspeakSettings = EspeakSettings()
    piper: PiperSettings = PiperSettings()
