"""Settings of the engines that hear: `vad` and `asr`."""

from typing import Annotated

from pydantic import Field

from voicechat.config.section import Count, Device, Seconds, Section, Texts


class WebrtcVadSettings(Section):
    aggressiveness: Annotated[int, Field(ge=0, le=3)] = 2
    gate_db: Annotated[float, Field(ge=0, le=40)] = 6.0
    """How far above the background a sound must be to count as voice."""
    floor_db: Annotated[float, Field(ge=-100, le=0)] = -60.0
    """Nothing below this level is voice."""


class SileroSettings(Section):
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Probability from which a window counts as speech; it stays speech down to 0.15 below."""


class VadSettings(Section):
    webrtc: WebrtcVadSettings = WebrtcVadSettings()
    silero: SileroSettings = SileroSettings()


class WhisperSettings(Section):
    model: str = ""
    """A model's name, e.g. small.en, or a directory; empty: the best that is present."""
    compute_type: str = "default"
    """default: float16 or int8_float16 on a GPU that can, int8 on a processor."""
    threads: Count = 2
    """Of a processor's cores, for each worker."""
    workers: Annotated[int, Field(ge=1, le=16)] = 1
    """Readings at the same time. One is quickest where they share a processor; on a GPU each takes its own memory."""
    beam_size: Count = 1
    fitted_window: bool = False
    """Encode what was said and little more, instead of always 30 s. Far less work; not every model hears as well."""


class WhisperXSettings(Section):
    """The model, its threads and numbers are those of `whisper`."""

    batch: Annotated[int, Field(ge=1, le=64)] = 8
    """Parts of a long recording that are read at once."""
    aligner: str = ""
    """A wav2vec2 model's directory, or its name in the models' folder align/: exact times of words, by the package
    whisperx. Empty: Whisper's own, good to a tenth of a second."""


class PocketsphinxSettings(Section):
    decoders: Count = 4
    """Utterances recognised as they are spoken; of more at a time, the others are recognised when they end."""


class ScriptedAsrSettings(Section):
    text: str = "Where can I see the dinosaurs?"
    """Understood in whatever is heard."""


class AsrSettings(Section):
    engine: str = "auto"
    device: Device = "auto"
    language: str = "en"
    deadline: Seconds = 20.0
    """A step of recognition that takes longer has failed."""
    preload: Texts = ()
    """Models that are loaded at start beside the engine's own."""
    whisper: WhisperSettings = WhisperSettings()
    whisperx: WhisperXSettings = WhisperXSettings()
    pocketsphinx: PocketsphinxSettings = PocketsphinxSettings()
    scripted: ScriptedAsrSettings = ScriptedAsrSettings()
