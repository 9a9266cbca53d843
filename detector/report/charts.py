"""The report's charts as files: PNG and SVG, in the colours of the page."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import matplotlib.dates as mdates
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from detector.activity.plots import style_dates
from detector.files import atomic_path, file_part, prepare_folder
from detector.report.findings import CHANGE_KINDS
from detector.report.page import MOST_BARS
from detector.report.words import Words

INK: Final = {"ship": "#0b62a8", "container_stack": "#a4430a"}  # as in page.css
GREY: Final = "#5b5b55"
SIZE_INCHES: Final = (7.5, 3.0)
ROW_INCHES: Final = 0.26
TIMELINE_INCHES: Final = 0.45
LANE: Final = 0.3  # of a row, between two bars of one zone
UNSEEN: Final = "#dedbd2"
EDGE_SHARE: Final = 0.03  # of the time, before the first look and after the last one
LEAST_EDGE_DAYS: Final = 0.5
DPI: Final = 120
POINTS_AN_INCH: Final = 72.0
ASIDE_POINTS: Final = 16.0  # of a mark beside another of one date
# marker, its fill, and how far above the row; in the order in which they are drawn
CHANGE_MARKS: Final[Mapping[str, tuple[str, str, float]]] = {
    "gone": ("v", INK["container_stack"], 0.22),
    "appeared": ("^", INK["container_stack"], 0.42),
    "shrunk": ("v", "white", 0.22),
    "grown": ("^", "white", 0.42),
}
WHOLE_MARKS: Final = ("estimate", "found", "human")  # of dates that showed all of a zone
ENDINGS: Final = (".png", ".svg")
LONGEST_STEM: Final = 80
UNITS: Final = {"count": "y_ships", "stacks": "y_stacks", "area": "y_area", "teu": "y_teu"}

OTHER_SCRIPTS: Final = ("Noto Sans CJK KR", "Noto Sans CJK JP", "Noto Sans Arabic", "Noto Sans")

Point = Mapping[str, Any]


def save_charts(folder: Path, document: Mapping[str, Any], words: Words) -> list[Path]:
    """Draw the timeline, every chart of the document, and the visits of sites that have some.

    Names of files are a number and what of the site's and zone's names is fit for a file's name.

    Raises:
        OutputError: the folder cannot be written.
    """
    prepare_folder(folder, mark=True)
    paths = []
    there = set(font_manager.get_font_names())
    fonts = ["DejaVu Sans", *(name for name in OTHER_SCRIPTS if name in there)]
    for number, (name, figure) in enumerate(_figures(document, words), start=1):
        stem = f"{number:02d}-{file_part(name, LONGEST_STEM)}"
        # text stays text in SVG: the reader's own fonts show names of any script
        settings: dict[Any, Any] = {
            "svg.fonttype": "none",
            "svg.hashsalt": stem,
            "font.family": fonts,
        }
        for ending in ENDINGS:
            path = folder / f"{stem}{ending}"
            # no date and no random ids: the same chart gives the same bytes
            with (
                atomic_path(path) as temporary,
                mpl.rc_context(settings),
                warnings.catch_warnings(),
            ):
                # without a font for a name's script the PNG shows boxes; the SVG has the name
                warnings.filterwarnings("ignore", message="Glyph")
                metadata = {"Software": None} if ending == ".png" else {"Date": None}
                figure.savefig(temporary, dpi=DPI, metadata=metadata)
            paths.append(path)
    return paths


def draw_timeline(document: Mapping[str, Any], words: Words) -> Figure:
    """All zones of all sites: dates with what was seen, ships, changes of stacks, and links.

    Args:
        document: of the report.
        words: of the page.
    """
    timeline = document["timeline"]
    places, height = _rows(timeline)
    inches = max(SIZE_INCHES[1], height * TIMELINE_INCHES + 1.2)
    figure, axes = _figure(inches, 2.0)
    for at, row in enumerate(timeline["unseen"]):
        place = places[row["site"], row["zone"]]
        axes.fill_between(
            [_day(row, "from"), _day(row, "to")], place - 0.45, place + _lanes_high(timeline, row),
            facecolor=UNSEEN, edgecolor=GREY, hatch="////", linewidth=0, alpha=0.35,
            gid=f"unseen-{at}",
        )  # fmt: skip
    edges = _edges(timeline)
    for at, bar in enumerate(timeline["visits"]):
        place = places[bar["site"], bar["zone"]] + LANE * bar["lane"] - 0.15
        _draw_bar(axes, bar, place, edges, f"visit-{at}")
    _mark_changes(axes, timeline["changes"], places)
    for row in timeline["looks"]:
        base = places[row["site"], row["zone"]] + _lanes_high(timeline, row)
        fill = GREY if row["shows"] == "whole" else "white"
        mark = "x" if row["shows"] == "nothing" else "o"
        axes.plot([_day(row)], [base], mark, mec=GREY, mfc=fill, markersize=4)
    for link in timeline["links"]:
        ends = [link["from"], link["to"]]
        days = [_day(end, "last_day") for end in ends]
        heights = [places[end["site"], end["zone"]] - 0.3 for end in ends]
        axes.plot(days, heights, "--", color=INK["container_stack"], linewidth=1)
    axes.set_xlim(*edges)
    names = [f"{_plain(site, 14)}: {_plain(zone, 16)}" for site, zone in places]
    axes.set_yticks(list(places.values()), names, fontsize=7)
    axes.set_ylim(height - 0.4, -0.7)
    _title(axes, words.say("headings.timeline"))
    ship, stack = INK["ship"], INK["container_stack"]
    for key, mark, ink, fill in (
        ("ship_bar", "o-", ship, ship),
        ("ship_other", "o-", ship, "white"),
        ("bounds", "-", ship, ship),
        ("broken", ":", ship, ship),
        ("appeared", "^", stack, stack),
        ("gone", "v", stack, stack),
        ("grown", "^", stack, "white"),
        ("shrunk", "v", stack, "white"),
        ("link", "--", stack, stack),
        ("whole", "o", GREY, GREY),
        ("partial", "o", GREY, "white"),
        ("unobserved", "x", GREY, GREY),
    ):
        axes.plot([], [], mark, color=ink, mfc=fill, ms=4, label=words.say(f"legend.{key}"))
    axes.xaxis.get_offset_text().set_fontsize(7)
    figure.legend(frameon=False, fontsize=6, loc="lower left", ncols=5, columnspacing=1.0)
    return figure


def draw_series(chart: Mapping[str, Any], words: Words) -> Figure:
    """A chart of a zone over time: intervals where claimed, gaps where unseen.

    Args:
        chart: of `series.zone_charts`.
        words: of the page.
    """
    ink = INK[chart["class"]]
    figure, axes = _figure(SIZE_INCHES[1])
    points: Sequence[Point] = chart["points"]
    for point in points:
        if point["low"] is not None:
            low, high = point["low"], point["high"]
            axes.vlines([_day(point)], low, high, color=ink, alpha=0.32, linewidth=6)
    seen = [p["value"] if p["mark"] in WHOLE_MARKS else float("nan") for p in points]
    axes.plot([_day(p) for p in points], seen, color=ink, linewidth=1.4)
    marks: dict[str, dict[str, Any]] = {
        "estimate": {"marker": "o", "color": ink},
        "found": {"marker": "o", "markeredgecolor": ink, "markerfacecolor": "white"},
        "human": {"marker": "s", "color": ink},
        "partial": {"marker": "^", "markeredgecolor": ink, "markerfacecolor": "white"},
        "unseen": {"marker": "x", "markeredgecolor": GREY},
    }
    names = {
        "estimate": "estimate",
        "found": "found",
        "human": "human",
        "partial": "at_least",
        "unseen": "nothing",
    }
    for mark, look in marks.items():
        mine = [p for p in points if p["mark"] == mark]
        if mine:
            values = [p["value"] or 0.0 for p in mine]
            label = words.say(f"legend.{names[mark]}")
            axes.plot([_day(p) for p in mine], values, ls="", markersize=6, label=label, **look)
    for at, day in enumerate(chart["changes"]):
        name = "_" if at else words.say("legend.change")  # matplotlib's word for no label
        axes.axvline(_day({"day": day}), color=ink, ls=":", lw=1, label=name)
    axes.set_ylim(bottom=0)
    axes.set_ylabel(words.say(f"chart.{UNITS[chart['measure']]}"), fontsize=8)
    _title(axes, chart["title"])
    axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(0, -0.1), ncols=4)
    return figure


def draw_visits(document: Mapping[str, Any], site: Mapping[str, Any], words: Words) -> Figure:
    """The visits of a site, one bar a row, as in the timeline.

    Args:
        document: of the report.
        site: of its sites.
        words: of the page.
    """
    timeline = document["timeline"]
    mine = [bar for bar in timeline["visits"] if bar["site"] == site["name"]]
    bars = mine[:MOST_BARS]
    figure, axes = _figure(max(SIZE_INCHES[1] / 2, ROW_INCHES * len(bars) + 0.9), 2.0)
    edges = _edges(timeline)
    for place, bar in enumerate(bars):
        _draw_bar(axes, bar, place, edges, f"visit-{place}")
    names = [f"{_plain(bar['zone'], 18)}  {bar['length_short']}" for bar in bars]
    axes.set_yticks(range(len(bars)), names, fontsize=7)
    axes.set_xlim(*edges)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    _title(axes, f"{site['name']}: {words.say('headings.visits').lower()}")
    if len(mine) > len(bars):
        text = words.say("visit.bars_cut", shown=len(bars), n=len(mine))
        axes.set_xlabel(text, fontsize=7, loc="left")
    return figure


def _draw_bar(axes: Axes, bar: Point, place: float, edges: tuple[float, float], name: str) -> None:
    """One visit: solid where it was seen, broken where a look does not show it, open at its ends.

    Ends are thin: from the look before the first sight, or the picture's edge where it was there on
    the first look, and dotted where it is doubtful that it came or went then.
    """
    ink = INK["ship"]
    fill = ink if bar["counted"] else "white"
    ends = (
        ("came", _day(bar, "not_before") or edges[0], _day(bar, "first_seen"), bar["arrival"]),
        ("went", _day(bar, "last_seen"), _day(bar, "not_after") or edges[1], bar["departure"]),
    )
    for word, first, last, how in ends:
        style = ":" if how == "undecided" else "-"
        axes.plot([first, last], [place] * 2, style, color=ink, lw=0.8, gid=f"{name}-{word}")
    for at, days in enumerate(bar["broken"]):
        both = [_day({"day": day}) for day in days]
        axes.plot(both, [place] * 2, ":", color=ink, lw=1.6, gid=f"{name}-broken-{at}")
    for at, days in enumerate(bar["solid"]):
        both = [_day({"day": day}) for day in days]
        axes.plot(
            both, [place] * 2, color=ink, lw=5, solid_capstyle="round", gid=f"{name}-solid-{at}"
        )
        if not bar["counted"]:
            axes.plot(both, [place] * 2, color="white", lw=3, solid_capstyle="round")
    seen = [_day({"day": day}) for day in bar["seen"]]
    axes.plot(seen, [place] * len(seen), "o", mec=ink, mfc=fill, ms=4, gid=f"{name}-seen")


def _rows(timeline: Mapping[str, Any]) -> tuple[dict[tuple[str, str], float], float]:
    """Where each zone's first lane is drawn, and the height of all, in rows."""
    places: dict[tuple[str, str], float] = {}
    height = 0.0
    for row in timeline["rows"]:
        places[row["site"], row["zone"]] = height
        height += 0.8 + _lanes_high(timeline, row)
    return places, height


