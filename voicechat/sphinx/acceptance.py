"""Pure: whether the caller said one of the expected phrases, or something that the grammar was bent to.

A grammar maps any speech to some phrase. So the same sound is also heard by a loop of all phones, which is free to
follow it: the closer the phrase comes to the loop's likelihood, the more likely it was said. Two numbers are weighed
by a logistic rule whose weights were fitted in November 2026 on synthetic voices, with bench/kiosk.py's tuning half.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat.sphinx.decoder import Hypothesis, Segment

ACCEPTED: Final = 0.4
"""Probability from which a phrase counts as said."""

_BIAS, _PATH, _WEAKEST = 9.6, 2.7, 1.4
_WINDOW: Final = 35
"""Frames: a sentence that differs from the phrase in one word gives itself away over the 0.35 s of that word."""

_SILENT: Final = frozenset({"<s>", "</s>", "<sil>", "(NULL)", "SIL", "[NOISE]", "[SPEECH]", "+NSN+", "+SPN+"})


def probability(phrase: Hypothesis, phones: Hypothesis) -> float:
    """How likely the phrase was said, 0 to 1, given what the loop of phones made of the same sound."""
    if not phrase.text or not phrase.frames:
        return 0.0
    path = (phrase.score - phones.score) / phrase.frames
    evidence = _BIAS + _PATH * path + _WEAKEST * weakest(phrase, phones)
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
