"""How well the sound of the last words tells an end from a pause: `python -m bench.endings [FOLDER ...]`

Where the weight in `voicechat.turntaking.fading` comes from. Reads the human clips of the half "tune" of bench.turns,
and folders of WAVs of one utterance each, named `reader-…` (as those of LibriSpeech's test sets, which end where
a sentence ends; those of its training sets end anywhere and are of no use). Prints, for each set, in how many of a
hundred pairs an end sounds more like one than a pause of 0.3 s or more, heard by a rule that never heard the reader
and by one that was made of the other sets, and then the rule made of all.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.turns import corpus
from voicechat import clip
from voicechat.adapters.vad import silero
from voicechat.audio import LISTEN_RATE, Samples, resample
from voicechat.config import Settings
from voicechat.turntaking.endpointing import LOOK_AFTER
from voicechat.turntaking.fading import LOOK, voiced

FRAME: Final = LISTEN_RATE // 50
PAUSE: Final = 15
"""Frames; shorter ones end no turn."""
STEADY: Final = 5.0
"""Of the fit: how much evidence a weight needs."""

Floats = NDArray[np.float64]
Rule = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Example:
    """A silence after speech: whose, of which set, the share that was voiced, and whether it was the end."""

    source: str
    reader: str
    share: float
    end: bool


def main(folders: list[str]) -> None:
    found = list(_tune())
    for folder in folders:
        found += _recorded(Path(folder))
    shares = np.array([example.share for example in found])
    ends = np.array([example.end for example in found])
    readers = np.array([f"{example.source} {example.reader}" for example in found])
    sources = np.array([example.source for example in found])
    unheard = np.zeros(len(found))
    for reader in np.unique(readers):
        own = readers == reader
        unheard[own] = fitted(shares[~own], ends[~own])[2](shares[own])
    for source in np.unique(sources):
        own = sources == source
        other = likeness(fitted(shares[~own], ends[~own])[2](shares[own]), ends[own]) if not own.all() else float("nan")
        print(  # noqa: T201  # a script
            f"{source}: {ends[own].sum()} ends, {(~ends[own]).sum()} pauses, {len(np.unique(readers[own]))} readers: "
            f"reader unheard {100 * likeness(unheard[own], ends[own]):.0f}, set unheard {100 * other:.0f} of 100"
        )
    weight, mean, _ = fitted(shares, ends)
    print(f"WEIGHT = {weight:.2f}, MEAN = {mean:.2f}")  # noqa: T201


def fitted(shares: Floats, ends: NDArray[np.bool_]) -> tuple[float, float, Rule]:
    """Weight, mean and rule of a logistic fit in which ends and pauses count the same; Newton's steps."""
    mean, spread = float(shares.mean()), float(shares.std())
    inputs = np.stack([(shares - mean) / spread, np.ones(len(shares))], axis=1)
    counts = np.where(ends, 0.5 / ends.mean(), 0.5 / (~ends).mean())
    weights, steady = np.zeros(2), np.array([STEADY, 0.0])
    for _ in range(30):
        likely = 1 / (1 + np.exp(-inputs @ weights))
        slope = inputs.T @ (counts * (ends - likely)) - steady * weights
        curve = (inputs.T * (counts * likely * (1 - likely))) @ inputs + np.diag(steady)
        weights = weights + np.linalg.solve(curve, slope)
    weight = float(weights[0] / spread)
    return weight, mean, lambda heard: weight * (heard - mean)


def likeness(scores: Floats, ends: NDArray[np.bool_]) -> float:
    """The share of pairs of an end and a pause in which the end scores higher; a tie is half a pair."""
    differences = scores[ends][:, np.newaxis] - scores[~ends]
    return float((differences > 0).mean() + 0.5 * (differences == 0).mean())


def _tune() -> Iterator[Example]:
    for category in ("inner pauses", "no pauses"):
        for take in corpus.of(category, "tune"):
            reader = take.name.split("-")[0].split("_snt")[0].split("_0")[0]
            yield from _examples("tune", reader, take.scene.sound, take.labels[0].end)


def _recorded(folder: Path) -> Iterator[Example]:
    dice = np.random.default_rng(1)
    for path in sorted(folder.rglob("*.wav")):
        recorded = clip.load(path)
        sound = resample(recorded.samples, recorded.rate, LISTEN_RATE)
        room = dice.normal(0.0, 12.0, LISTEN_RATE).astype(np.int16)
        yield from _examples(folder.name, path.name.split("-")[0], np.concatenate((sound, room)), 1e9)


def _examples(source: str, reader: str, sound: Samples, end: float) -> Iterator[Example]:
    """Of each silence long enough, and of the last one; what is heard `end` seconds after the beginning is the end."""
    stream = silero.load(Settings()).open()
    speaking = False
    speech: list[int] = []
    for number in range(len(sound) // FRAME):
        speaking = stream.probability(sound[number * FRAME :][:FRAME]) >= (0.35 if speaking else 0.5)
        if speaking:
            speech.append(number)
    for number, following in zip(speech, [*speech[1:], None], strict=True):
        if following is not None and following - number <= PAUSE:
            continue
        until = (number + 1) * FRAME + round(LOOK_AFTER * LISTEN_RATE)
        begin = max(speech[0] * FRAME, until - round((LOOK + LOOK_AFTER) * LISTEN_RATE))
        share = voiced(sound[begin:until])
        if share is not None:
            yield Example(source, reader, share, following is None or number * FRAME / LISTEN_RATE >= end - 0.15)


if __name__ == "__main__":
    main(sys.argv[1:])
