"""Plots as SVG text: precision and recall, counts against truth, errors by kind."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from detector.evaluation.counts import CountRows
from detector.evaluation.curves import Curve

SIDE_PX: Final = 392.0
PX_AN_INCH: Final = 96.0  # of CSS; matplotlib counts in points, 72 an inch
COLOURS: Final = ("#1f6fb2", "#c4591b", "#3a8f4d", "#7d4fa3")  # told apart with red-green blindness
TICKS: Final = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
DOT_PX, DOUBLE_PX = 2.5, 1.5  # radius of one image, and what each doubling adds
STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "quaywatch",  # the same plot has the same bytes
    "text.parse_math": False,  # a dollar in a name is a dollar
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
}
NO_METADATA: Final = dict.fromkeys(("Creator", "Date", "Format", "Type"))  # no clock, no addresses


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
    with mpl.rc_context(STYLE):
        figure, axes = _square(title, "recall", "precision")
        for line, colour in zip(lines, cycle(COLOURS), strict=False):
            axes.plot(line.curve.recall, line.curve.precision, color=colour, label=line.name)
            if line.mark is not None:
                axes.plot(*line.mark, "o", color=colour, clip_on=False)
        axes.set(xlim=(0, 1), ylim=(0, 1), xticks=TICKS, yticks=TICKS)
        axes.legend(loc="lower left", frameon=False)
        return _svg(figure)


def count_svg(rows: CountRows, title: str) -> str:
    """Counted over true objects, on square-root axes; larger dots are more images."""
    top = max(float(rows.true.max(initial=1)), float(rows.counted.max(initial=1)), 1.0)
    images = Counter(zip(rows.true.tolist(), rows.counted.tolist(), strict=True))
    pairs = np.array(sorted(images), float).reshape(-1, 2)
    radii_px = DOT_PX + DOUBLE_PX * np.log2([images[true, counted] for true, counted in pairs])
    areas_pt2 = (2.0 * radii_px * 72.0 / PX_AN_INCH) ** 2
    with mpl.rc_context(STYLE):
        figure, axes = _square(title, "true", "counted")
        axes.set_xscale("function", functions=(_root, np.square))
        axes.set_yscale("function", functions=(_root, np.square))
        axes.plot((0, top), (0, top), color="#888888", linestyle="--")
        axes.scatter(
            pairs[:, 0], pairs[:, 1], s=areas_pt2, color=COLOURS[0], alpha=0.55, clip_on=False
        )
        ticks, labels = top * TICKS**2, [f"{top * tick * tick:.0f}" for tick in TICKS]
        axes.set(xlim=(0, top), ylim=(0, top))
        axes.set_xticks(ticks, labels)
        axes.set_yticks(ticks, labels)
        return _svg(figure)


def kinds_svg(numbers: Mapping[str, int], title: str) -> str:
    """Horizontal bars, one a kind."""
    with mpl.rc_context(STYLE):
        figure, axes = _figure(22.0 * len(numbers) + 50.0)
        bars = axes.barh([*numbers], [*numbers.values()], color=COLOURS[1])
        axes.bar_label(bars, padding=3)
        axes.set_title(title)
        axes.invert_yaxis()
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        axes.grid(visible=False)
        axes.margins(x=0.12)  # room for the numbers
        return _svg(figure)


def _square(title: str, x_name: str, y_name: str) -> tuple[Figure, Axes]:
    figure, axes = _figure(SIDE_PX)
    axes.set(xlabel=x_name, ylabel=y_name, title=title)
    return figure, axes


def _figure(height_px: float) -> tuple[Figure, Axes]:
    """A figure of its own: pyplot would keep it, and pick a screen."""
    size = (SIDE_PX / PX_AN_INCH, height_px / PX_AN_INCH)
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.add_subplot()


def _root(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.maximum(values, 0.0)))


def _svg(figure: Figure) -> str:
    """The drawing without the head of an XML file, so that it stands inside a page too."""
    content = io.StringIO()
    figure.savefig(content, format="svg", metadata=NO_METADATA)
    text = content.getvalue()
    text = text[text.index("<svg") :].strip()
    # names of SVG 2: nothing in a page points anywhere but to the namespace of SVG
    return text.replace("xlink:href", "href").replace(
        ' xmlns:xlink="http://www.w3.org/1999/xlink"', ""
    )
