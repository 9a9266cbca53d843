"""A real series against its true ships: `python -m benchmarks.series [--run FOLDER] [--docs]`.

Ten dates of Sentinel-2 off Houston, whose ships were boxed by hand (by AI annotators). Predicts
them with the weights that `auto` takes, or takes a run that is there, traces the activity of four
zones, and holds it against the true ships: the count of each date with its interval, ships that
stayed, and what was not seen. The imagery is no part of the project; predicting takes four minutes
of one core. Says so where it is not there.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from affine import Affine
from pyproj import Transformer

from benchmarks.tables import markdown, put
from detector.activity.find import Activity, trace_activity
from detector.activity.looks.runs import read_runs
from detector.activity.looks.sites import make_site
from detector.activity.options import ActivityConfig
from detector.activity.series import headline
from detector.api.activities import activity_settings
from detector.config.compose import load_config
from detector.counting.zones import zones_of
from detector.models.detector import DetectorSettings, find_card
from detector.prediction.batch import BatchSettings, predict_paths

SERIES: Final = (
    Path(os.environ.get("QUAYWATCH_SHARED", Path(__file__).parents[2] / "shared")) / "data/series"
)
DOCS: Final = Path(__file__).parents[1] / "docs" / "accuracy.md"
CRS: Final = "EPSG:32615"
MOSAIC: Final = Affine(10, 0, 325_200, 0, -10, 3_249_600)
LEAST_M: Final = 60.0
HELD_OUT: Final = ("2019-12-30", "2020-01-04", "2020-01-24")  # of the training of port-s2
NEAR_M: Final = 60.0  # a find and a true ship are one; ships lie farther apart
ROADS: Final = "Bolivar Roads"
OFFSHORE: Final = "Offshore anchorage"
CHANNEL: Final = "Entrance channel"
BETWEEN: Final = "Between"
WATER: Final = (ROADS, OFFSHORE)
STAIR_PX: Final = 180  # the offshore part of the pictures is a stair
# As somebody would draw them in a GIS, in pixels of the mosaic: two anchorages, a part of the
# channel that is seen in part, and water that no date shows.
OUTLINES_PX: Final = {
    ROADS: (
        *((20, 40), (550, 40), (1090, 240), (1240, 240), (1240, 290), (760, 290), (560, 300)),
        *((330, 290), (200, 250), (200, 190), (20, 185)),
    ),
    CHANNEL: ((1000, 200), (1900, 200), (1900, 560), (1000, 560)),
    BETWEEN: ((1300, 600), (1700, 600), (1700, 900), (1300, 900)),
}
# Ships that one eye (an AI annotator's) holds for the same on both dates, of all 24 pairs of true
# boxes that lie within a length of each other: first date, second, longitude and latitude.
STAYED: Final = (
    ("2019-04-09", "2019-04-14", -94.4491, 29.2672),
    ("2019-04-09", "2019-04-14", -94.5581, 29.3187),
    ("2019-04-09", "2019-04-14", -94.5277, 29.2925),
    ("2019-04-09", "2019-04-14", -94.7581, 29.3522),
    ("2019-04-09", "2019-04-14", -94.5877, 29.3218),
    ("2019-09-01", "2019-09-06", -94.5909, 29.3288),
    ("2019-09-01", "2019-09-06", -94.5448, 29.2937),
    ("2019-12-30", "2020-01-04", -94.4613, 29.2657),
)


def main() -> None:
    """Predict or read, trace, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/houston"), help="of the ten scenes")
    parser.add_argument("--docs", action="store_true", help="write the tables into the docs")
    parser.add_argument("--zones", action="store_true", help="print the zones, and stop")
    options = parser.parse_args()
    if options.zones:
        print(zones_table().to_json())
        return
    scenes = sorted(SERIES.glob("houston_*.tif"))
    if not scenes:
        print(f"skipped: no series at {SERIES}; name the folder of real imagery with "
              "QUAYWATCH_SHARED (docs/datasets.md)")  # fmt: skip
        return
    if not (options.run / "run.json").is_file():
        predict_paths(BatchSettings(tuple(map(str, scenes)), options.run, DetectorSettings("auto")))
    zones, activity = zones_table(), trace(options.run)
    truth = read_truth(scenes)
    tables = {
        "houston: counts": counts_table(activity, zones, truth),
        "houston: visits": visits_table(activity, zones, truth),
        "houston: not seen": unseen_table(activity),
    }
    for name, table in tables.items():
        print(f"\n{table}")
        if options.docs:
            put(DOCS, name, table)


def zones_table() -> gpd.GeoDataFrame:
    """The zones, columns `name`, `kind` and geometry."""
    left, right = [], []
    for step in range(6):
        top, bottom = 370 + STAIR_PX * step, 550 + STAIR_PX * step
        west, east = 1810 + STAIR_PX * step, 2710 + STAIR_PX * step
        left += [(west, top), (west, bottom)]
        right += [(east, top), (east, bottom)]
    outlines = {**OUTLINES_PX, OFFSHORE: (*left, *reversed(right))}
    shapes = [shapely.Polygon([MOSAIC @ corner for corner in px]) for px in outlines.values()]
    columns = {"name": list(outlines), "kind": ["anchorage"] * len(outlines)}
    return gpd.GeoDataFrame(columns, geometry=shapes, crs=CRS)


