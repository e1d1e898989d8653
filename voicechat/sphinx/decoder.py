"""One PocketSphinx decoder: sound in, a hypothesis out."""

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat.audio import LISTEN_RATE, Samples
from voicechat.errors import EngineFailed
from voicechat.sphinx.library import FEATURES, FRAME_SHIFT, LOG_BASE, home, library

Value = str | int | float | bool

_GRAMMAR: Final = b"phrases"


@dataclass(frozen=True, slots=True)
class Segment:
    """A word, phone or silence, from frame `start` to `end`, both included; `score` is its sound's log likelihood."""

    name: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What a decoder made of `frames` frames of 10 ms; `score` is the whole path's, the language's part included.

    Scores are natural logarithms, relative to the best sound of each frame.
    """

    text: str
    score: float
    frames: int
    segments: tuple[Segment, ...]


def model(name: str = "") -> Path:
    """A file of the American English model that comes with the wheel."""
    return home() / "model" / "en-us" / name


class Decoder:
    """Blocking, for one thread at a time; other threads run during its calls. The same sound gives the same text.

    Raises EngineFailed when the model or the grammar is refused.
    """

    def __init__(self, options: Mapping[str, Value], *, grammar: str = "") -> None:
        self._library = library()
        self._at = self._open({"hmm": str(model("en-us")), "loglevel": "FATAL", "samprate": LISTEN_RATE, **options})
        if grammar and (
            self._library.ps_add_jsgf_string(self._at, _GRAMMAR, grammar.encode()) < 0
            or self._library.ps_activate_search(self._at, _GRAMMAR) < 0
        ):
            self.close()
            raise EngineFailed("bad_grammar", "pocketsphinx: the grammar of the phrases was refused")

    def _open(self, options: Mapping[str, Value]) -> ctypes.c_void_p:
        config = self._library.ps_config_init(None)
        try:
            for name, value in options.items():
                self._set(config, name.encode(), value)
            at = self._library.ps_init(config)
        finally:
            self._library.ps_config_free(config)
        if not at:
            raise EngineFailed("bad_model", f"pocketsphinx: the model in {model()} cannot be loaded")
        return ctypes.c_void_p(at)

    def _set(self, config: int, name: bytes, value: Value) -> None:
        match value:
            case bool():
                self._library.ps_config_set_bool(config, name, value)
            case int():
                self._library.ps_config_set_int(config, name, value)
            case float():
                self._library.ps_config_set_float(config, name, value)
            case str():
                self._library.ps_config_set_str(config, name, value.encode())

    def mean(self, samples: Samples) -> NDArray[np.float32]:
        """The mean cepstrum, (13,), of sound of shape (n,): what the room, the microphone and the level add."""
        front = ctypes.c_void_p(self._library.fe_init_auto_r(self._library.ps_get_config(self._at)))
        sound = np.ascontiguousarray(samples)
        cepstra = np.zeros((len(sound) // FRAME_SHIFT + 1, FEATURES), np.float32)
        rows = (ctypes.c_void_p * len(cepstra))(
            *range(cepstra.ctypes.data, cepstra.ctypes.data + cepstra.nbytes, cepstra.strides[0])
        )
        position, left = ctypes.c_void_p(sound.ctypes.data), ctypes.c_size_t(len(sound))
        count = ctypes.c_int32(len(cepstra))
        self._library.fe_start_utt(front)
        self._library.fe_process_frames(
            front, ctypes.byref(position), ctypes.byref(left), rows, ctypes.byref(count)
        )
        self._library.fe_free(front)
        if count.value == 0:
            return np.zeros(FEATURES, np.float32)
        mean: NDArray[np.float32] = cepstra[: count.value].mean(axis=0)
        return mean

    def start(self, mean: NDArray[np.float32]) -> None:
        """Begin an utterance, with nothing kept of the one before: neither its noise level nor its mean."""
        self._library.ps_start_stream(self._at)
        self._library.ps_set_cmn(self._at, ",".join(f"{value:.5f}" for value in mean).encode())
        if self._library.ps_start_utt(self._at) < 0:
            raise EngineFailed("engine_failed", "pocketsphinx: an utterance could not be started")

    def hear(self, samples: Samples) -> None:
        """More of the utterance, of shape (n,)."""
        sound = np.ascontiguousarray(samples)
        if self._library.ps_process_raw(self._at, sound.ctypes.data, len(sound), 0, 0) < 0:
            raise EngineFailed("engine_failed", "pocketsphinx: sound was refused")

    def text(self) -> str:
        """What is understood so far."""
        return (self._library.ps_get_hyp(self._at, None) or b"").decode()

    def end(self) -> None:
        """The utterance is over; its hypothesis stays until the next one starts."""
        self._library.ps_end_utt(self._at)

    def hypothesis(self) -> Hypothesis:
        score = ctypes.c_int32()
        text = self._library.ps_get_hyp(self._at, ctypes.byref(score)) or b""
        frames = self._library.ps_get_n_frames(self._at)
        return Hypothesis(text.decode(), score.value * LOG_BASE, frames, tuple(self._segments()))

    def _segments(self) -> list[Segment]:
        found = []
        start, end = ctypes.c_int(), ctypes.c_int()
        sound, language, back = ctypes.c_int32(), ctypes.c_int32(), ctypes.c_int32()
        at = self._library.ps_seg_iter(self._at)
        while at:  # the last step frees the iterator
            self._library.ps_seg_frames(at, ctypes.byref(start), ctypes.byref(end))
            self._library.ps_seg_prob(at, ctypes.byref(sound), ctypes.byref(language), ctypes.byref(back))
            name = self._library.ps_seg_word(at).decode()
            found.append(Segment(name, start.value, end.value, sound.value * LOG_BASE))
            at = self._library.ps_seg_next(at)
        return found

    def close(self) -> None:
        """Free its memory; safe twice."""
        if self._at:
            self._library.ps_free(self._at)
            self._at = ctypes.c_void_p()
