"""Which settings suit a house's own callers: a grid of them, tried on recordings. Blocking; raises VoicechatError."""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from voicechat import config, logs
from voicechat.config import LogSettings, Settings
from voicechat.errors import ConfigError, VoicechatError
from voicechat.rehearsal import chart, recordings
from voicechat.rehearsal.play import Rehearsed, rehearse
from voicechat.rehearsal.recordings import Recording
from voicechat.rehearsal.score import Score, judge, percentile

PAGE: Final = 140
"""Columns where no terminal says how many it has."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One setting of the grid; `speed` is how many times faster than real time it was tried."""

    name: str
    score: Score
    rehearsed: tuple[Rehearsed, ...]
    speed: float

    def figures(self) -> dict[str, float | int | None]:
        """Shares in percent, times in milliseconds; None where there was nothing to measure."""
        score = self.score
        return {
            "utterances": score.utterances,
            "cut_off_percent": _percent(score.cut_off, score.utterances),
            "never_ended": score.unended,
            "wait_median_ms": _milliseconds(score.waits, 0.5),
            "wait_p95_ms": _milliseconds(score.waits, 0.95),
            "interruptions": score.interruptions,
            "missed_percent": _percent(score.missed, score.interruptions),
            "pause_p50_ms": _milliseconds(score.pauses, 0.5),
            "pause_p95_ms": _milliseconds(score.pauses, 0.95),
            "commit_p50_ms": _milliseconds(score.commits, 0.5),
            "commit_p95_ms": _milliseconds(score.commits, 0.95),
            "noises_and_back_channels": score.harmless,
            "false_interruption_percent": _percent(score.false_commits, score.harmless),
            "false_turns": score.false_starts,
            "times_real_time": round(self.speed, 1),
        }


def grid(changes: Sequence[str]) -> list[dict[str, str]]:
    """Every combination of "key=value,value" changes; one empty one without changes. Raises ConfigError."""
    columns = []
    for change in changes:
        key, sign, values = change.partition("=")
        if not (key and sign and values):
            raise ConfigError("bad_config", f"--set: found '{change}'; key=value or key=value,value is expected")
        columns.append([(key.strip(), value.strip()) for value in values.split(",")])
    return [dict(row) for row in product(*columns)]


