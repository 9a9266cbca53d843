"""Plots of activity, as functions that return figures."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import matplotlib.dates as mdates
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from detector.activity.find import Activity
from detector.activity.looks.lengths import length_in_short
from detector.activity.series import headline
from detector.counting.counts import ALL_LENGTHS, seen_whole
from detector.files import atomic_path, prepare_folder

BLUE, ORANGE, GREY = "#1f6fb2", "#c4591b", "#8a8a8a"  # told apart with red-green blindness
SIZE_INCHES = (8.0, 3.2)
DPI = 120
WRAP_COLUMNS = 115
MAX_BARS = 60  # visits in one picture
UNFIT = re.compile(r"[^\w.-]+")


def plot_series(activity: Activity, site: str, zone: str, class_name: str = "ship") -> Figure:
    """The counts of a zone over time: intervals where calibrated, gaps where unseen.

    Args:
        activity: as `trace_activity` gives it.
        site: name.
        zone: name.
        class_name: `ship` (the headline lengths) or `container_stack`.
    """
    name = headline(activity.min_length_m) if class_name == "ship" else ALL_LENGTHS
    table = activity.tables["series"]
    rows = table[
        (table["site"] == site)
        & (table["zone"] == zone)
        & (table["class"] == class_name)
        & (table["length_class"] == name)
    ]
    figure, axes = _figure()
    days = pd.to_datetime(rows["day"])
    counts = pd.to_numeric(rows["count"])
    shown = zip(rows["status"], rows["observed_fraction"], strict=True)
    full = pd.Series([seen_whole(*pair) for pair in shown], rows.index, bool)
    seen = counts.notna()
    low = pd.to_numeric(rows["count_low"])
    if low.notna().any():
        high = pd.to_numeric(rows["count_high"])
        axes.vlines(days, low, high, color=BLUE, alpha=0.4, linewidth=5, label="90 % interval")
    axes.plot(days, counts.where(full), "o-", color=BLUE, markersize=5, label="counted")
    part = seen & ~full
    if part.any():
        axes.plot(days[part], counts[part], "^", color=ORANGE, label="seen in part: found there")
    if (~seen).any():
        axes.plot(days[~seen], [0] * int((~seen).sum()), "x", color=GREY, label="not seen")
    for at, day in enumerate(_change_days(activity, site, zone, class_name)):
        axes.axvline(day, color=BLUE, ls=":", lw=1, label=None if at else "new level")  # type: ignore[arg-type]
    axes.set_ylim(bottom=0)
    what = f"ships {name.replace('>=', '≥ ')}" if class_name == "ship" else "container stacks"
    axes.set_title(f"{site}, {zone}: {what}", loc="left", fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    return figure


def _change_days(activity: Activity, site: str, zone: str, class_name: str) -> list[pd.Timestamp]:
    table = activity.tables["trends"]
    mine = (table["site"] == site) & (table["zone"] == zone) & (table["class"] == class_name)
    rows = table[mine & (table["of"] == "count")]
    return [pd.Timestamp(day) for days in rows["change_days"] for day in days]


def plot_visits(activity: Activity, site: str, zone: str) -> Figure:
    """The visits to a zone as bars from the first to the last day on which each ship was seen."""
    table = activity.tables["visits"]
    rows = table[(table["site"] == site) & (table["zone"] == zone)].head(MAX_BARS)
    figure, axes = _figure(max(SIZE_INCHES[1], 0.28 * len(rows) + 1.2))
    for place, row in enumerate(rows.to_dict("records")):
        first, last = (mdates.date2num(row[key]) for key in ("first_seen", "last_seen"))  # type: ignore[no-untyped-call]
        axes.plot([first, last], [place, place], "o-", color=BLUE, linewidth=4, markersize=5)
        axes.annotate(
            length_in_short(row), (last, place), (6, -3), textcoords="offset points", size=8
        )
    axes.set_yticks([])
    axes.invert_yaxis()
    periods = activity.tables["periods"]
    sentence = periods[(periods["site"] == site) & (periods["zone"] == zone)]["sentence"]
    said = "\n".join(textwrap.fill(text, WRAP_COLUMNS) for text in sentence)
    axes.set_title(f"{site}, {zone}: visits seen", loc="left", fontsize=10)
    axes.set_xlabel(said, fontsize=7, loc="left")
    return figure


def save_plots(activity: Activity, folder: Path) -> list[Path]:
    """Draw the series of every zone and the visits of every zone that has some.

    Raises:
        OutputError: the folder cannot be written.
    """
    prepare_folder(folder, mark=True)
    paths = []
    zones = activity.tables["looks"][["site", "zone", "kind"]].drop_duplicates()
    visited = set(activity.tables["visits"][["site", "zone"]].itertuples(index=False, name=None))
    for number, (site, zone, kind) in enumerate(zones.itertuples(index=False, name=None), start=1):
        stem = f"{number:02d}-{UNFIT.sub('_', f'{site}-{zone}')[:80]}"
        class_name = "container_stack" if kind in ("yard", "railhead") else "ship"
        figures = {"series": plot_series(activity, site, zone, class_name)}
        if (site, zone) in visited:
            figures["visits"] = plot_visits(activity, site, zone)
        for name, figure in figures.items():
            path = folder / f"{stem}-{name}.png"
            with atomic_path(path) as temporary:
                figure.savefig(temporary, dpi=DPI, metadata={"Software": None})
            paths.append(path)
    return paths


def _figure(height: float = SIZE_INCHES[1]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(SIZE_INCHES[0], height), layout="constrained")
    axes = figure.add_subplot()
    style_dates(axes)
    return figure, axes


def style_dates(axes: Axes) -> None:
    """Dates along x, whole numbers along y, no frame above and right."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8)
    locator = mdates.AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
