"""A plot with two logarithmic axes, as SVG, by hand: it needs no library and looks the same everywhere."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 860, 520
LEFT, RIGHT, TOP, BOTTOM = 80, 230, 56, 56
COLOURS = ("#b3261e", "#8a5a00", "#6750a4", "#0b6e4f", "#1565c0", "#00838f")
_LABEL_GAP = 17


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class _Axis:
    """Whole powers of ten from `low` to `high`, over pixels from `start` to `end`."""

    low: int
    high: int
    start: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float) -> "_Axis":
        low, high = math.floor(math.log10(min(values)) + 1e-9), math.ceil(math.log10(max(values)) - 1e-9)
        return cls(low, max(high, low + 1), start, end)

    def place(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self.low, self.high + 1)]


def draw(lines: Sequence[Line], *, title: str, x_label: str, y_label: str) -> str:
    """A line a design, named at its right end. Every value must be above 0."""
    values = [point for line in lines for point in line.points] or [(1.0, 1.0)]
    across = _Axis.over([x for x, _ in values], LEFT, WIDTH - RIGHT)
    up = _Axis.over([y for _, y in values], HEIGHT - BOTTOM, TOP)
    space = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
    parts = [
        f'<svg {space} font-family="sans-serif" font-size="13" role="img" aria-label="{escape(title)}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 28, title, size=16, weight="bold"),
        *_grid(across, up),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_label, anchor="middle"),
        _text(LEFT - 10, TOP - 12, y_label, anchor="end"),
    ]
    ends = _spread([up.place(line.points[-1][1]) for line in lines])
    for number, (line, end) in enumerate(zip(lines, ends, strict=True)):
        parts += _line(line, across, up, COLOURS[number % len(COLOURS)], end)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _grid(across: _Axis, up: _Axis) -> list[str]:
    parts = []
    for value in across.ticks():
        x = across.place(value)
        parts += [_rule(x, up.start, x, up.end), _text(x, up.start + 20, _number(value), anchor="middle")]
    for value in up.ticks():
        y = up.place(value)
        parts += [_rule(across.start, y, across.end, y), _text(across.start - 10, y + 4, _number(value), anchor="end")]
    return parts


def _line(line: Line, across: _Axis, up: _Axis, colour: str, label_at: float) -> list[str]:
    places = [(across.place(x), up.place(y)) for x, y in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    x, y = places[-1]
    shown = _number(line.points[-1][1])
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places),
        f'<path d="M{x + 5:.1f} {y:.1f} L{x + 16:.1f} {label_at:.1f}" stroke="{colour}" fill="none"/>',
        _text(x + 20, label_at + 4, f"{line.name}: {shown}", colour=colour),
    ]


def _spread(places: Sequence[float]) -> list[float]:
    """Where labels go: at their lines' ends, moved down where they would lie on each other."""
    result = list(places)
    lowest = -math.inf
    for index in sorted(range(len(places)), key=lambda index: places[index]):
        result[index] = lowest = max(places[index], lowest + _LABEL_GAP)
    return result


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#d5d5d5"/>'


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    size: int = 13,
    weight: str = "normal",
    colour: str = "#222222",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
        f'fill="{colour}">{escape(text)}</text>'
    )


def _number(value: float) -> str:
    for limit, suffix in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:g}{suffix}"
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"  # noqa: PLR2004
