"""The figures as bars, in an SVG that needs no library."""

from html import escape
from math import isnan
from typing import Final

from bench.media.found import Report, shown, summary

PANELS: Final = (
    ("wait p50", "Voice to voice, ms", "the caller's last audible sample to the answer's first, with mock engines"),
    ("overhead p50", "Of it, overhead, ms", "without the silence that each waits for, and the mock engines"),
    ("barge-in p50", "Barge-in, ms", "from an interruption's first audible sample to the answer's last audible packet"),
    ("CPU ms / session s", "Processor time, ms for each second of a session", "with 8 callers"),
    ("MiB / session", "Memory of a session, MiB", "with 8 callers"),
    ("callers on a core", "Callers that one core holds", "more is better here, less everywhere else"),
)
_WIDTH, _LABEL, _BAR, _STEP = 720, 150, 460, 24


def svg(report: Report) -> str:
    names = list(report.systems)
    columns = {name: summary(found) for name, found in report.systems.items()}
    parts = []
    top = 54
    for row, heading, note in PANELS:
        values = {name: _measured(columns[name][row]) for name in names}
        most = max((value for value in values.values() if value is not None), default=0) or 1
        parts.append(
            f'<text x="16" y="{top}"><tspan class="heading">{escape(heading)}</tspan>'
            f'<tspan class="small" dx="10">{escape(note)}</tspan></text>'
        )
        for number, name in enumerate(names):
            parts += _bar(name, values[name], most, top + 12 + number * _STEP, ours=number == 0)
        top += 12 + len(names) * _STEP + 30
    where = report.place
    foot = f"{where['date']}, commit {where['commit']}, {where['processor']}, {where['cores']} cores"
    height = top - 30
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}"'
            f' viewBox="0 0 {_WIDTH} {height}">',
            "<style>text{font:13px sans-serif;fill:#333}.heading{font-weight:bold}",
            ".small{font-size:11px;fill:#666}</style>",
            f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
            f'<text x="16" y="24" class="small">{escape(foot)}</text>',
            *parts,
            "</svg>\n",
        ]
    )


def _measured(value: float | None) -> float | None:
    return None if value is None or isnan(value) else value


def _bar(name: str, value: float | None, most: float, top: int, *, ours: bool) -> list[str]:
    length = 0 if value is None else max(1, round(_BAR * max(0.0, value) / most))
    number = "not measured" if value is None else shown(value)
    return [
        f'<text x="16" y="{top + 14}">{escape(name)}</text>',
        f'<rect x="{_LABEL}" y="{top}" width="{length}" height="18" fill="{"#2a6f97" if ours else "#b8c4cc"}"/>',
        f'<text x="{_LABEL + length + 6}" y="{top + 14}">{number}</text>',
    ]