def trace(run: Path) -> Activity:
    """The activity of the run, with the calibration of the weights that read it."""
    site = make_site("Houston", zones_of(zones_table()), "America/Chicago")
    config = load_config("activity", ActivityConfig, ["appearance=false"])
    return trace_activity([site], read_runs([run]), activity_settings(config, find_card("port-s2")))


def read_truth(scenes: Sequence[Path]) -> gpd.GeoDataFrame:
    """True ships of all dates with `day`, their centres as geometry; doubtful ones are marked."""
    parts = []
    for path in scenes:
        day = path.stem.partition("_")[2]
        ships = gpd.read_file(path.with_suffix(".geojson")).to_crs(CRS)
        parts.append(ships.assign(day=day, geometry=ships.geometry.centroid))
    return pd.concat(parts, ignore_index=True)


def counts_table(activity: Activity, zones: gpd.GeoDataFrame, truth: gpd.GeoDataFrame) -> str:
    """One row a date: ships of 60 m and more in both anchorages, and whether intervals held."""
    series = activity.tables["series"]
    series = series[(series["class"] == "ship") & (series["length_class"] == headline(LEAST_M))]
    rows, told, held = [], 0, 0
    for day in sorted(truth["day"].unique()):
        cells = []
        for name in WATER:
            (row,) = series[(series["zone"] == name) & (series["day"].astype(str) == day)].to_dict(
                "records"
            )
            ships = _within(truth[truth["day"] == day], zones, name)
            sure = int((ships["ignore"] == 0).sum())
            claim = "none claimed"
            if pd.notna(row["count_low"]) and pd.notna(row["count_high"]):
                inside = row["count_low"] <= len(ships) and sure <= row["count_high"]
                told, held = told + 1, held + inside
                claim = f"{row['count_low']:.0f} to {row['count_high']:.0f}"
                claim += "" if inside else " (no)"
            cells += [str(sure), f"{row['count']:.0f}", claim]
        rows.append([day + (" *" if day in HELD_OUT else ""), *cells])
    heads = [f"{name}: {what}" for name in WATER for what in ("true", "found", "90 % interval")]
    if told:
        rows.append(["intervals that hold", f"{held} of {told}", *[""] * 5])
    return markdown(["date", *heads], rows)


def visits_table(activity: Activity, zones: gpd.GeoDataFrame, truth: gpd.GeoDataFrame) -> str:
    """Ships that were there over all dates, and those that stayed, by zone."""
    rows = []
    visits = activity.tables["visits"]
    for name in WATER:
        (period,) = (r for r in activity.tables["periods"].to_dict("records") if r["zone"] == name)
        ships = _within(truth, zones, name)
        stayed = [one for one in STAYED if zones.set_index("name").geometry[name].contains(
            shapely.Point(_to_map(one[2:])))]  # fmt: skip
        mine = visits[(visits["zone"] == name) & (visits["looks_seen"] > 1)].to_dict("records")
        found = [one for one in stayed if any(_is_one(one, visit) for visit in mine)]
        sure = [visit for visit in mine if visit["one_ship"]]
        true = [visit for visit in sure if any(_is_one(one, visit) for one in stayed)]
        number = int((ships["ignore"] == 0).sum()) - len(stayed)
        told = f"{period['visits_min']} to {period['visits_seen_max']}"
        apart = f"{period['others_min']}, {period['others_listed']} listed"
        rows.append([
            name, str(number), told, apart, str(len(stayed)), f"{len(found)}",
            f"{len(true)} of {len(sure)}",
        ])  # fmt: skip
    heads = [
        "zone", "true ships, a ship that stayed once", "“at least” to “at most of those found”",
        "told apart, under way", "stayed, by eye", "of them told as such or as doubtful",
        "told as surely one ship, and it is",
    ]  # fmt: skip
    return markdown(heads, rows)


def unseen_table(activity: Activity) -> str:
    """What was seen of every zone, as the activity tells it."""
    looks = activity.tables["looks"]
    rows = []
    for name in (*WATER, CHANNEL, BETWEEN):
        mine = looks[looks["zone"] == name]
        shares = mine["observed_fraction"]
        status = mine["status"].value_counts()
        told = ", ".join(f"{state} on {n}" for state, n in sorted(status.items()))
        rows.append([name, f"{shares.min():.0%} to {shares.max():.0%}", told])
    return markdown(["zone", "seen part", "dates"], rows)


def _within(ships: gpd.GeoDataFrame, zones: gpd.GeoDataFrame, name: str) -> gpd.GeoDataFrame:
    """Ships of 60 m and more whose centre lies in a zone."""
    shape = zones.set_index("name").geometry[name]
    return ships[ships.geometry.within(shape) & (ships["length_m"] >= LEAST_M)]


def _to_map(lonlat: Sequence[float]) -> tuple[float, float]:
    return Transformer.from_crs("EPSG:4326", CRS, always_xy=True).transform(*lonlat)


def _is_one(stayed: tuple[str, str, float, float], visit: Mapping[str, Any]) -> bool:
    """Whether a listed visit is of a ship that stayed: its dates, and its place on the first."""
    days = str(visit["first_seen"]), str(visit["last_seen"])
    away = np.subtract(
        _to_map(stayed[2:]), _to_map((visit["longitude_deg"], visit["latitude_deg"]))
    )
    return days == stayed[:2] and float(np.hypot(*away)) <= NEAR_M


if __name__ == "__main__":
    main()
