"""Points on two axes, drawn as an SVG that needs no library. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 380
HEIGHT: Final = 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 40, 48
_COLOURS: Final = ("#2a6f97", "#c1440e", "#4f772d", "#7b2d8b", "#b8860b", "#444444")
_STYLE: Final = (
    "text{font:12px sans-serif;fill:#333}.heading{font-weight:bold}.number{font-size:10px}"
    "line{stroke:#ddd}.axis{stroke:#777}"
)


@dataclass(frozen=True, slots=True)
class Panel:
    """One drawing: a point (x, y) for each of the chart's names, or None where there is none to draw."""

    heading: str
    across: str
    up: str
    points: tuple[tuple[float, float] | None, ...]


def svg(panels: Sequence[Panel], names: Sequence[str]) -> str:
    """The panels side by side, and under them the names of the points by their numbers, from 1."""
    width = WIDTH * len(panels)
    height = HEIGHT + 18 * len(names) + 16
    size = f'width="{width}" height="{height}"'
    parts = [part for place, panel in enumerate(panels) for part in _panel(panel, place * WIDTH)]
    for number, name in enumerate(names, 1):
        y = HEIGHT + 18 * number
        parts.append(f'<circle cx="24" cy="{y - 4}" r="5" fill="{_colour(number)}"/>')
        parts.append(f'<text x="36" y="{y}">{number}  {escape(name)}</text>')
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width} {height}">',
            f"<style>{_STYLE}</style>",
            f'<rect {size} fill="#fff"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _panel(panel: Panel, left: int) -> list[str]:
    drawn = [point for point in panel.points if point is not None]
    most_across, most_up = _most(x for x, _ in drawn), _most(y for _, y in drawn)
    middle = left + (_LEFT + WIDTH - _RIGHT) // 2
    parts = [
        f'<text x="{left + _LEFT}" y="22" class="heading">{escape(panel.heading)}</text>',
        f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">{escape(panel.across)}</text>',
        f'<text transform="translate({left + 14} {(_TOP + HEIGHT - _BOTTOM) // 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(panel.up)}</text>",
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts += _grid(left, share, most_across * share, most_up * share)
    for number, point in enumerate(panel.points, 1):
        if point is not None:
            parts += _point(_x(left, point[0] / most_across), _y(point[1] / most_up), number)
    if not drawn:
        parts.append(f'<text x="{middle}" y="{HEIGHT // 2}" text-anchor="middle">nothing measured</text>')
    return parts


def _grid(left: int, share: float, across: float, up: float) -> list[str]:
    x, y = _x(left, share), _y(share)
    kind = ' class="axis"' if share == 0 else ""
    return [
        f'<line x1="{x:.1f}" y1="{_y(0):.1f}" x2="{x:.1f}" y2="{_y(1):.1f}"{kind}/>',
        f'<line x1="{_x(left, 0):.1f}" y1="{y:.1f}" x2="{_x(left, 1):.1f}" y2="{y:.1f}"{kind}/>',
        f'<text x="{x:.1f}" y="{HEIGHT - _BOTTOM + 16}" text-anchor="middle" class="number">{across:g}</text>',
        f'<text x="{left + _LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" class="number">{up:g}</text>',
    ]


def _point(x: float, y: float, number: int) -> list[str]:
    return [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{_colour(number)}"/>',
        f'<text x="{x + 7:.1f}" y="{y - 5:.1f}" class="number">{number}</text>',
    ]


def _x(left: int, share: float) -> float:
    return left + _LEFT + share * (WIDTH - _LEFT - _RIGHT)


def _y(share: float) -> float:
    return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)


def _colour(number: int) -> str:
    return _COLOURS[(number - 1) % len(_COLOURS)]


def _most(values: Iterable[float]) -> float:
    """A round number of four steps that none of the values passes."""
    most = max(values, default=0.0) or 1.0
    step = 10.0 ** math.floor(math.log10(most / 4))
    return next(4.0 * step * times for times in (1, 2, 2.5, 5, 10) if 4 * step * times >= most * (1 - 1e-9))
