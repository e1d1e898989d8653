"""Pure: whether the caller said one of the expected phrases, or something that the grammar was bent to.

A grammar maps any speech to some phrase. So the same sound is also heard by the open language model and by a loop of
all phones, which follow it freely: the closer the phrase comes to them, the more likely it was said. Three numbers are
weighed by a logistic rule. Its weights were fitted in November 2026 on 684 clips of bench/kiosk.py's tuning half, with
another accent of espeak's added; half of them were questions.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat.sphinx.decoder import Hypothesis, Segment
from voicechat.sphinx.phones import distance, is_phone

ACCEPTED: Final = 0.4
"""Probability from which a phrase counts as said."""

ASIDE: Final = 0.8
"""The same of an interjection: one short word is easily taken for another. With this, 100 of 112 stop phrases by eight
synthetic voices were understood, a third of which the open language model understands, and 13 of 368 other short
utterances were taken for one (November 2026)."""

_BIAS, _WEAKEST, _FREEDOM, _DISTANCE = 11.6, 1.09, 2.53, -10.44

_WINDOW: Final = 35
"""Frames: a sentence that differs from the phrase in one word gives itself away over the 0.35 s of that word."""

_SILENT: Final = frozenset({"<s>", "</s>", "<sil>", "(NULL)", "SIL", "[NOISE]", "[SPEECH]", "+NSN+", "+SPN+"})


@dataclass(frozen=True, slots=True)
class Hearing:
    """What three decoders made of the same sound."""

    phrase: Hypothesis
    phones: Hypothesis
    speech: Hypothesis


def probability(hearing: Hearing, pronunciations: Mapping[str, Sequence[str]]) -> float:
    """How likely the phrase was said, 0 to 1. `pronunciations` gives the phones of each of its words."""
    phrase = hearing.phrase
    if not phrase.text or not phrase.frames:
        return 0.0
    freedom = (phrase.score - hearing.speech.score) / phrase.frames
    wanted = [phone for part in phrase.segments for phone in pronunciations.get(part.name, ())]
    heard = [part.name for part in hearing.phones.segments if is_phone(part.name)]
    evidence = (
        _BIAS
        + _WEAKEST * weakest(phrase, hearing.phones)
        + _FREEDOM * freedom
        + _DISTANCE * distance(wanted, heard)
    )
    return 1.0 / (1.0 + math.exp(-evidence)) if evidence > -50 else 0.0


def weakest(phrase: Hypothesis, phones: Hypothesis) -> float:
    """The phrase's log likelihood a frame over the phones', in the stretch of its words where it is worst."""
    gain = _by_frame(phrase.segments, phrase.frames) - _by_frame(phones.segments, phrase.frames)
    words = [gain[part.start : part.end + 1] for part in phrase.segments if part.name not in _SILENT]
    if not words:
        return -math.inf
    speech = np.concatenate(words)
    if len(speech) < _WINDOW:
        return float(speech.mean())
    return float(np.convolve(speech, np.full(_WINDOW, 1 / _WINDOW), "valid").min())


def _by_frame(segments: Sequence[Segment], frames: int) -> NDArray[np.float64]:
    """(frames,) log likelihoods: each segment's spread evenly over its frames."""
    scores = np.zeros(frames)
    for part in segments:
        if part.end >= part.start:
            scores[part.start : part.end + 1] = part.score / (part.end - part.start + 1)
    return scores
