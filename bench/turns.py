"""Who is heard, who is cut off, and what interrupts: `python -m bench.turns [--half tune|report] [CATEGORY ...]`

Plays the scenes of tests/turns/corpus.py to real sessions on virtual time, some hundred times faster than real time,
and prints what is promised of turn-taking beside what is. The two halves share no clip, noise or voice: choose
settings by "tune", believe "report". Human clips come from ../shared/speech; without that folder only synthetic voices
and noises are played, and what needs a human is not measured.

While working on one part, name its category, a setting to try, and ask for the scenes that failed:

    python -m bench.turns --half tune --failures cough noise
    python -m bench.turns --half tune --set turn.barge_in.confirm=0.3 interruption back-channel
    python -m bench.turns --recognise --every 4 "inner pauses"     # PocketSphinx listens too, and takes its time

With no more than `--recognise` everything is played, and bench/results/turns.json (or turns-recognised.json) is
written.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.media.found import place
from tests.turns import corpus
from tests.turns.corpus import Take
from voicechat import config, logs
from voicechat.audio import FRAME_SECONDS, LISTEN_RATE, Framer, Samples
from voicechat.config import LogSettings, Settings
from voicechat.rehearsal.play import Rehearsed, rehearse
from voicechat.rehearsal.score import Deed, Score, judge, percentile

RESULTS: Final = Path(__file__).parent / "results"
EDGES: Final = 2
"""Frames at the edges of a pause that fade: they are no part of the answer."""
HARMLESS: Final = ("noise", "cough", "back-channel")


@dataclass(frozen=True)
class Result:
    """One take's."""

    take: Take
    score: Score
    rehearsed: Rehearsed
    whole: bool
    """The answer went on at the sample where it paused."""

    @property
    def failure(self) -> str:
        """What went wrong in it; empty: nothing."""
        score = self.score
        found = {
            "false commit": score.false_commits and not self.whole,
            "false commit, went on": score.false_commits and self.whole,
            "missed": score.missed,
            "cut off": score.cut_off,
            "never ended": score.unended,
            "false start": score.false_starts,
            "sound lost": not self.whole and not score.false_commits,
            "slow pause": any(pause > 0.0801 for pause in score.pauses),
        }
        return ", ".join(name for name, wrong in found.items() if wrong)


@dataclass(frozen=True)
class Row:
    """A figure, and what it may be at most; `most` None: only to know. A share is in %, a time in ms."""

    name: str
    category: str
    figure: Callable[[Score], float | None]
    unit: str
    most: float | None = None


def _share(part: str, whole: str) -> Callable[[Score], float | None]:
    def figure(score: Score) -> float | None:
        count: int = getattr(score, whole)
        return 100 * float(getattr(score, part)) / count if count else None

    return figure


def _answered(delay: float) -> Callable[[Score], float | None]:
    """The share of utterances over which an answer begins that is heard `delay` seconds after a turn's end."""

    def figure(score: Score) -> float | None:
        heard = sum(opening > delay for opening in score.openings)
        return 100 * heard / score.utterances if score.utterances else None

    return figure


def _time(times: str, share: float) -> Callable[[Score], float | None]:
    def figure(score: Score) -> float | None:
        found = percentile(getattr(score, times), share)
        return None if found is None else 1000 * found

    return figure


