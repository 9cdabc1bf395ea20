"""Plots as SVG: lines over a linear or logarithmic axis, and bars; enough for ours, and the same on every machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

__all__ = ["Axis", "bars", "lines"]

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 44, 50
COLOURS = ("#0b6e99", "#c4501b", "#4f7a28", "#7b4fa3", "#8a8a8a")

Point = tuple[float, float]
Span = tuple[float, Sequence[float]]
"""An x, and values there."""


@dataclass(frozen=True)
class Axis:
    """What an axis shows. A logarithmic one needs values above 0."""

    title: str
    logarithmic: bool = False


def lines(
    title: str,
    x: Axis,
    y: Axis,
    series: Mapping[str, Sequence[Point]],
    spans: Mapping[str, Sequence[Span]] | None = None,
) -> str:
    """Points joined by lines; y begins at 0. An upright line joins the least and the most of a span, by its series."""
    spans = spans or {}
    xs = [px for points in series.values() for px, _ in points]
    tops = [max(values) for each in spans.values() for _, values in each]
    most = _nice(max([*tops, *(py for points in series.values() for _, py in points)]))
    low, high = (log10(min(xs)), log10(max(xs))) if x.logarithmic else (min(xs), max(xs))
    if low == high:
        low, high = low - 1, high + 1

    def place(point: Point) -> Point:
        at = log10(point[0]) if x.logarithmic else point[0]
        return (
            LEFT + (at - low) / (high - low) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - point[1] / most * (HEIGHT - TOP - BOTTOM),
        )

    parts = _frame(title, x.title, y.title)
    parts += _grid(most)
    for value in sorted(set(xs)) if len(set(xs)) <= 8 else _steps(low, high):
        at, _ = place((value, 0))
        parts.append(_text(at, HEIGHT - BOTTOM + 16, _short(value), "middle"))
    for colour, (name, points) in zip(COLOURS, series.items(), strict=False):
        for value, of_it in spans.get(name, ()):
            at, low_end = place((value, min(of_it)))
            parts.append(
                f'<path d="M{at:.1f} {low_end:.1f}V{place((value, max(of_it)))[1]:.1f}" stroke="{colour}"/>'
            )
        placed = [place(point) for point in points]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in placed)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if len(placed) <= 12:
            parts += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{colour}"/>' for px, py in placed]
    return _document(parts + _legend(list(series)))


def bars(title: str, y: Axis, values: Mapping[str, float]) -> str:
    """A bar a name, with its value above it; the axis begins at 0, or one decade below the least when logarithmic."""
    least = floor(log10(min(value for value in values.values() if value > 0))) if y.logarithmic else 0
    most = max(least + 1, ceil(log10(max(values.values())))) if y.logarithmic else _nice(max(values.values()))
    parts = _frame(title, "", y.title)
    width = (WIDTH - LEFT - RIGHT) / len(values)
    for n, (name, value) in enumerate(values.items()):
        share = (log10(max(value, 10**least)) - least) / (most - least) if y.logarithmic else value / most
        height = share * (HEIGHT - TOP - BOTTOM)
        at, top = LEFT + (n + 0.5) * width, HEIGHT - BOTTOM - height
        parts.append(
            f'<rect x="{at - width * 0.32:.1f}" y="{top:.1f}" width="{width * 0.64:.1f}" height="{height:.1f}" '
            f'fill="{COLOURS[0]}"/>'
        )
        parts.append(_text(at, top - 5, _short(value), "middle"))
        for row, word in enumerate(name.split(", ")):
            parts.append(_text(at, HEIGHT - BOTTOM + 16 + 13 * row, word, "middle"))
    return _document(parts)


def _frame(title: str, x: str, y: str) -> list[str]:
    return [
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="18" font-size="14" font-weight="bold">{escape(title)}</text>',
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x, "middle"),
        f'<text transform="translate(16 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escape(y)}</text>',
        f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" fill="none" stroke="#444444"/>',
    ]


def _grid(most: float) -> list[str]:
    parts = []
    for n in range(1, 5):
        at = HEIGHT - BOTTOM - n / 4 * (HEIGHT - TOP - BOTTOM)
        parts.append(f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>')
        parts.append(_text(LEFT - 6, at + 4, _short(most * n / 4), "end"))
    return parts


def _legend(names: list[str]) -> list[str]:
    if len(names) < 2:
        return []
    parts, at = [], float(LEFT)
    for colour, name in zip(COLOURS, names, strict=False):
        parts.append(f'<rect x="{at:.1f}" y="27" width="10" height="10" fill="{colour}"/>')
        parts.append(_text(at + 14, 36, name, "start"))
        at += 30 + 6.5 * len(name)
    return parts


def _document(parts: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="11" fill="#222222">\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _steps(low: float, high: float) -> list[float]:
    return [low + (high - low) * n / 5 for n in range(6)]


def _nice(value: float) -> float:
    """The next of 1, 2, 4, 5, 8 times a power of ten, so that quarters of it read well."""
    if value <= 0:
        return 1.0
    power: float = 10.0 ** floor(log10(value))
    return next(step * power for step in (1, 2, 4, 5, 8, 10) if step * power >= value)


def _short(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:.3g} M"
    return f"{value:,.0f}" if value >= 10 else f"{value:.3g}"
