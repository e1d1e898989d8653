"""Exact times of words by WhisperX's aligner: a wav2vec2 model listens for each letter of a text that is known.

An extra: `pip install voicechat[whisperx]`, then torch, a torchaudio that goes with it, transformers, and whisperx with
`--no-deps`: its own pins do not go with ours. Nothing is fetched: the model is a directory on this machine.
"""

import importlib.util
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from voicechat.adapters.whisper import runtime
from voicechat.audio import LISTEN_RATE
from voicechat.config import Settings
from voicechat.conversation import TimedWord
from voicechat.errors import AdapterUnavailable

Align = Callable[[Sequence[str], list[list[TimedWord]], NDArray[np.float32]], list[list[TimedWord]]]
"""The words of each segment with their exact times, from the segments' texts, their words as Whisper times them, and
the sound of (n,) samples at 16 kHz. Blocking."""

MARGIN: Final = 0.2
"""Seconds before and after Whisper's own times in which a segment's words are looked for."""


class _OneSentence:
    """Stands for nltk's sentence splitter, whose data would be fetched."""

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]


def load(settings: Settings) -> Align:
    """Blocking for seconds. Raises AdapterUnavailable or EngineFailed."""
    directory = _find(settings)
    if importlib.util.find_spec("whisperx") is None:
        raise AdapterUnavailable(
            "library_missing", "asr.whisperx.aligner needs the package whisperx: pip install --no-deps whisperx"
        )
    import_module("tqdm").tqdm.monitor_interval = 0  # or a thread watches progress bars that nobody sees
    try:
        from whisperx import alignment
    except (ImportError, OSError) as error:  # a torchaudio for another device raises OSError
        reason = runtime.line(error)
        raise AdapterUnavailable("library_missing", f"whisperx cannot be imported: {reason}") from error
    alignment.nltk_load = lambda *_: _OneSentence()
    language = settings.asr.language.partition("-")[0]
    try:
        model, about = alignment.load_align_model(language, "cpu", model_name=str(directory))
    except runtime.ERRORS as error:
        raise runtime.bad_model(directory, error) from error

    def align(texts: Sequence[str], words: list[list[TimedWord]], sound: NDArray[np.float32]) -> list[list[TimedWord]]:
        return [_aligned(alignment.align, (model, about), *one, sound) for one in zip(texts, words, strict=True)]

    return align


def _aligned(
    align: Any, model: tuple[Any, Any], text: str, words: list[TimedWord], sound: NDArray[np.float32]
) -> list[TimedWord]:
    """One segment; Whisper's own times where the aligner does not know those of each word."""
    if not words:
        return words
    start = max(0.0, words[0].start - MARGIN)
    segment = {"text": text, "start": start, "end": min(words[-1].end + MARGIN, len(sound) / LISTEN_RATE)}
    found = align([segment], *model, sound, "cpu")["word_segments"]
    if any("start" not in word or "end" not in word for word in found) or not found:
        return words
    return [TimedWord(word["word"], word["start"], word["end"], word.get("score", 1.0)) for word in found]


def _find(settings: Settings) -> Path:
    wanted = settings.asr.whisperx.aligner
    for directory in (Path(wanted).expanduser(), settings.models.root.expanduser() / "align" / wanted):
        if directory.is_dir():
            return directory
    raise AdapterUnavailable("no_model", f"asr.whisperx.aligner: found {wanted!r}; it is no directory")
