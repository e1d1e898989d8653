"""Sound put together: where speech is in a clip, how loud it is, and one sound over another. 16 kHz."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicechat.audio import LISTEN_RATE, Samples, level

FRAME: Final = LISTEN_RATE // 50
LATE: Final = 4
"""Frames."""

Sound = NDArray[np.float32]


@dataclass(frozen=True)
class Span:
    """Of a clip, in samples; `pauses` are the seconds of each silence of at least 0.25 s within."""

    start: int
    end: int
    pauses: tuple[float, ...] = ()


def spans(clip: Samples, probabilities: Sequence[float], silence: float) -> list[Span]:
    """The utterances of a clean recording: what stands 28 dB below its loud moments and 8 dB above its quiet ones.

    Silences shorter than `silence` seconds are within an utterance. What a detector of speech takes for none, by the
    probability of each 20 ms, is no speech however loud, but it may be late by a few frames.
    """
    levels = np.array([level(clip[at : at + FRAME]) for at in range(0, len(clip) - FRAME, FRAME)])
    limit = max(np.percentile(levels, 95) - 28, np.percentile(levels, 5) + 8)
    likely = np.convolve(np.array(probabilities) >= 0.3, np.ones(2 * LATE + 1), "same") > 0.5
    found: list[list[tuple[int, int]]] = []
    for run in _runs((levels > limit) & likely):
        if found and run[0] - found[-1][-1][1] < round(silence * 50):
            found[-1].append(run)
        else:
            found.append([run])
    return [_span(group) for group in found if sum(end - start for start, end in group) >= 15]


def _runs(on: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], on, [False])).astype(np.int8)))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _span(group: list[tuple[int, int]]) -> Span:
    gaps = [(later[0] - earlier[1]) / 50 for earlier, later in zip(group, group[1:], strict=False)]
    return Span(group[0][0] * FRAME, group[-1][1] * FRAME, tuple(gap for gap in gaps if gap >= 0.25))


def trimmed(sound: Samples) -> Samples:
    """A synthetic word without the silence around it."""
    loud = np.flatnonzero(np.abs(sound.astype(np.int32)) > 0.02 * np.abs(sound.astype(np.int32)).max(initial=1))
    return sound[loud[0] : loud[-1] + 1] if len(loud) else sound


def loudness(sound: Samples) -> float:
    """Of the loud half of its frames, in dB below full scale: how loud the speech in it is."""
    levels = sorted(level(sound[at : at + FRAME]) for at in range(0, max(1, len(sound) - FRAME + 1), FRAME))
    return float(np.mean(levels[len(levels) // 2 :]))


def gained(sound: Samples | Sound, decibels: float) -> Sound:
    return np.asarray(sound * np.float32(10 ** (decibels / 20)), np.float32)


def at_level(sound: Sound, decibels: float) -> Sound:
    """A sound whose loudest moments have a power of 1, as loud as that; full scale is 32768."""
    return gained(sound, decibels + 20 * np.log10(32768.0))


def room(seconds: float, dice: np.random.Generator) -> Sound:
    """The faint hiss of a quiet room, at -72 to -60 dB."""
    hiss = dice.standard_normal(round(seconds * LISTEN_RATE)).astype(np.float32)
    return at_level(hiss, dice.uniform(-72, -60))


def lay(ground: Sound, sound: Sound, at: float) -> None:
    """Adds the sound to the ground, from `at` seconds on; what goes past its end is left out."""
    start = round(at * LISTEN_RATE)
    part = sound[: max(0, len(ground) - start)]
    ground[start : start + len(part)] += part


def looped(sound: Samples, seconds: float, dice: np.random.Generator) -> Sound:
    """A stretch of a noise from a random place on, repeated as needed."""
    length = round(seconds * LISTEN_RATE)
    start = int(dice.integers(0, max(1, len(sound))))
    repeated = np.resize(np.roll(sound, -start), length)
    return np.asarray(repeated, np.float32)


def samples(sound: Sound) -> Samples:
    return np.clip(np.round(sound), -32768, 32767).astype(np.int16)
