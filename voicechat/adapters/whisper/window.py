"""One window of sound through Whisper: what its decoder reads in it, and whether to believe that.

faster-whisper's own `transcribe` goes on from window to window until all is read. A caller's utterance fits into one,
and is read many times while it grows; so this takes the parts of faster-whisper and reads one window, once.
"""

import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voicechat.audio import LISTEN_RATE, Samples
from voicechat.conversation import Weighed

WINDOW: Final = 30 * LISTEN_RATE
"""Samples that Whisper hears at once."""

NO_SPEECH: Final = 0.6
UNSURE: Final = -0.4
"""Mean log-probability below which the model's belief that nobody spoke is believed."""

POOR: Final = -1.0
REPETITIVE: Final = 2.4
"""Mean log-probability below which, and compression ratio above which, another temperature is tried, as in Whisper's
own decoder. Text that goes round in circles compresses well."""

TOKENS: Final = 40
TOKENS_A_SECOND: Final = 10
"""More than any speaker needs; they bound the time that a model which repeats itself can take."""

REMINDER: Final = 100
"""Tokens of the text before that the decoder is reminded of; the longer, the slower."""

LEAST: Final = 1e-10
"""No word is held to be less likely: its logarithm has to be a number."""

_TICK: Final = 0.02
"""Seconds of a step of the time tokens."""

_FRAME: Final = LISTEN_RATE // 100
_FRAMES: Final = WINDOW // _FRAME
_FIT: Final = 500
"""Frames of 10 ms that a fitted window is a multiple of; at least half a second of it is padding, where the model sees
that the speech is over."""


