"""Plots as SVG text: precision and recall, counts against truth, errors by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from detector.evaluation.counts import CountRows
from detector.evaluation.curves import Curve

SIDE: Final = 300.0  # of the plotting area, user units
MARGIN: Final = 46.0
COLOURS: Final = ("#1f6fb2", "#c4591b", "#3a8f4d", "#7d4fa3")  # told apart with red-green blindness
MAX_POINTS: Final = 400
TICKS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Line:
    """One precision-recall curve.

    Attributes:
        name: for the legend.
        curve: the points.
        mark: `(recall, precision)` at the thresholds of the card, or None.
    """

    name: str
    curve: Curve
    mark: tuple[float, float] | None = None


def precision_recall_svg(lines: Sequence[Line], title: str) -> str:
    """Precision over recall, both from 0 to 1; the dot is where objects are counted."""
    parts = _frame(title, "recall", "precision", ["0", ".25", ".5", ".75", "1"])
    for index, line in enumerate(lines):
        colour = COLOURS[index % len(COLOURS)]
        step = _thinned(len(line.curve.recall))
        points = _points(line.curve.recall[step], line.curve.precision[step])
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        if line.mark is not None:
            x, y = _place(*line.mark)
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>')
        x = MARGIN + index * SIDE / len(lines)
        parts.append(f'<text x="{x:.0f}" y="38" fill="{colour}">{escape(line.name)}</text>')
    return _svg(parts)


def count_svg(rows: CountRows, title: str) -> str:
    """Counted over true objects, on square-root axes; larger dots are more images."""
    top = max(float(rows.true.max(initial=1)), float(rows.counted.max(initial=1)), 1.0)
    labels = [f"{top * tick * tick:.0f}" for tick in TICKS]
    x0, y0 = _place(0, 0)
    x1, y1 = _place(1, 1)
    parts = [f'<path d="M{x0} {y0} L{x1} {y1}" stroke="#888" stroke-dasharray="4 4"/>']
    pairs = Counter(zip(rows.true.tolist(), rows.counted.tolist(), strict=True))
    for (true, counted), images in sorted(pairs.items()):
        x, y = _place((true / top) ** 0.5, (counted / top) ** 0.5)
        radius = 2.5 + 1.5 * np.log2(images)
        words = f"{images} images: true {true:g}, counted {counted:g}"
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{COLOURS[0]}" '
            f'fill-opacity="0.55"><title>{words}</title></circle>'
        )
    # The frame lies above: a large bubble at zero would hide its numbers.
    return _svg([*parts, *_frame(title, "true", "counted", labels)])


def kinds_svg(numbers: Mapping[str, int], title: str) -> str:
    """Horizontal bars, one a kind."""
    top = max([*numbers.values(), 1])
    height = 22 * len(numbers) + 40
    parts = [f'<text x="{MARGIN}" y="18" font-weight="600">{escape(title)}</text>']
    for index, (name, value) in enumerate(numbers.items()):
        y = 30 + 22 * index
        width = 210.0 * value / top
        parts.append(f'<text x="106" y="{y + 13}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect x="112" y="{y}" width="{width:.1f}" height="17" fill="{COLOURS[1]}"/>')
        parts.append(f'<text x="{118 + width:.1f}" y="{y + 13}">{value}</text>')
    return _svg(parts, height)


def _frame(title: str, x_name: str, y_name: str, labels: Sequence[str]) -> list[str]:
    middle, bottom = MARGIN + SIDE / 2, MARGIN + SIDE
    parts = [
        f'<text x="{MARGIN}" y="20" font-weight="600">{escape(title)}</text>',
        f'<text x="{middle}" y="{bottom + 36}" text-anchor="middle">{x_name}</text>',
        f'<text transform="translate(13 {middle}) rotate(-90)" text-anchor="middle">'
        f"{y_name}</text>",
    ]
    for tick, label in zip(TICKS, labels, strict=True):
        x, y = _place(tick, tick)
        parts += [
            f'<path d="M{x} {MARGIN} V{bottom} M{MARGIN} {y} H{MARGIN + SIDE}" stroke="#ddd"/>',
            f'<text x="{x}" y="{bottom + 17}" text-anchor="middle">{label}</text>',
            f'<text x="{MARGIN - 6}" y="{y + 4}" text-anchor="end">{label}</text>',
        ]
    return parts


def _svg(parts: Sequence[str], height: float = SIDE + 2 * MARGIN) -> str:
    width = SIDE + 2 * MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" font-family="system-ui, sans-serif" '
        f'font-size="12" fill="#222"><rect width="100%" height="100%" fill="#fff"/>'
        + "".join(parts)
        + "</svg>"
    )


def _place(x: float, y: float) -> tuple[float, float]:
    return round(MARGIN + x * SIDE, 1), round(MARGIN + (1 - y) * SIDE, 1)


def _points(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    pairs = (_place(float(a), float(b)) for a, b in zip(x, y, strict=True))
    return " ".join(f"{a},{b}" for a, b in pairs)


def _thinned(count: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, MAX_POINTS)).astype(np.int64))
