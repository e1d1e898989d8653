"""Speakerphones: do answers interrupt themselves, and is a caller who speaks over them still heard?

Answers and callers are recorded voices and espeak's; rooms are made by `tests.rooms`. Every second voice and clip
belongs to the half on which the gate was tuned; the other half is reported.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402  after the thread count

from tests.rooms import Answer, Call, Microphone, Room, at_level  # noqa: E402
from voicechat.adapters.tts import espeak  # noqa: E402
from voicechat.adapters.vad import silero, webrtc  # noqa: E402
from voicechat.audio import LISTEN_RATE, Samples, read_wav, resample  # noqa: E402
from voicechat.config import Settings  # noqa: E402
from voicechat.ears import Ears  # noqa: E402
from voicechat.echo.gate import Gate  # noqa: E402

SPEECH: Final = Path(__file__).parents[2] / "shared" / "speech"
ANSWERED: Final = "LJ001-0001 LJ001-0004 LJ001-0005 LJ001-0006 LJ001-0009 LJ001-0010 austen_0870 rtstt_ref".split()
CALLING: Final = (
    "sb_spk1_snt1 sb_spk1_snt2 sb_spk1_snt3 sb_spk1_snt4 sb_spk1_snt5 vctk_clean_001 vctk_clean_002 vctk_clean_003"
    " lamp something goforward LJ001-0002 LJ001-0008 austen_0880 cards_002 cards_003 leopard_en jfk numbers"
).split()
TEXTS: Final = (
    "The dinosaurs are on the second floor, next to the lift. You can see them every day from nine to five.",
    "Sure. The museum has three floors, a cafe, and a small shop where you can buy books and postcards.",
    "Tickets cost twelve euros for adults and six for children. On Sundays the entrance is free for everybody.",
    "Hello and welcome! My name is Max. Ask me anything about the house, or about what is on today.",
)
QUESTIONS: Final = (
    "Excuse me, what does it cost for two children?", "And where is the toilet, please?",
    "No, I meant the other one.", "Can you tell me when the next tour begins?",
)  # fmt: skip
ANSWER_DB: Final = -20.0
ANSWER_SECONDS: Final = 8
ANSWERS: Final = 3
"""In a call; the caller speaks over the last."""
NOISES: Final = (-85.0, -75.0, -70.0, -60.0, -50.0)
JUMPS: Final = 0.04
"""Seconds by which a far end that buffers begins sooner or later each time."""
LATE_SECONDS: Final = 0.3
"""After their last word, an interruption is missed."""


@dataclass(frozen=True)
class Setting:
    """`level` is how loud the caller is, in dB over the echo (over the answer, where there is none); None: silent."""

    coupling: float | None
    level: float | None = None
    gated: bool = True
    early: bool = False
    """The caller speaks within the first 0.7 s of the call's first answer."""


@dataclass(frozen=True)
class Outcome:
    answers: Sequence[Answer]
    spoke: float | None = None
    ended: float = 0.0
    trace: tuple[tuple[float, str], ...] = ()

    @property
    def own(self) -> Sequence[Answer]:
        """Answers over which nobody spoke."""
        return self.answers if self.spoke is None else self.answers[:-1]


@cache
def voices(half: str) -> tuple[tuple[Samples, ...], tuple[Samples, ...]]:
    """Of answers and of callers."""
    engine = espeak.load(Settings())

    def said(texts: Sequence[str], voice: str) -> list[Samples]:
        whole = [np.concatenate([part.samples for part in engine.synthesize(text, voice)]) for text in texts]
        return [resample(samples, engine.rate, LISTEN_RATE) for samples in whole]

    voice = {"tune": "en-gb", "report": "en-us"}[half]
    first = half != "tune"
    clips = ANSWERED[first::2], CALLING[first::2]
    recorded = [[_clip(name) for name in names] if SPEECH.is_dir() else [] for names in clips]
    return tuple(recorded[0] + said(TEXTS, voice)), tuple(recorded[1] + said(QUESTIONS, voice))


def _clip(name: str) -> Samples:
    frame = read_wav(SPEECH / f"{name}.wav")
    return resample(frame.samples, frame.rate, LISTEN_RATE)


@cache
def _detectors() -> tuple[webrtc.Webrtc, silero.Silero]:
    return webrtc.load(Settings()), silero.load(Settings())


def drawn(coupling: float | None, dice: np.random.Generator) -> Room:
    """A line and a room as callers have them: with reverberation or none, a far end that buffers or not."""
    fading = float(dice.choice((0.0, dice.uniform(0.15, 0.5))))
    delay, noise = dice.uniform(0.02, 0.3), float(dice.choice(NOISES))
    starts = tuple(dice.uniform(0.0, 0.3) + dice.uniform(0.0, JUMPS, 3)) if dice.random() < 0.5 else ()
    return Room(coupling, delay, fading, noise, starts, drift=dice.uniform(-2e-4, 2e-4), jitter=0.02)


