"""Plots as SVG: what is drawn is where the numbers are, and nothing points outside."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import numpy as np
import pytest

from detector.evaluation.counts import CountRows
from detector.evaluation.curves import Curve
from detector.evaluation.plots import Line, count_svg, kinds_svg, precision_recall_svg

SVG = "{http://www.w3.org/2000/svg}"
NAME = "a <b> & $x$"


def curve_plot() -> str:
    recall = np.linspace(0.0, 0.8, 20_000)
    curve = Curve(scores=1 - recall, precision=1 - recall / 2, recall=recall, n_truth=9)
    return precision_recall_svg([Line("IoU 0.5", curve, (0.5, 0.75))], NAME)


def counts_plot() -> str:
    true = np.array([0.0, 4.0, 4.0, 16.0])
    counted = np.array([0.0, 1.0, 1.0, 9.0])
    return count_svg(CountRows(true, counted, np.arange(4), 4), NAME)


def kinds_plot() -> str:
    return kinds_svg({"duplicate": 5, "background": 20, "missed": 0}, NAME)


PLOTS = pytest.mark.parametrize("plot", [curve_plot, counts_plot, kinds_plot])


@PLOTS
def test_a_plot_stands_in_a_page_and_alone(plot: Callable[[], str]) -> None:
    svg = plot()
    root = ET.fromstring(svg)  # noqa: S314 - made here
    assert svg.startswith("<svg ")
    assert root.tag == f"{SVG}svg"
    assert set(re.findall(r"https?://[^\"\s<]+", svg)) == {"http://www.w3.org/2000/svg"}
    assert NAME in [text.text for text in root.iter(f"{SVG}text")]
    assert svg == plot()  # no clock, no chance


def group(svg: str, start: str) -> list[ET.Element]:
    root = ET.fromstring(svg)  # noqa: S314 - made here
    return [g for g in root.iter(f"{SVG}g") if g.get("id", "").startswith(start)]


def points(path: ET.Element) -> np.ndarray:
    numbers = re.findall(r"(-?[\d.]+) (-?[\d.]+)", path.get("d", ""))
    return np.array(numbers, float)


def test_the_curve_runs_from_corner_to_corner_of_its_numbers() -> None:
    svg = curve_plot()
    (frame,) = (points(g[0]) for g in group(svg, "patch_2"))
    (x0, y1), (x1, y0) = frame.min(axis=0), frame.max(axis=0)
    # grid lines run along one axis only
    lines = [points(path) for g in group(svg, "line2d") for path in g.iter(f"{SVG}path")]
    curve = next(line for line in lines if len(line) and np.ptp(line, axis=0).min() > 60)
    assert len(curve) < 500  # of 20,000
    assert curve[0] == pytest.approx((x0, y1), abs=0.01)
    assert curve[-1] == pytest.approx((x0 + 0.8 * (x1 - x0), y0 - 0.6 * (y0 - y1)), abs=0.01)


def test_counts_lie_on_square_root_axes() -> None:
    svg = counts_plot()
    (frame,) = (points(g[0]) for g in group(svg, "patch_2"))
    (x0, y1), (x1, y0) = frame.min(axis=0), frame.max(axis=0)
    rings = [points(dot) for g in group(svg, "PathCollection") for dot in g.iter(f"{SVG}path")]
    placed = np.array([(ring.min(axis=0) + ring.max(axis=0)) / 2 for ring in rings])
    sizes = [np.ptp(ring[:, 0]) for ring in rings]
    assert sizes[1] == pytest.approx(sizes[0] * 4 / 2.5, rel=1e-3)  # of two images
    share = (placed - (x0, y0)) / (x1 - x0, y1 - y0)
    assert share == pytest.approx(np.array([(0, 0), (0.5, 0.25), (1, 0.75)]), abs=1e-4)
    texts = {text.text for text in ET.fromstring(svg).iter(f"{SVG}text")}  # noqa: S314
    assert {"0", "1", "4", "9", "16"} <= texts


def test_bars_are_as_long_as_their_numbers() -> None:
    svg = kinds_plot()
    bars = [points(g[0]) for number in (3, 4, 5) for g in group(svg, f"patch_{number}")]
    widths = [np.ptp(bar[:, 0]) for bar in bars]
    assert widths[0] / widths[1] == pytest.approx(5 / 20, abs=1e-4)
    assert widths[2] == 0
    texts = [text.text for text in ET.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314
    assert {"5", "20", "0", "duplicate", "background", "missed"} <= set(texts)
