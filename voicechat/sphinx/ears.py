"""The decoders that hear one utterance side by side: open speech, the expected phrases, and bare phones."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np

from voicechat.audio import Samples
from voicechat.conversation import Transcript
from voicechat.sphinx.acceptance import ACCEPTED, ASIDE, Hearing, probability
from voicechat.sphinx.decoder import Decoder, Value, model
from voicechat.sphinx.grammar import Grammar

_OPEN: Final[Mapping[str, Value]] = {"fwdflat": False, "bestpath": False, "maxhmmpf": 3000, "maxwpf": 10, "topn": 2}
"""One pass, and bounds on its breadth: twice the breadth takes twice the time, for 40 instead of 41 words wrong in a
hundred (November 2026, 28 human clips)."""

_WHOLE: Final[Mapping[str, Value]] = {"compallsen": True, "bestpath": False}
"""All sounds of the model are scored in each frame. Otherwise a score is relative to the best of the few sounds that a
decoder is interested in, and those of two decoders cannot be compared."""

_BESIDE: Final[Mapping[str, Value]] = {**_WHOLE, "fwdflat": False, "maxhmmpf": 1500, "maxwpf": 5}
"""The open language model beside a grammar: what it scores matters more than what it reads."""

_PHRASES: Final[Mapping[str, Value]] = {**_WHOLE, "beam": 1e-80, "wbeam": 1e-60, "pbeam": 1e-80}
"""So broad that an accent does not lose the right phrase half way; with few phrases that costs next to nothing."""

_PHONES: Final[Mapping[str, Value]] = {**_WHOLE, "lw": 2.0, "beam": 1e-20, "pbeam": 1e-20}

HISS: Final = 1 / 500
"""Level of the noise that is added, relative to the utterance's peak: -54 dB. Half or twice as much does as well
(November 2026, 152 questions by tuning voices)."""

OPEN_CONFIDENCE: Final = 0.5
"""Of text from the open language model, which gives no likelihood of its own."""


class Hiss:
    """Faint noise, always the same, to lay over sound. The model knows no digital silence: its logarithm upsets it."""

    def __init__(self, first: Samples) -> None:
        peak = float(np.abs(first.astype(np.float32)).max(initial=0.0))
        self._level = max(1.0, peak * HISS)
        self._dice = np.random.default_rng(0)

    def over(self, samples: Samples) -> Samples:
        """The samples of shape (n,) with the next n of the noise."""
        loud = samples + self._level * self._dice.standard_normal(len(samples), np.float32)
        return np.clip(np.rint(loud), -32768, 32767).astype(np.int16)


class Ears:
    """Decoders for one utterance at a time. Blocking; 0.5 s and 100 MB to make. Raises EngineFailed."""

    def __init__(self, grammar: Grammar) -> None:
        with ThreadPoolExecutor(2) as threads:
            narrow = threads.submit(_narrow, grammar)
            files: dict[str, Value] = {"lm": str(model("en-us.lm.bin")), "dict": str(model("cmudict-en-us.dict"))}
            self._speech = Decoder({**(_BESIDE if grammar.text else _OPEN), **files})
            self._narrow = narrow.result()
        self._grammar = grammar
        self._pronunciations = grammar.pronunciations()
        self._hiss = Hiss(np.zeros(0, np.int16))

    @property
    def _all(self) -> Sequence[Decoder]:
        return (self._speech, *self._narrow)

    def start(self, first: Samples) -> None:
        """Begin an utterance and settle on its level and mean, from its first sound of shape (n,), to be heard again.

        A second of it is enough. The same sound is understood in the same way, whoever spoke before.
        """
        self._hiss = Hiss(first)
        mean = self._speech.mean(Hiss(first).over(first))
        for decoder in self._all:
            decoder.start(mean)

    def hear(self, samples: Samples) -> str:
        """What is understood so far, with more sound of shape (n,)."""
        sound = self._hiss.over(samples)
        for decoder in self._all:
            decoder.hear(sound)
        return self._speech.text()

    def end(self) -> Transcript:
        """A phrase with the probability that it was said; or else what the open language model understood."""
        for decoder in self._all:
            decoder.end()
        return self._weigh()

    def peek(self) -> Transcript:
        """What `end` would say, but for the last 0.1 s, which the decoders keep until they hear more; ends nothing."""
        return self._weigh(whole=self._grammar.is_whole)

    def _weigh(self, whole: Callable[[str], bool] = bool) -> Transcript:
        if self._narrow:
            hearing = Hearing(*(decoder.hypothesis() for decoder in (*self._narrow, self._speech)))
            said = probability(hearing, self._pronunciations)
            least = ASIDE if self._grammar.is_aside(hearing.phrase.text) else ACCEPTED
            if said >= least and whole(hearing.phrase.text):
                return Transcript(hearing.phrase.text, said)
        text = self._speech.text()
        return Transcript(text, OPEN_CONFIDENCE if text else 0.0)

    def close(self) -> None:
        for decoder in self._all:
            decoder.close()


def _narrow(grammar: Grammar) -> tuple[Decoder, ...]:
    """The decoder of the phrases and the one of the phones; none without phrases."""
    if not grammar.text:
        return ()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "words.dict"
        path.write_text(grammar.dictionary, encoding="utf-8")
        phrases = Decoder({**_PHRASES, "dict": str(path)}, grammar=grammar.text)
        phones = Decoder({**_PHONES, "dict": str(path), "allphone": str(model("en-us-phone.lm.bin"))})
    return phrases, phones
