"""Piper: neural voices as ONNX files, light enough for a CPU.

A voice is `NAME.onnx` with `NAME.onnx.json` beside it. Piper makes a whole sentence in one go; we let it speak part by
part, where the sentence has pauses. The first step of a part takes the time of the part, about a tenth of its length on
one CPU core, the others none.
"""

import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from voicechat.adapters.onnx import runtime
from voicechat.adapters.piper import voices
from voicechat.adapters.piper.parts import parts
from voicechat.adapters.tts import plain
from voicechat.audio import Samples
from voicechat.config import Settings
from voicechat.errors import AdapterUnavailable, EngineFailed
from voicechat.protocols import Capabilities, Speech, Voice

if TYPE_CHECKING:
    import piper

PIECE_SECONDS: Final = 0.2
_PIPER_ERRORS: Final[tuple[type[Exception], ...]] = (LookupError, MemoryError, RuntimeError, TypeError, ValueError)


class Piper:
    """One voice file, with its speakers as `NAME#SPEAKER`."""

    name = "piper"

    def __init__(self, name: str, language: str, voice: "piper.PiperVoice") -> None:
        self.rate: int = voice.config.sample_rate
        self._voice = voice
        speakers = sorted(voice.config.speaker_id_map.items(), key=lambda item: item[1])
        self._speakers: dict[str, int | None] = {name: None} | {f"{name}#{key}": number for key, number in speakers}
        self.voices = tuple(Voice(voice, language) for voice in self._speakers)
        self.capabilities = Capabilities(streaming=True, languages=(language,), parallel=True)

    def synthesize(self, text: str, voice: str, speed: float = 1.0) -> Iterator[Speech]:
        """Pieces of at most 0.2 s, without word times."""
        name = voice or self.voices[0].name
        if name not in self._speakers:
            some = ", ".join(list(self._speakers)[:8])
            raise EngineFailed("unknown_voice", f"piper has no voice {name!r}: {some}")
        return self._speak(plain(text).replace("[[", "[ ["), self._speakers[name], speed)  # [[ starts raw phonemes

    def _speak(self, text: str, speaker: int | None, speed: float) -> Iterator[Speech]:
        import piper

        how = piper.SynthesisConfig(speaker_id=speaker, length_scale=self._voice.config.length_scale / speed)
        piece = round(PIECE_SECONDS * self.rate)
        try:
            for sentence in self._voice.phonemize(text):
                for samples in self._sounds(sentence, how):
                    for start in range(0, len(samples), piece):
                        yield Speech(samples[start : start + piece])
        except (*runtime.errors(), *_PIPER_ERRORS) as error:
            reason = runtime.first_line(error)
            raise EngineFailed("synthesis_failed", f"piper, {self.voices[0].name}: {reason}") from error

    def _sounds(self, sentence: list[str], how: Any) -> Iterator[Samples]:
        """Of each part of the sentence, as loud as its loudest so far allows; piper-tts does so by whole sentences."""
        peak = 0.0
        for part in parts(sentence) if sentence else ():
            sound = np.asarray(self._voice.phoneme_ids_to_audio(self._voice.phonemes_to_ids(part), how))
            peak = max(peak, _peak(sound))
            yield (sound * (32767.0 / peak if peak > 1e-8 else 0.0)).astype(np.int16)

    def close(self) -> None:
        """Nothing: the model goes with the last reference to it."""


def _peak(sound: NDArray[np.float32]) -> float:
    """Raises ValueError for what is no sound: another model's output."""
    if sound.ndim != 1 or not sound.size:
        raise ValueError(f"its output of shape {sound.shape} is no sound")
    peak = float(np.max(np.abs(sound)))
    if not np.isfinite(peak):
        raise ValueError("its output is not a number")
    return peak


def load(settings: Settings) -> Piper:
    """Reads the voice and lets it say a word, so that one that cannot speak is found out here.

    Raises AdapterUnavailable without a voice file or the piper-tts package, EngineFailed for a broken voice.
    """
    path = voices.find(settings)
    if importlib.util.find_spec("piper") is None:
        raise AdapterUnavailable("library_missing", "piper needs the package piper-tts: pip install voicechat[piper]")
    description = voices.describe(path)
    session = runtime.open_session(path, threads=settings.tts.piper.threads, device=settings.tts.device)
    import piper

    voice = piper.PiperVoice(session=session, config=piper.PiperConfig.from_dict(description.model_dump()))
    language = description.language.code or description.espeak.voice
    engine = Piper(path.stem, language.replace("_", "-"), voice)
    try:
        for _ in engine.synthesize("Hi.", ""):
            pass
    except EngineFailed as error:
        raise EngineFailed("bad_model", f"{path}: {error.message}") from error
    return engine