ROWS: Final = (
    Row("onset to pause, p95", "interruption", _time("pauses", 0.95), "ms", 80),
    Row("the same, in a voiced noise", "interruption", _time("noisy_pauses", 0.95), "ms"),
    Row("onset to commit, p50", "interruption", _time("commits", 0.5), "ms", 300),
    Row("onset to commit, p95", "interruption", _time("commits", 0.95), "ms"),
    Row("missed", "interruption", _share("missed", "interruptions"), "%", 2),
    *(Row("false commits", category, _share("false_commits", "harmless"), "%", 1) for category in HARMLESS),
    *(Row("paused for a moment", category, _share("false_pauses", "harmless"), "%") for category in HARMLESS),
    Row("missed", "stop word", _share("missed", "interruptions"), "%"),
    Row("onset to commit, p50", "stop word", _time("commits", 0.5), "ms"),
    Row("cut off too early", "inner pauses", _share("cut_off", "utterances"), "%", 2),
    Row("cut off by an answer after 0.1 s", "inner pauses", _answered(0.1), "%"),
    Row("cut off by an answer after 0.5 s", "inner pauses", _answered(0.5), "%"),
    Row("wait, median", "inner pauses", _time("waits", 0.5), "ms", 400),
    Row("wait, p95", "inner pauses", _time("waits", 0.95), "ms"),
    Row("never ended", "inner pauses", _share("unended", "utterances"), "%"),
    Row("cut off too early", "no pauses", _share("cut_off", "utterances"), "%", 2),
    Row("wait, median", "no pauses", _time("waits", 0.5), "ms", 400),
    Row("wait, p95", "no pauses", _time("waits", 0.95), "ms"),
    Row("cut off too early", "interruption", _share("cut_off", "utterances"), "%"),
    Row("wait, median", "interruption", _time("waits", 0.5), "ms"),
    Row("turns begun by noise", "noise, bot silent", lambda score: float(score.false_starts), "of 60"),
    Row("bot interrupts itself", "echo", _share("false_commits", "harmless"), "%"),
    Row("bot paused by itself", "echo", _share("false_pauses", "harmless"), "%"),
    Row("missed", "over echo", _share("missed", "interruptions"), "%"),
    Row("onset to commit, p50", "over echo", _time("commits", 0.5), "ms"),
)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("categories", nargs="*", metavar="CATEGORY", help=", ".join(corpus.CATEGORIES))
    arguments.add_argument("--half", choices=corpus.HALVES, help="without it, both")
    arguments.add_argument("--config", type=Path)
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    arguments.add_argument("--recognise", action="store_true", help="with the recogniser's partial texts")
    arguments.add_argument("--every", type=int, default=1, metavar="N", help="only every N-th scene of each category")
    arguments.add_argument("--failures", action="store_true", help="name the scenes that went wrong")
    chosen = arguments.parse_args()
    unknown = sorted(set(chosen.categories) - set(corpus.CATEGORIES))
    if unknown:
        arguments.error(f"no such category: {', '.join(unknown)}; there are {', '.join(corpus.CATEGORIES)}")
    logs.configure(LogSettings(level="error"))
    changes = dict(change.split("=", 1) for change in chosen.set)
    settings = config.changed(config.load(chosen.config), changes, "--set")
    halves = [chosen.half] if chosen.half else list(corpus.HALVES)
    wanted = {half: takes(half, chosen.categories, chosen.every) for half in halves}
    found = {half: play(settings, half, wanted[half], recognises=chosen.recognise) for half in halves}
    screen = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    screen.print(table(found))
    for half, results in found.items():
        screen.print(f"{half}: {summary(results)}")
        for result in results if chosen.failures else ():
            if result.failure:
                screen.print(f"  {result.take.category}: {result.take.name}: {result.failure}")
    if not (chosen.categories or chosen.half or chosen.set or chosen.config or chosen.every > 1):
        name = "turns-recognised.json" if chosen.recognise else "turns.json"
        (RESULTS / name).write_text(json.dumps(report(found), indent=1) + "\n")


def takes(half: str, categories: Sequence[str], every: int) -> list[Take]:
    """A share of each category, mixed: every n-th of a list that repeats itself would be all alike."""
    chosen = []
    for name in categories or corpus.CATEGORIES:
        known = corpus.of(name, half)
        if every > 1:
            known.sort(key=lambda take: crc32(take.name.encode()))
        chosen += known[::every]
    return chosen


