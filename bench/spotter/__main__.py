"""`python -m bench.spotter say|train|judge FOLDER`: makes the voices, trains the network, judges it.

Beside the synthetic voices the present one has heard people begin sentences: 100 utterances by 10 readers of
LibriSpeech's test-other (CC BY 4.0), given with `--readers`.
"""

import argparse
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from bench.spotter import judge, scenes, voices
from voicechat.adapters.spotter import pocketsphinx
from voicechat.sphinx.acoustics import Acoustics
from voicechat.sphinx.decoder import model
from voicechat.turntaking.rules import Rules

STRANGERS: Final = (
    "slt kal16 cmu-us-slt-arctic-hts en-us+f2 en-gb-x-rp+m7 en-029+f1 en-us+steph en-us+belinda en-us+aunty"
).split()
"""Voices that are judged and not trained with; the two named slt are one woman."""

SPEECH: Final = Path(__file__).parents[3] / "shared" / "speech"
SHIFTS: Final = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0)
"""Of the network's logit: how else the floor might have decided."""
MEAN: Final = np.array(
    [56.56, 4.31, -2.02, 8.10, -3.08, -1.81, -9.18, -4.09, -4.34, 0.03, 0.17, -0.54, 1.99], np.float32
)
"""The mean cepstrum of 17 human voices; the first is not used: the level is relative."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.spotter")
    parser.add_argument("step", choices=("say", "train", "judge"))
    parser.add_argument("folder", type=Path, help="of the synthetic voices")
    parser.add_argument("--strangers", action="store_true", help="leave the judged voices out of the training")
    parser.add_argument("--weights", type=Path, default=pocketsphinx.WEIGHTS)
    parser.add_argument("--speech", type=Path, default=SPEECH, help="clips of people speaking, and of noise")
    parser.add_argument("--readers", type=Path, help="clips of other people speaking, to train with")
    parser.add_argument("--people", type=Path, help="clips of people's back-channels")
    parser.add_argument("--longest", type=float, default=Rules().longest_back_channel, help="seconds")
    wanted = parser.parse_args()
    match wanted.step:
        case "say":
            voices.say_all(wanted.folder)
        case "train":
            _train(wanted.folder, wanted.readers, wanted.weights, STRANGERS if wanted.strangers else [])
        case "judge":
            _judge(wanted.folder, wanted.weights, wanted.speech, wanted.people, wanted.longest)
    return 0


def _train(folder: Path, readers: Path | None, weights: Path, without: Sequence[str]) -> None:
    from bench.spotter import train

    lessons = scenes.lessons(folder, sorted(readers.glob("*.wav")) if readers else [], MEAN)
    _say(f"{len(lessons)} lessons, {sum(one.back_channel for one in lessons)} of them back-channels")
    train.save(weights, train.train(lessons, without), MEAN)


def _judge(folder: Path, weights: Path, speech: Path, people: Path | None, longest: float) -> None:
    spotter = pocketsphinx.Pocketsphinx(Acoustics(model("en-us")), pocketsphinx.read(weights))
    noises = [scenes.read(path) for name in judge.NOISES if (path := speech / f"{name}.wav").exists()]
    noises = noises or scenes.beds(folder)
    strangers = [path for path in sorted(folder.glob("*.wav")) if path.stem.split("_")[2] in STRANGERS]
    spoken = []
    for path in strangers:
        dice = np.random.default_rng(zlib.crc32(path.name.encode()))
        spoken.append(scenes.spoken(path, dice, noises[int(dice.integers(len(noises)))]))
    groups = {
        "synthetic strangers": [scene for scene in spoken if scene and (scene.judged or not scene.back_channel)],
        "people speaking": list(judge.recordings(judge.people(speech), noises, back_channels=False)),
        "people's back-channels": list(
            judge.recordings(sorted(people.glob("*.wav")) if people else [], noises, back_channels=True)
        ),
    }
    vad, rules = judge.engine(), Rules(longest_back_channel=longest)
    for name, group in groups.items():
        trials = [judge.tried(scene, spotter, vad, rules) for scene in group]
        _say("\n".join(["", name, *judge.table(trials, SHIFTS, rules)]))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
