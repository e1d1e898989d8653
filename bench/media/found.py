"""What a whole benchmark found, as it is written to JSON, shown as a table, and drawn."""

import os
import platform
import re
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import datetime
from math import isnan
from pathlib import Path
from typing import Any

from rich.table import Table

from bench.media.capacity import Capacity
from bench.media.measure import Run, p50, p95
from bench.media.systems import ROOT


@dataclass
class Found:
    """Of one system; None: not measured. Times in milliseconds, `silence` and `mocks` as in `System`."""

    silence: float
    mocks: float
    idle_memory: float | None = None
    single: Run | None = None
    latency: Run | None = None
    eight: Run | None = None
    twenty: Run | None = None
    capacity: Capacity | None = None
    runs: list[Run] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """What came to no end, and why."""

    @property
    def talks(self) -> Run | None:
        """The run that tells of waiting and interrupting."""
        return self.latency or self.eight or self.single

    def overhead(self, wait: float) -> float:
        return wait - 1000 * (self.silence + self.mocks)

    @property
    def session_memory(self) -> float | None:
        """MiB that each caller after the first takes."""
        if self.eight is None or self.single is None or self.eight.connected < 2:
            return None
        return (self.eight.memory - self.single.memory) / (self.eight.connected - 1)


@dataclass
class Report:
    """`trips` and `losses` are of the loop-backs: round trips, and the missing share for each share of lost packets."""

    place: dict[str, Any]
    minutes: float = 0.0
    systems: dict[str, Found] = field(default_factory=dict)
    trips: dict[str, list[float]] = field(default_factory=dict)
    losses: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Without what is not a number: JSON has no word for it."""
        table = {name: summary(found) for name, found in self.systems.items()}
        rows = {name: _numbers(columns) for name, columns in table.items()}
        return {**asdict(self), "disturbance": disturbance(self), "table": rows}


def place() -> dict[str, Any]:
    """Where and when: machine, load, date, commit."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    commit = _git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain", "-uno") else "")
    return {
        "date": datetime.now().isoformat(timespec="minutes"),
        "commit": commit,
        "processor": model.group(1) if model else platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def summary(found: Found) -> dict[str, float | None]:
    """The rows of the table."""
    talks, eight, capacity = found.talks, found.eight, found.capacity
    waits, stops = (talks.waits, talks.stops) if talks else ([], [])
    return {
        "wait p50": p50(waits),
        "wait p95": p95(waits),
        "of it, silence": 1000 * found.silence,
        "of it, mock engines": 1000 * found.mocks,
        "overhead p50": found.overhead(p50(waits)),
        "overhead p95": found.overhead(p95(waits)),
        "barge-in p50": p50(stops),
        "barge-in p95": p95(stops),
        "not interrupted": talks.unstopped if stops and talks else None,
        "gap p95": p95(talks.gaps) if talks else None,
        "callers on a core": capacity.holds if capacity else None,
        "not held": capacity.fails or None if capacity else None,
        "CPU ms / session s": eight.cpu_ms if eight else None,
        "MiB idle": found.idle_memory,
        "MiB / session": found.session_memory,
        "loop lag p99 <=": found.twenty.lag if found.twenty else None,
        "RTP marker share": talks.markers if talks else None,
    }


def disturbance(report: Report) -> float:
    """The most that other processes took of the server's core in any run."""
    runs = [
        run
        for found in report.systems.values()
        for run in (found.single, found.latency, found.eight, found.twenty, *found.runs)
        if run is not None
    ]
    return max((run.others for run in runs), default=0.0)


def _numbers(rows: dict[str, float | None]) -> dict[str, float | None]:
    return {row: None if value is None or isnan(value) else value for row, value in rows.items()}


def tables(report: Report) -> list[Table]:
    where = report.place
    machine = f"{where['processor']}, {where['cores']} cores, load {where['load']:.1f}"
    others = f"others used up to {disturbance(report):.0%} of the server's core"
    title = f"{where['date']}, commit {where['commit']}, {machine}; {others}"
    main = Table("ms unless it says otherwise", title=title, title_justify="left")
    columns = [summary(found) for found in report.systems.values()]
    for name in report.systems:
        main.add_column(name, justify="right")
    for name in columns[0] if columns else ():
        main.add_row(name, *(shown(column[name]) for column in columns))
    media = Table("loop-back", title="Through the media path alone", title_justify="left")
    for name in report.trips:
        media.add_column(name, justify="right")
    media.add_row("round trip p50, ms", *(shown(p50(trips)) for trips in report.trips.values()))
    media.add_row("round trip p95, ms", *(shown(p95(trips)) for trips in report.trips.values()))
    for share in next(iter(report.losses.values()), {}):
        missing = (report.losses.get(name, {}).get(share) for name in report.trips)
        row = [f"sound missing, packets lost: {share}"]
        row += ["-" if lost is None else f"{100 * lost:.1f} %" for lost in missing]
        media.add_row(*row)
    return [main, media]


def shown(value: float | None) -> str:
    """Two digits or more; a dash for what was not measured."""
    if value is None or isnan(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 20 or value == int(value) else f"{value:.1f}"