def play(half: str, setting: Setting, seed: int) -> Outcome:
    """One call. Everything is drawn from the seed, and the same for all settings."""
    dice = np.random.default_rng(seed)
    answers, callers = voices(half)
    room = drawn(setting.coupling, dice)
    microphone = Microphone(room, 60.0, np.random.default_rng(seed))
    fast, slow = _detectors()
    gate = Gate() if setting.gated else None
    call = Call(Ears(fast.open(), slow.open(), gate=gate), microphone)
    call.wait(0.6)
    count = 1 if setting.early else ANSWERS
    heard = []
    spoke, ended = None, 0.0
    for number in range(count):
        answer = at_level(answers[dice.integers(len(answers))][: ANSWER_SECONDS * LISTEN_RATE], ANSWER_DB)
        caller = callers[dice.integers(len(callers))]
        latest = 0.7 if setting.early else max(0.5, len(answer) / LISTEN_RATE - 1.5)
        at = call.now + dice.uniform(0.0 if setting.early else 0.4, latest)
        if setting.level is not None and number == count - 1:
            over = at_level(caller, ANSWER_DB + (setting.coupling or 0.0) + setting.level)
            microphone.speak(over, at)
            spoke, ended = at, at + len(over) / LISTEN_RATE
        heard.append(call.answer(answer))
        call.wait(0.6)
    return Outcome(heard, spoke, ended, tuple((round(at, 2), act.value) for at, act in call.acts))


def _play(work: tuple[str, Setting, int]) -> Outcome:
    return play(*work)


def row(setting: Setting, outcomes: Sequence[Outcome]) -> str:
    coupling = "none" if setting.coupling is None else f"{setting.coupling:.0f} dB"
    own = [answer for outcome in outcomes for answer in outcome.own]
    cells = [coupling, "yes" if setting.gated else "no"]
    if setting.level is None:
        first = [outcome.answers[0] for outcome in outcomes]
        later = [answer for outcome in outcomes for answer in outcome.answers[1:]]
        cells += [
            f"{sum(answer.cut is not None for answer in own)} of {len(own)}",
            f"{sum(bool(answer.pauses) for answer in first)} of {len(first)}",
            f"{sum(bool(answer.pauses) for answer in later)} of {len(later)}",
        ]
        return " | ".join(cells)
    over = [(outcome, outcome.answers[-1]) for outcome in outcomes]
    mine = [(outcome, answer) for outcome, answer in over if answer.cut is None or answer.cut > (outcome.spoke or 0.0)]
    cut = [answer.cut - (outcome.spoke or 0) for outcome, answer in mine if answer.cut is not None]
    good = sum(answer.cut is not None and answer.cut < outcome.ended + LATE_SECONDS for outcome, answer in mine)
    paused = [
        min((at for at in answer.pauses if at > (outcome.spoke or 0)), default=np.inf) - (outcome.spoke or 0)
        for outcome, answer in mine
    ]
    cells += [
        f"{'early ' if setting.early else ''}{setting.level:+.0f} dB",
        f"{len(mine) - good} of {len(mine)}",
        f"{1000 * np.median(paused):.0f}",
        f"{1000 * np.percentile(cut, 50):.0f} / {1000 * np.percentile(cut, 95):.0f}" if cut else "-",
    ]
    return " | ".join(cells)


def settings(couplings: Sequence[float]) -> Iterator[list[Setting]]:
    yield [Setting(coupling, gated=gated) for coupling in couplings for gated in (False, True)]
    audible = [coupling for coupling in couplings if coupling > -35.0]  # below, a caller as loud is lost in the noise
    over = [Setting(coupling, level) for coupling in audible for level in (0.0, 6.0)]
    alone = [Setting(None, -10.0, gated, early) for early in (False, True) for gated in (False, True)]
    yield [*over, *alone]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=60, help="for each row")
    parser.add_argument("--half", choices=("tune", "report"), default="report")
    parser.add_argument("--couplings", type=float, nargs="+", default=[-6.0, -12.0, -20.0, -30.0, -40.0])
    given = parser.parse_args()
    heads = (
        ("echo", "gate", "answers cut by their own echo", "first answers paused", "later answers paused"),
        ("echo", "gate", "caller over echo", "missed", "onset to pause p50, ms", "onset to cut p50 / p95, ms"),
    )
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for head, group in zip(heads, settings(given.couplings), strict=True):
            sys.stdout.write(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}\n")
            for setting in group:
                found = list(pool.map(_play, [(given.half, setting, seed) for seed in range(given.calls)]))
                sys.stdout.write(f"| {row(setting, found)} |\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
