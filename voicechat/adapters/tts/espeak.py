"""espeak-ng, called directly in the library that the espeakng-loader wheel carries: nothing to download.

A clause of speech takes about a millisecond a second of sound, so each clause is made whole, in one native call under
the library's lock, and then handed out in pieces. Nothing runs between two steps: iterators may interleave on one
lane, and a dropped one leaves nothing behind.
"""

import ctypes
import functools
import re
import threading
from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import numpy as np

from voicechat.adapters.tts import plain
from voicechat.audio import Samples
from voicechat.config import Settings
from voicechat.errors import AdapterUnavailable, EngineFailed
from voicechat.protocols import Capabilities, Speech, Voice

VOICES: Final = (
    Voice("en-us", "en-US"),
    Voice("en-us+f3", "en-US"),
    Voice("en-gb", "en-GB"),
    Voice("en-gb-x-rp", "en-GB"),
    Voice("en-gb-scotland", "en-GB"),
    Voice("de", "de"),
    Voice("fr", "fr-FR"),
    Voice("es", "es-ES"),
    Voice("es-419", "es-419"),
    Voice("it", "it"),
    Voice("nl", "nl"),
    Voice("pt", "pt-PT"),
    Voice("pt-br", "pt-BR"),
    Voice("pl", "pl"),
    Voice("sv", "sv"),
)
"""espeak-ng's own names; +f3 is one of its female variants."""

_NATIVE: Final = {"en-gb": "en"}
"""It does not know this one by the name that everybody uses."""

PIECE_SECONDS: Final = 0.2

# speak_lib.h of espeak-ng 1.52
_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000
_UTF8 = 1
_END_PAUSE = 0x1000
_BY_CHARACTER = 1
_RATE = 1
_WORD = 1
_BUFFER_MILLISECONDS = 60
_SLOWEST, _FASTEST = 80, 450

_STOPS = frozenset(",;:!?…")
_CLOSING = "\"'”’)]»"
_LONG_CLAUSE = 60
_LONGEST_CLAUSE = 120
_LONGEST_WORD = 60


class _Event(ctypes.Structure):
    """espeak_EVENT. `text_position` counts characters from 1, `sample` samples from the start of the call."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))


class _Library:
    """The process's one espeak-ng. All its state is global, so only one call runs at a time."""

    def __init__(self, path: str, data: str) -> None:
        self._lock = threading.Lock()
        self._native = ctypes.CDLL(path)
        self._native.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint,
            ctypes.c_void_p, ctypes.c_void_p,
        ]  # fmt: skip
        self.rate: int = self._native.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MILLISECONDS, data.encode(), _DONT_EXIT)
        if self.rate <= 0:
            raise EngineFailed("bad_library", f"espeak: cannot start with the data in {data}")
        self._sound = bytearray()
        self._marks: list[tuple[int, int]] = []
        self._callback = _Callback(self._hear)
        self._native.espeak_SetSynthCallback(self._callback)

    def _hear(self, samples: int | None, count: int, events: Any) -> int:
        if samples and count > 0:
            self._sound += ctypes.string_at(samples, 2 * count)
        for event in events:
            if event.type == 0:
                break
            if event.type == _WORD:
                self._marks.append((event.sample, event.text_position - 1))
        return 0

    def speak(self, text: str, voice: str, pace: int, pause: bool) -> tuple[Samples, list[tuple[int, int]]]:
        """The sound of one clause, with the pause after it or without, and its marks.

        A mark is the sample where a word begins and the word's place in the text. Blocks, also for other callers.
        """
        encoded = text.encode()
        flags = _UTF8 | (_END_PAUSE if pause else 0)
        with self._lock:
            self._sound = bytearray()
            self._marks = []
            status = (
                self._native.espeak_SetVoiceByName(_NATIVE.get(voice, voice).encode())
                or self._native.espeak_SetParameter(_RATE, pace, 0)
                or self._native.espeak_Synth(encoded, len(encoded) + 1, 0, _BY_CHARACTER, 0, flags, None, None)
            )
            sound, marks = self._sound, self._marks
        if status != 0:
            raise EngineFailed("synthesis_failed", f"espeak: status {status} for voice {voice}, text {text[:40]!r}")
        return np.frombuffer(sound, np.int16), marks


