"""How a spotter does in the floor's hands: what it holds, and how soon it lets an interruption pass."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from bench.spotter.scenes import LEAD, LOUDNESS, STEP, Floats, Scene, bursts, over_noise, read
from voicechat.adapters.vad import silero
from voicechat.audio import LISTEN_RATE, AudioFrame, Framer
from voicechat.config import Settings
from voicechat.protocols import Spotter, VadEngine
from voicechat.turntaking.candidate import Candidate, Verdict
from voicechat.turntaking.rules import Profile, Rules, Run

FRAME: Final = round(STEP * LISTEN_RATE)
PROMPT: Final = 0.3
"""Seconds before the speech at which the spotter begins to hear."""
TAIL: Final = 1.0
RATIOS: Final = (30.0, 20.0, 10.0, 5.0)
NOISES: Final = ("koala_noise", "sbnoise_1", "sbnoise_2", "sbnoise_4")
NO_SPEECH: Final = ("koala", "sbnoise", "esc", "vctk_noisy")


@dataclass(frozen=True, slots=True)
class Trial:
    """A scene as the floor sees it, frame by frame: speech or not, the spotter's logit or NaN where it has none."""

    scene: Scene
    speech: tuple[bool, ...]
    logits: tuple[float, ...]

    def committed(self, rules: Rules, profile: Profile, shift: float) -> float | None:
        """Seconds from the onset until it counts as an interruption, with `shift` more logit; None: never."""
        run, candidate = Run(), Candidate(0.0)
        for at, (speaking, logit) in enumerate(zip(self.speech, self.logits, strict=True)):
            run.step(speaking, STEP, rules.gap)
            likely = None if np.isnan(logit) else float(1 / (1 + np.exp(-logit - shift)))
            verdict = candidate.hear(
                rules,
                profile,
                speaking=speaking,
                hinting=speaking,
                seconds=STEP,
                run=run.span,
                likely=likely,
                unsure=False,
            )
            if verdict is Verdict.INTERRUPTION:
                return (at + 1) * STEP - self.scene.onset
            if verdict is Verdict.NOTHING:
                candidate = Candidate(0.0)
        return None


def tried(scene: Scene, spotter: Spotter, vad: VadEngine, rules: Rules) -> Trial:
    """The scene's frames through both; a stream of the spotter lives as long as a candidate."""
    ears, stream, quiet = vad.open(), None, 0.0
    frames = [AudioFrame(samples, LISTEN_RATE) for samples in Framer(FRAME).push(scene.sound)]
    speech: list[bool] = []
    logits: list[float] = []
    for at, frame in enumerate(frames):
        probability = ears.probability(frame.samples)
        on = probability >= rules.threshold - (rules.hysteresis if speech and speech[-1] else 0.0)
        quiet = 0.0 if on else quiet + STEP
        if on and stream is None:
            stream = spotter.open()
            for earlier in frames[max(0, at - round(PROMPT / STEP)) : at]:
                stream.hear(earlier)
        if stream is not None:
            stream.hear(frame)
        likely = None if stream is None else stream.back_channel
        if stream is not None and quiet >= rules.release:
            stream.close()
            stream = None
        speech.append(on)
        logits.append(np.nan if likely is None else float(np.log(max(likely, 1e-9) / max(1 - likely, 1e-9))))
    if stream is not None:
        stream.close()
    return Trial(scene, tuple(speech), tuple(logits))


def recordings(paths: Iterable[Path], noises: Sequence[Floats], *, back_channels: bool) -> Iterator[Scene]:
    """What people say after a pause, or the back-channels that they say, in each noise ratio."""
    for path in paths:
        sound = read(path)
        for number, (first, last) in enumerate(bursts(sound)):
            if not back_channels and last - first < LISTEN_RATE // 4:
                continue
            last = min(last, first + 5 * LISTEN_RATE // 2)
            start = max(0, first - 800)
            for at, ratio in enumerate(RATIOS):
                noise = np.roll(noises[(number + at) % len(noises)], 7919 * number)
                mixed = over_noise(sound[start : last + 800], noise, ratio, LOUDNESS, TAIL)
                onset = LEAD + (first - start) / LISTEN_RATE
                name = f"{path.stem} {number} at {ratio:g} dB"
                yield Scene(name, path.stem, back_channels, True, mixed, onset, (last - first) / LISTEN_RATE)


def people(folder: Path) -> list[Path]:
    """The clips of speech in a folder."""
    return [path for path in sorted(folder.glob("*.wav")) if not path.stem.startswith(NO_SPEECH)]


def table(trials: Sequence[Trial], shifts: Sequence[float], rules: Rules) -> Iterator[str]:
    """A line for each shift of the network's logit: what is held and what is passed."""
    profile = Profile()
    yield "shift | back-channels held | interruptions: p50, p90 after the onset, within 0.3 s, missed"
    for shift in shifts:
        held, passed = [], []
        for trial in trials:
            when = trial.committed(rules, profile, shift)
            if trial.scene.back_channel:
                held.append(when is None)
            else:
                passed.append(np.inf if when is None else when)
        times = np.array(passed or [np.nan])
        half, most = np.quantile(times, (0.5, 0.9), method="lower")
        yield (
            f"{shift:5.1f} | {np.mean(held) if held else np.nan:6.1%} of {len(held)} | {half:.2f} s, {most:.2f} s, "
            f"{np.mean(times <= 0.3):.0%}, {np.mean(np.isinf(times)):.1%} of {len(times)}"
        )


def engine() -> VadEngine:
    return silero.load(Settings())