class Piece(NamedTuple):
    """A segment as Whisper writes it, space in front; `end` in seconds of the window, None where it is open."""

    text: str
    end: float | None
    weighed: tuple[Weighed, ...] = ()
    """Its words with their spaces, where they are weighed."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """What was read. `sure`: another temperature would not be tried. No pieces where nobody spoke."""

    pieces: tuple[Piece, ...]
    logprob: float
    language: str
    sure: bool = True

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)


class _Reading(NamedTuple):
    tokens: list[int]
    text: str
    logprob: float
    no_speech: float

    @property
    def circles(self) -> bool:
        data = self.text.strip().encode()
        return len(data) / len(zlib.compress(data)) > REPETITIVE

    @property
    def doubtful(self) -> bool:
        silence = self.no_speech > NO_SPEECH and self.logprob < POOR
        return (self.circles or self.logprob < POOR) and not silence

    @property
    def imagined(self) -> bool:
        """Whether the text is of the kind that Whisper makes up in silence and noise."""
        return self.circles or (self.no_speech > NO_SPEECH and self.logprob < UNSURE)


class Window:
    """Blocking. `model` is a faster_whisper.WhisperModel.

    The encoder always works on 30 s, most of them padding; `fitted`, on the sound and little more.
    """

    def __init__(self, model: Any, beam_size: int = 1, *, fitted: bool = False) -> None:
        self._model, self._beam_size, self._fitted = model, beam_size, fitted
        self._tokenizer = lru_cache(maxsize=8)(self._make_tokenizer)
        self.languages = frozenset(model.supported_languages)

    def hear(
        self,
        samples: Samples,
        language: str | None,
        *,
        before: str = "",
        times: bool = False,
        temperatures: Sequence[float] = (0.0,),
        weighs: bool = False,
    ) -> Hearing:
        """What (n,) samples at 16 kHz say, the last 30 s of them, after the text `before` them.

        With `times` in pieces that know their end; the model may then leave the rest of the sound for later.
        Temperatures are tried one after the other. Where it `weighs`, the decoder walks once more, in one step, through
        the tokens that were read. Raises what CTranslate2 raises.
        """
        encoded = self._encode(samples[-WINDOW:].astype(np.float32) / 32768.0)
        if language is None or not self._model.model.is_multilingual:
            language = self._listen_for_language(encoded)
        tokenizer = self._tokenizer(language)
        prompt = _prompt(tokenizer, before, times)
        room = TOKENS + TOKENS_A_SECOND * len(samples) // LISTEN_RATE
        longest = min(self._model.max_length, len(prompt) + room)
        readings: list[_Reading] = []
        for temperature in temperatures:
            readings.append(self._read(encoded, tokenizer, prompt, longest, temperature))
            if not readings[-1].doubtful:
                break
        best = readings[-1]
        if best.doubtful:
            best = max(readings, key=lambda reading: (not reading.circles, reading.logprob))
        pieces = () if best.imagined else tuple(_pieces(tokenizer, best.tokens))
        if weighs and pieces:
            pieces = tuple(self._weighed(encoded, tokenizer, best.tokens, pieces))
        return Hearing(pieces, best.logprob, language, sure=not best.doubtful)

    def close(self) -> None:
        self._model.model.unload_model()

    def _weighed(self, encoded: Any, tokenizer: Any, tokens: list[int], pieces: Iterable[Piece]) -> Iterator[Piece]:
        written = [token for token in tokens if token < tokenizer.timestamp_begin]
        [aligned] = self._model.model.align(encoded, tokenizer.sot_sequence, [written], _FRAMES)
        likely = iter(aligned.text_token_probs)
        for piece, (part, _) in zip(pieces, _cut(tokenizer, tokens), strict=True):
            words, their_tokens = tokenizer.split_to_word_tokens([*part, tokenizer.eot])
            yield piece._replace(
                weighed=tuple(
                    Weighed(word, sum(math.log(max(next(likely), LEAST)) for _ in each))
                    for word, each in zip(words[:-1], their_tokens[:-1], strict=True)
                )
            )

    def _encode(self, sound: NDArray[np.float32]) -> Any:
        import ctranslate2

        mel = self._model.feature_extractor(sound)[:, :-1][:, :_FRAMES]
        frames = min(_FRAMES, -(-(mel.shape[1] + 50) // _FIT) * _FIT) if self._fitted else _FRAMES
        padded = np.zeros((1, mel.shape[0], frames), np.float32)
        padded[0, :, : mel.shape[1]] = mel
        return self._model.model.encode(ctranslate2.StorageView.from_array(padded))

    def _listen_for_language(self, encoded: Any) -> str:
        if not self._model.model.is_multilingual:
            return "en"
        [[(token, _), *_]] = self._model.model.detect_language(encoded)
        return str(token)[2:-2]

    def _make_tokenizer(self, language: str) -> Any:
        from faster_whisper.tokenizer import Tokenizer

        multilingual = self._model.model.is_multilingual
        return Tokenizer(self._model.hf_tokenizer, multilingual, task="transcribe", language=language)

    def _read(self, encoded: Any, tokenizer: Any, prompt: list[int], longest: int, temperature: float) -> _Reading:
        search = (
            {"beam_size": 1, "sampling_topk": 0, "sampling_temperature": temperature}
            if temperature > 0
            else {"beam_size": self._beam_size}
        )
        [result] = self._model.model.generate(
            encoded,
            [prompt],
            max_length=longest,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=_unwanted(tokenizer),
            **search,
        )
        tokens = result.sequences_ids[0]
        logprob = result.scores[0] * len(tokens) / (len(tokens) + 1)  # the end counts as a token too
        return _Reading(tokens, tokenizer.decode(tokens), logprob, result.no_speech_prob)


def _prompt(tokenizer: Any, before: str, times: bool) -> list[int]:
    reminder = tokenizer.encode(f" {before.strip()}")[-REMINDER:] if before.strip() else []
    start = [tokenizer.sot_prev, *reminder] if reminder else []
    return [*start, *tokenizer.sot_sequence, *([] if times else [tokenizer.no_timestamps])]


def _unwanted(tokenizer: Any) -> list[int]:
    """Tokens that are no speech: tasks, and marks such as brackets or notes."""
    tasks = (
        tokenizer.transcribe,
        tokenizer.translate,
        tokenizer.sot,
        tokenizer.sot_prev,
        tokenizer.sot_lm,
        tokenizer.no_speech,
    )
    return sorted({*tokenizer.non_speech_tokens, *tasks})


def _pieces(tokenizer: Any, tokens: Sequence[int]) -> Iterator[Piece]:
    for words, end in _cut(tokenizer, tokens):
        yield Piece(tokenizer.decode(words), None if end is None else (end - tokenizer.timestamp_begin) * _TICK)


def _cut(tokenizer: Any, tokens: Sequence[int]) -> Iterator[tuple[list[int], int | None]]:
    """The tokens of each segment, and the time token at its end, if there is one."""
    words: list[int] = []
    for token in tokens:
        if token < tokenizer.timestamp_begin:
            words.append(token)
        elif words:
            yield words, token
            words = []
    if words:
        yield words, None
