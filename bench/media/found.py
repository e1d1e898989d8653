"""What a whole benchmark found, as it is written to JSON, shown as a table, and drawn."""

import os
import platform
import re
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from bench.media.measure import MOCKS_SECONDS, Run, p50, p95
from bench.media.systems import ROOT


@dataclass
class Found:
    """Of one system; None: not measured. Times in milliseconds."""

    silence: float
    idle_memory: float
    single: Run
    latency: Run | None = None
    eight: Run | None = None
    twenty: Run | None = None
    capacity: int | None = None
    runs: list[Run] = field(default_factory=list)

    @property
    def talks(self) -> Run:
        """The run that tells of waiting and interrupting."""
        return self.latency or self.eight or self.single

    def overhead(self, wait: float) -> float:
        return wait - 1000 * (self.silence + MOCKS_SECONDS)

    @property
    def session_memory(self) -> float | None:
        """MiB that each caller after the first takes."""
        return None if self.eight is None else (self.eight.memory - self.single.memory) / (self.eight.connected - 1)


@dataclass
class Report:
    """`trips` and `losses` are of the loop-backs: round trips, and the missing share for each share of lost packets."""

    place: dict[str, Any]
    systems: dict[str, Found] = field(default_factory=dict)
    trips: dict[str, list[float]] = field(default_factory=dict)
    losses: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "table": {name: summary(found) for name, found in self.systems.items()}}


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
    talks = found.talks
    eight = found.eight
    return {
        "wait p50": p50(talks.waits),
        "wait p95": p95(talks.waits),
        "overhead p50": found.overhead(p50(talks.waits)),
        "overhead p95": found.overhead(p95(talks.waits)),
        "barge-in p50": p50(talks.stops) if talks.stops else None,
        "barge-in p95": p95(talks.stops) if talks.stops else None,
        "not interrupted": talks.unstopped,
        "gap p95": p95(talks.gaps),
        "callers on a core": found.capacity,
        "CPU ms / session s": eight.cpu_ms if eight else None,
        "MiB idle": found.idle_memory,
        "MiB / session": found.session_memory,
        "loop lag p99 <=": found.twenty.lag if found.twenty else None,
        "RTP marker share": talks.markers,
    }


def tables(report: Report) -> list[Table]:
    where = report.place
    machine = f"{where['processor']}, {where['cores']} cores, load {where['load']:.1f}"
    title = f"{where['date']}, commit {where['commit']}, {machine}"
    main = Table("ms unless it says otherwise", *report.systems, title=title)
    columns = [summary(found) for found in report.systems.values()]
    for row in columns[0] if columns else ():
        main.add_row(row, *(_number(column[row]) for column in columns))
    media = Table("loop-back", *report.trips, title="Through the media path alone")
    media.add_row("round trip p50", *(_number(p50(trips)) for trips in report.trips.values()))
    media.add_row("round trip p95", *(_number(p95(trips)) for trips in report.trips.values()))
    for share in next(iter(report.losses.values()), {}):
        media.add_row(f"missing, {share} lost", *(f"{100 * losses[share]:.1f} %" for losses in report.losses.values()))
    return [main, media]


def _number(value: float | None) -> str:
    if value is None or value != value:
        return "-"
    return f"{value:.0f}" if abs(value) >= 20 or value == int(value) else f"{value:.1f}"