def _lanes_high(timeline: Mapping[str, Any], row: Point) -> float:
    """How far below a zone's first lane its looks are drawn."""
    lanes = [
        bar["lane"]
        for bar in timeline["visits"]
        if (bar["site"], bar["zone"]) == (row["site"], row["zone"])
    ]
    return 0.2 + LANE * max(lanes, default=0)


def _edges(timeline: Mapping[str, Any]) -> tuple[float, float]:
    """First and last day of the picture."""
    days = [_day(look) for look in timeline["looks"]]
    room = max((max(days) - min(days)) * EDGE_SHARE, LEAST_EDGE_DAYS)
    return min(days) - room, max(days) + room


def _figures(document: Mapping[str, Any], words: Words) -> Iterator[tuple[str, Figure]]:
    yield "timeline", draw_timeline(document, words)
    for site in document["sites"]:
        for chart in site["charts"]:
            name = f"{site['name']}-{chart['zone']}-{chart['measure']}"
            yield name, draw_series(chart, words)
        if site["visits"]:
            yield f"{site['name']}-visits", draw_visits(document, site, words)


def _mark_changes(
    axes: Axes, changes: Sequence[Point], places: Mapping[tuple[str, str], float]
) -> None:
    """Changes of stacks with their numbers; what grew or shrank beside what came or went."""
    order, ink = list(CHANGE_MARKS), INK["container_stack"]
    taken: set[tuple[float, float]] = set()
    for row in sorted(changes, key=lambda row: order.index(CHANGE_KINDS[row["event"]])):
        mark, fill, above = CHANGE_MARKS[CHANGE_KINDS[row["event"]]]
        at = _day(row, "last_day"), places[row["site"], row["zone"]] - above
        aside = ASIDE_POINTS / POINTS_AN_INCH if at in taken else 0.0
        moved = axes.transData + ScaledTranslation(aside, 0, axes.figure.dpi_scale_trans)
        axes.plot(*at, mark, color=ink, mfc=fill, markersize=5, transform=moved)
        axes.annotate(f"  {row['number']}", at, xycoords=moved, fontsize=6, va="center")
        taken.add(at)


def _figure(height: float, left_inches: float = 0.7) -> tuple[Figure, Axes]:
    # fixed margins: a layout that is computed draws every figure twice
    figure = Figure(figsize=(SIZE_INCHES[0], height))
    above, below, left = 0.35 / height, 0.65 / height, left_inches / SIZE_INCHES[0]
    axes = figure.add_axes((left, below, 0.97 - left, 1 - above - below))
    style_dates(axes)
    return figure, axes


def _title(axes: Axes, text: str) -> None:
    axes.set_title(_plain(text), loc="left", fontsize=10)


def _plain(text: str, most: int = LONGEST_STEM) -> str:
    """A name that matplotlib shows as it is: `$` begins its formulas."""
    short = text if len(text) <= most else text[: most - 1] + "…"
    return short.replace("$", r"\$")


def _day(row: Point, key: str = "day") -> Any:
    value = row[key]
    return mdates.date2num(date.fromisoformat(value)) if value else None  # type: ignore[no-untyped-call]