def run(
    settings: Settings,
    paths: Sequence[Path],
    labels: Path | None,
    changes: Sequence[str],
    *,
    recognises: bool = False,
    screen: Console | None = None,
) -> tuple[list[Recording], list[Tried]]:
    """Tries each setting of the grid on all recordings. Raises VoicechatError before it begins, or not at all."""
    if labels is not None and len(paths) > 1:
        raise VoicechatError("bad_labels", f"--labels goes with one recording; for {len(paths)}: NAME.labels.txt each")
    rows = [(change, config.changed(settings, change, "--set")) for change in grid(changes)]
    logs.configure(LogSettings(level="error"))
    tapes = [recordings.load(settings, path, labels) for path in paths]
    with Progress(console=screen or Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Rehearsing", total=len(rows) * len(tapes))
        tried = []
        for change, changed in rows:
            name = " ".join(f"{key}={value}" for key, value in change.items()) or "as configured"
            tried.append(_try(name, changed, tapes, recognises=recognises, done=lambda: progress.advance(task)))
    return tapes, tried


def _try(
    name: str, settings: Settings, tapes: Sequence[Recording], *, recognises: bool, done: Callable[[], None]
) -> Tried:
    begin = time.monotonic()
    played = rehearse(settings, [tape.scene for tape in tapes], recognises=recognises, done=done)
    took = time.monotonic() - begin
    pairs = list(zip(tapes, played, strict=True))
    score = sum((judge(tape.labels, found.moments, found.voiced) for tape, found in pairs), Score())
    return Tried(name, score, tuple(played), sum(tape.scene.seconds for tape in tapes) / max(took, 1e-9))


def table(tried: Sequence[Tried]) -> Table:
    """For people: a row for each setting."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    longest = max(len(change) for one in tried for change in one.name.split(" "))
    table.add_column("setting", overflow="fold", min_width=longest)
    for heading in (
        "cut off\ntoo early",
        "false\ninterruptions",
        "missed\ninterruptions",
        "onset to pause\np50 / p95 ms",
        "onset to commit\np50 / p95 ms",
        "wait at the end\nmedian / p95 ms",
        "times\nreal time",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in tried:
        score, figures = one.score, one.figures()
        table.add_row(
            one.name.replace(" ", "\n"),
            _of(score.cut_off, score.utterances),
            _of(score.false_commits, score.harmless),
            _of(score.missed, score.interruptions),
            _two(figures["pause_p50_ms"], figures["pause_p95_ms"]),
            _two(figures["commit_p50_ms"], figures["commit_p95_ms"]),
            _two(figures["wait_median_ms"], figures["wait_p95_ms"]),
            f"{one.speed:.0f}",
        )
    return table


def notes(tapes: Sequence[Recording], tried: Sequence[Tried]) -> list[str]:
    """What one has to know to read the table."""
    lines = []
    guessed = [tape.name for tape in tapes if tape.guessed]
    if guessed:
        lines.append(f"Without labels, utterances are what lies between silences of a second: {', '.join(guessed)}.")
    for one in tried:
        if one.score.false_starts:
            lines.append(f"{one.name}: turns that began where nobody spoke: {one.score.false_starts}.")
        if one.score.unended:
            lines.append(f"{one.name}: utterances that had not ended when the recording did: {one.score.unended}.")
    return lines


def moments(tape: Recording, found: Rehearsed) -> list[str]:
    """What happened in one recording, a line for each moment, with its second."""
    return [tape.name, *(f"{moment.at:9.2f}  {moment.deed} {moment.text}".rstrip() for moment in found.moments)]


def plot(tried: Sequence[Tried]) -> str:
    """An SVG: what is too early against how long it takes, at the end of a turn and at an interruption."""
    columns = [one.figures() for one in tried]
    commit = "onset to commit, median, ms"
    panels = [
        chart.Panel(heading, across, up, _points(columns, x, y))
        for heading, across, up, x, y in (
            ("End of a turn", "wait, median, ms", "cut off too early, %", "wait_median_ms", "cut_off_percent"),
            ("False interruptions", commit, "of harmless sounds, %", "commit_p50_ms", "false_interruption_percent"),
            ("Missed interruptions", commit, "of interruptions, %", "commit_p50_ms", "missed_percent"),
        )
    ]
    return chart.svg(panels, [one.name for one in tried])


def tell(tapes: Sequence[Recording], tried: Sequence[Tried], *, show: bool = False) -> None:
    """Prints the table; with `show`, first what happened in each recording with the first setting."""
    screen = Console(highlight=False, width=None if sys.stdout.isatty() else PAGE)
    for tape, found in zip(tapes, tried[0].rehearsed, strict=True) if show else ():
        screen.print("\n".join(moments(tape, found)), markup=False)
    screen.print(table(tried))
    for note in notes(tapes, tried):
        screen.print(note, markup=False)


def write(path: Path, text: str) -> None:
    """Raises VoicechatError where it cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise VoicechatError("unwritable", f"{path}: cannot be written: {error.strerror}") from error


def as_json(tapes: Sequence[Recording], tried: Sequence[Tried]) -> str:
    """The figures of every setting, and what happened in every recording."""
    rows = [
        {
            "setting": one.name,
            **one.figures(),
            "recordings": {
                tape.name: [[moment.at, moment.deed.value] for moment in found.moments]
                for tape, found in zip(tapes, one.rehearsed, strict=True)
            },
        }
        for one in tried
    ]
    return json.dumps(rows, indent=1) + "\n"


def _points(
    columns: Sequence[Mapping[str, float | int | None]], across: str, up: str
) -> tuple[tuple[float, float] | None, ...]:
    pairs = [(column[across], column[up]) for column in columns]
    return tuple(None if x is None or y is None else (x, y) for x, y in pairs)


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 2) if whole else None


def _milliseconds(times: Sequence[float], share: float) -> int | None:
    found = percentile(times, share)
    return None if found is None else round(1000 * found)


def _of(part: int, whole: int) -> str:
    return f"{part} of {whole}" if whole else "-"


def _two(one: float | None, other: float | None) -> str:
    return "-" if one is None or other is None else f"{one:.0f} / {other:.0f}"
