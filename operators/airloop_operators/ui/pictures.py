"""Small pictures as inline SVG: no script, no library, readable in light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 460, 96
#: Room for the labels at the left and below.
LEFT, BOTTOM, TOP = 40, 18, 8


@dataclass(frozen=True)
class Point:
    """A value on a day; ``words`` appear under the pointer."""

    label: str
    value: float
    words: str


@dataclass(frozen=True)
class Bar:
    """A night's count; ``kind`` is its colour's name."""

    label: str
    count: int
    kind: str
    words: str


def curve(points: Sequence[Point], promised: float | None = None) -> str:
    """A line through the points, and a dashed one at what was promised; empty without points."""
    if not points:
        return ""
    values = [point.value for point in points] + ([promised] if promised is not None else [])
    low, high = min(values), max(values)
    margin = (high - low) * 0.15 or 0.01
    low, high = low - margin, high + margin

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    xs = _positions(len(points))
    path = " ".join(f"{x:.1f},{y(point.value):.1f}" for x, point in zip(xs, points, strict=True))
    parts = [_scale(f"{value:.2f}", y(value)) for value in (low + margin, high - margin)]
    if promised is not None:
        at = f"{y(promised):.1f}"
        parts.append(f'<line class="promised" x1="{LEFT}" x2="{WIDTH}" y1="{at}" y2="{at}"/>')
    parts.append(f'<polyline class="curve" points="{path}"/>')
    parts += [
        f'<circle class="dot" cx="{x:.1f}" cy="{y(point.value):.1f}" r="2.5">'
        f"<title>{escape(point.words)}</title></circle>"
        for x, point in zip(xs, points, strict=True)
    ]
    return _picture(parts, points[0].label, points[-1].label, f"from {values[0]:.3f}")


def bars(nights: Sequence[Bar]) -> str:
    """A bar a night; a night on which nothing moved stays a hairline, so that one sees it was looked at."""
    if not nights:
        return ""
    tallest = max(1, *(night.count for night in nights))
    room = HEIGHT - TOP - BOTTOM
    width = min(18.0, (WIDTH - LEFT) / len(nights) * 0.7)
    parts = [_scale(str(tallest), TOP), _scale("0", HEIGHT - BOTTOM)]
    for x, night in zip(_positions(len(nights)), nights, strict=True):
        height = max(2.0, room * night.count / tallest)
        left = min(max(x - width / 2, LEFT), WIDTH - width)
        parts.append(
            f'<rect class="{escape(night.kind)}" x="{left:.1f}" y="{HEIGHT - BOTTOM - height:.1f}" '
            f'width="{width:.1f}" height="{height:.1f}" rx="1"><title>{escape(night.words)}</title></rect>'
        )
    return _picture(parts, nights[0].label, nights[-1].label, "drifted features per night")


def _positions(count: int) -> list[float]:
    room = WIDTH - LEFT - 12
    return [
        LEFT + 6 + (room * (index / (count - 1)) if count > 1 else room / 2)
        for index in range(count)
    ]


def _scale(text: str, y: float) -> str:
    return f'<text class="scale" x="{LEFT - 6}" y="{y + 3:.1f}" text-anchor="end">{escape(text)}</text>'


def _picture(parts: Sequence[str], first: str, last: str, words: str) -> str:
    base = HEIGHT - 4
    ends = [f'<text class="scale" x="{LEFT}" y="{base}">{escape(first)}</text>']
    if last != first:
        ends.append(
            f'<text class="scale" x="{WIDTH}" y="{base}" text-anchor="end">{escape(last)}</text>'
        )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(words)}">'
        f"{''.join([*parts, *ends])}</svg>"
    )
