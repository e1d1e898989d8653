"""The figures as bars, in an SVG that needs no library."""

from html import escape
from typing import Final

from bench.media.found import Report, summary

PANELS: Final = (
    ("overhead p50", "Voice to voice, overhead (ms, less is better)"),
    ("barge-in p50", "Barge-in (ms, less is better)"),
    ("CPU ms / session s", "CPU ms per session-second (less is better)"),
    ("callers on a core", "Callers on one core (more is better)"),
)
_WIDTH, _LABEL, _BAR, _STEP = 720, 150, 460, 24


def svg(report: Report) -> str:
    names = list(report.systems)
    columns = {name: summary(found) for name, found in report.systems.items()}
    parts = []
    top = 50
    for row, heading in PANELS:
        values = {name: columns[name][row] for name in names}
        most = max((value for value in values.values() if value is not None), default=0) or 1
        parts.append(f'<text x="16" y="{top}" class="heading">{escape(heading)}</text>')
        for number, name in enumerate(names):
            parts += _bar(name, values[name], most, top + 12 + number * _STEP, ours=number == 0)
        top += 12 + len(names) * _STEP + 32
    where = report.place
    foot = f"{where['date']}, commit {where['commit']}, {where['processor']}, {where['cores']} cores"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{top}" viewBox="0 0 {_WIDTH} {top}">',
            "<style>text{font:13px sans-serif;fill:#333}.heading{font-weight:bold}",
            ".foot{font-size:11px;fill:#777}</style>",
            f'<rect width="{_WIDTH}" height="{top}" fill="#fff"/>',
            f'<text x="16" y="22" class="foot">{escape(foot)}</text>',
            *parts,
            "</svg>\n",
        ]
    )


def _bar(name: str, value: float | None, most: float, top: int, *, ours: bool) -> list[str]:
    length = 0 if value is None else max(1, round(_BAR * max(0.0, value) / most))
    number = "not measured" if value is None else f"{value:.0f}"
    return [
        f'<text x="16" y="{top + 14}">{escape(name)}</text>',
        f'<rect x="{_LABEL}" y="{top}" width="{length}" height="18" fill="{"#2a6f97" if ours else "#b8c4cc"}"/>',
        f'<text x="{_LABEL + length + 6}" y="{top + 14}">{number}</text>',
    ]