def play(settings: Settings, half: str, takes: Sequence[Take], *, recognises: bool) -> list[Result]:
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(half, total=len(takes))
        scenes = [take.scene for take in takes]
        played = rehearse(settings, scenes, recognises=recognises, done=lambda: progress.advance(task))
    barge_in = settings.turn.barge_in
    softest = 10 ** (-barge_in.duck_db / 20) if barge_in.first == "duck" else 1.0
    return [
        Result(
            take,
            judge(take.labels, rehearsed.moments, rehearsed.voiced),
            rehearsed,
            take.category not in HARMLESS or is_whole(rehearsed, softest),
        )
        for take, rehearsed in zip(takes, played, strict=True)
    ]


def is_whole(rehearsed: Rehearsed, softest: float = 1.0) -> bool:
    """Whether the caller got the answer's own frames, in order, and beside them only silence and pauses' edges.

    An answer that may be ducked may be softer, down to `softest` of its loudness.
    """
    deeds = [moment.deed for moment in rehearsed.moments]
    due = iter(Framer(round(LISTEN_RATE * FRAME_SECONDS)).push(rehearsed.said))
    frame = next(due, None)
    strange = 0
    for played in rehearsed.played:
        if played is not None and frame is not None and _is_of(played, frame, softest):
            frame = next(due, None)
        elif played is not None:
            strange += 1
    return strange <= EDGES * (deeds.count(Deed.PAUSED) + 1)


def _is_of(played: Samples, frame: Samples, softest: float) -> bool:
    if softest == 1.0 or np.array_equal(played, frame):
        return np.array_equal(played, frame)
    most = np.abs(frame.astype(np.int32))
    heard = played.astype(np.int32) * np.sign(frame)
    return bool(((heard >= np.trunc(most * softest) - 1) & (heard <= most)).all())


def total(results: Sequence[Result], category: str) -> Score:
    return sum((result.score for result in results if result.take.category == category), Score())


def table(found: dict[str, list[Result]]) -> Table:
    table = Table("scenes", "measured", "at most", *found, title="Turn-taking")
    for row in ROWS:
        figures = {half: row.figure(total(results, row.category)) for half, results in found.items()}
        if any(figure is not None and _has(found[half], row.category) for half, figure in figures.items()):
            most = "" if row.most is None else f"{row.most:g} {row.unit}"
            table.add_row(row.category, row.name, most, *(_cell(row, figure) for figure in figures.values()))
    return table


def _has(results: Sequence[Result], category: str) -> bool:
    return any(result.take.category == category for result in results)


def _cell(row: Row, figure: float | None) -> str:
    if figure is None:
        return "-"
    text = f"{figure:.1f} {row.unit}" if row.unit == "%" else f"{figure:.0f} {row.unit}"
    return text if row.most is None or figure <= row.most + 1e-3 else f"[red]{text}[/] ✗"


def summary(results: Sequence[Result]) -> str:
    seconds = sum(result.take.scene.seconds for result in results)
    work = sum(result.rehearsed.work for result in results)
    resumed = [result for result in results if result.take.category in HARMLESS and not result.score.false_commits]
    exact = sum(result.whole for result in resumed)
    return (
        f"{len(results)} scenes, {seconds:.0f} s, {seconds / max(work, 1e-9):.0f} times faster than real time; "
        f"answers that went on to the sample: {exact} of {len(resumed)}"
    )


def report(found: dict[str, list[Result]]) -> dict[str, Any]:
    """For the JSON: the rows, the counts behind them, and the names of the scenes that went wrong."""
    return {
        "place": place(),
        "rows": [
            {"scenes": row.category, "measured": row.name, "unit": row.unit, "at most": row.most}
            | {half: row.figure(total(results, row.category)) for half, results in found.items()}
            for row in ROWS
        ],
        "counts": {
            half: {category: _counts(total(results, category)) for category in corpus.CATEGORIES}
            for half, results in found.items()
        },
        "summary": {half: summary(results) for half, results in found.items()},
        "failures": {
            half: [f"{r.take.category}: {r.take.name}: {r.failure}" for r in results if r.failure]
            for half, results in found.items()
        },
    }


def _counts(score: Score) -> dict[str, int]:
    return {name: value for name, value in asdict(score).items() if isinstance(value, int)}


if __name__ == "__main__":
    main()