_loading = threading.Lock()


@functools.cache
def _library() -> _Library:
    """Loaded once, under `_loading`: a second one would share the first one's global state, but not its lock."""
    try:
        import espeakng_loader

        return _Library(espeakng_loader.get_library_path(), espeakng_loader.get_data_path())
    except (ImportError, OSError, RuntimeError) as error:
        raise AdapterUnavailable(
            "library_missing", f"espeak needs the package espeakng-loader (pip install espeakng-loader): {error}"
        ) from error


class Espeak:
    """The synthesizer; every instance of it shares the process's library."""

    name = "espeak"
    voices = VOICES
    capabilities = Capabilities(streaming=True, languages=tuple(dict.fromkeys(v.language for v in VOICES)))

    def __init__(self, library: _Library, words_per_minute: int) -> None:
        self.rate = library.rate
        self._library = library
        self._words_per_minute = words_per_minute
        self._names = {voice.name for voice in VOICES}

    def synthesize(self, text: str, voice: str, speed: float = 1.0) -> Iterator[Speech]:
        """Pieces of at most 0.2 s, cut where a word begins. Every word of the text is in one of them."""
        name = voice or VOICES[0].name
        if name not in self._names:
            raise EngineFailed("unknown_voice", f"espeak has no voice {name!r}: {', '.join(sorted(self._names))}")
        pace = min(_FASTEST, max(_SLOWEST, round(self._words_per_minute * speed)))
        return self._speak(clauses(text), name, pace)

    def _speak(self, parts: list[list[str]], voice: str, pace: int) -> Iterator[Speech]:
        longest = round(PIECE_SECONDS * self.rate)
        for words in parts:
            pause = _stop(words[-1]) in _STOPS | {"."}  # also after the last: the caller's next clause follows at once
            sound, marks = self._library.speak(" ".join(words), voice, pace, pause)
            for start, end, spoken in stretches(words, marks, len(sound)):
                for at in range(start, max(end, start + 1), longest):
                    yield Speech(sound[at : min(at + longest, end)], spoken if at == start else "")

    def close(self) -> None:
        """Nothing: the library stays for the others, it holds 3 MB."""


def clauses(text: str) -> list[list[str]]:
    """The text's words, cut where espeak-ng cuts it for itself, or at 120 characters.

    With the pause after each clause asked for, the sound is the same as in one go (within 0.3 %).
    """
    parts: list[list[str]] = []
    words: list[str] = []
    length = 0
    for word in re.findall(rf"\S{{1,{_LONGEST_WORD}}}", plain(text)):
        words.append(word)
        length += len(word) + 1
        ends = _STOPS if length < _LONG_CLAUSE else _STOPS | {"."}  # a full stop may be an abbreviation's
        if _stop(word) in ends or length >= _LONGEST_CLAUSE:
            parts.append(words)
            words, length = [], 0
    return [*parts, words] if words else parts


def _stop(word: str) -> str:
    """The word's last character before closing quotes and brackets."""
    return word.rstrip(_CLOSING)[-1:]


def stretches(words: list[str], marks: list[tuple[int, int]], total: int) -> Iterator[tuple[int, int, str]]:
    """Start, end and words of each stretch of the sound; together they are the whole of it.

    Numbers raise many marks inside a word, dashes and joined words ("of the") none: a word without a mark begins with
    the next that has one, or ends the last stretch.
    """
    places = [0]
    for word in words:
        places.append(places[-1] + len(word) + 1)
    starts, counts = [0], [0]
    for sample, place in marks:
        count = min(bisect_right(places, place), len(words))
        if count <= counts[-1]:
            continue
        if starts[-1] < sample < total and counts[-1] > 0:
            starts.append(sample)
            counts.append(count)
        else:
            counts[-1] = count
    counts[-1] = len(words)
    edges = pairwise([*starts, total])
    for (start, end), (before, after) in zip(edges, pairwise([0, *counts]), strict=True):
        yield start, end, " ".join(words[before:after])


def load(settings: Settings) -> Espeak:
    """Takes a few milliseconds. Raises AdapterUnavailable without the library."""
    with _loading:
        library = _library()
    return Espeak(library, settings.tts.espeak.words_per_minute)
