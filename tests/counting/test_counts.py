"""Counts: exact numbers, exact fractions, and what is not known stays null."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from detector.counting.calibration import Calibration
from detector.counting.counts import (
    BLOCK_COLUMNS,
    COUNT_COLUMNS,
    JOINED_COUNTS,
    GatheredCounts,
    Seen,
    count_scene,
    counts_table,
    find_status,
    measure_seen,
    measure_seen_scene,
)
from detector.counting.draws import LoneModel, unpack_draws
from detector.counting.intervals import estimate_of, quantiles_of
from detector.counting.zones import Zone, assign_to_zones
from detector.detections import Detections
from detector.geometry.boxes import corners_from_xywhr
from detector.prediction.headline import interval_notes
from detector.scenes.scene import Scene, open_scene
from detector.scenes.types import CloudOption, SceneOptions
from tests.counting.make import SHIP, STACK, make_detections
from tests.counting.models import calibration, count_model
from tests.scenes.rasters import gradient, write_raster

WIDTH, HEIGHT = 400, 300


@contextmanager
def open_made(
    folder: Path,
    *,
    valid: NDArray[np.bool_] | None = None,
    cloud: NDArray[np.bool_] | None = None,
    clouds: CloudOption = "auto",
    **profile: Any,
) -> Iterator[Scene]:
    """A scene whose valid and clouded pixels are known exactly."""
    values = gradient(WIDTH, HEIGHT)
    if valid is not None:
        values[:, ~valid] = 0
        profile["nodata"] = 0
    path = write_raster(folder / "scene.tif", values, **profile)
    if cloud is not None:
        write_raster(folder / "scene_cloud.tif", cloud[None].astype(np.uint8))
    with open_scene(path, SceneOptions(clouds=clouds)) as scene:
        yield scene


def zone(*bounds: float, name: str = "A", kind: str = "berth") -> Zone:
    return Zone(name, kind, shapely.box(*bounds))


def cell(table: pd.DataFrame, **where: str) -> pd.Series[Any]:
    """The one row that matches."""
    chosen = table
    for column, value in where.items():
        chosen = chosen[chosen[column.removesuffix("_")] == value]
    assert len(chosen) == 1
    return chosen.iloc[0]


# --- which zone


def test_the_centre_decides_and_the_border_is_inside() -> None:
    boxes = corners_from_xywhr(
        np.array(
            [
                (50, 50, 200, 10, 0),  # reaches far out of A, but its centre is inside
                (100, 50, 10, 10, 0),  # on the border of A and B
                (110, 50, 60, 10, 0),  # mostly in A, centre in B
                (500, 500, 10, 10, 0),  # nowhere
            ],
            float,
        )
    )
    zones = (zone(0, 0, 100, 100), zone(100, 0, 200, 100), zone(40, 40, 60, 60))
    members = [index.tolist() for index in assign_to_zones(boxes, zones)]
    assert members == [[0, 1], [1, 2], [0]]


def test_nothing_in_nothing() -> None:
    none = make_detections().corners
    assert assign_to_zones(none, ()) == []
    assert [index.tolist() for index in assign_to_zones(none, (zone(0, 0, 1, 1),))] == [[]]
    empty = Zone("far away", "zone", shapely.MultiPolygon())
    one = corners_from_xywhr(np.array([(5, 5, 4, 2, 0)], float))
    assert [index.tolist() for index in assign_to_zones(one, (empty,))] == [[]]


coordinate = st.integers(-40, 40)
triangles = st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=7)


@given(
    st.lists(st.tuples(coordinate, coordinate), max_size=25),
    st.lists(st.tuples(triangles, triangles), max_size=5),
)
def test_membership_is_that_of_brute_force(
    points: list[tuple[int, int]], rings: list[tuple[Any, Any]]
) -> None:
    boxes = corners_from_xywhr(np.array([(x, y, 6, 2, 0.0) for x, y in points]).reshape(-1, 5))
    shapes = [
        shapely.union(*(shapely.convex_hull(shapely.MultiPoint(ring)) for ring in pair))
        for pair in rings
    ]
    zones = tuple(Zone(str(i), "zone", shape) for i, shape in enumerate(shapes))
    expected = [
        [i for i, (x, y) in enumerate(points) if shape.intersects(shapely.Point(x, y))]
        for shape in shapes
    ]
    assert [index.tolist() for index in assign_to_zones(boxes, zones)] == expected


# --- what was seen


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ((0, 0, 400, 300), 0.75),  # the right quarter is nodata
        ((0, 0, 300, 300), 1.0),
        ((300, 0, 400, 300), 0.0),
        ((280, 10, 320, 20), 0.5),
        ((299, 10, 301, 12), 0.5),  # four pixels
        ((299.75, 10, 300.25, 11), 0.5),  # half of a pixel
        ((-100, 0, 100, 300), 0.5),  # half of it beyond the scene
        ((-300, -300, 700, 900), 0.075),  # 300 x 300 of 1000 x 1200
        ((-1e6, 0, 300, 300), 300 / 1_000_300),
        ((500, 0, 600, 100), 0.0),  # beside the scene
        ((400, 0, 500, 100), 0.0),  # touches its edge
    ],
)
def test_seen_fractions_are_exact(
    tmp_path: Path, bounds: tuple[float, float, float, float], expected: float
) -> None:
    valid = np.zeros((HEIGHT, WIDTH), np.bool_)
    valid[:, :300] = True
    with open_made(tmp_path, valid=valid) as scene:
        (seen,) = measure_seen(scene, [zone(*bounds)])
    assert seen.fraction == pytest.approx(expected, abs=1e-9)
    assert not seen.cloud_known


def test_slanted_zones_are_sampled(tmp_path: Path) -> None:
    """A triangle over a half-valid scene: 3/4 of its area is left of the cut (by hand)."""
    valid = np.zeros((HEIGHT, WIDTH), np.bool_)
    valid[:, :100] = True
    with open_made(tmp_path, valid=valid) as scene:
        triangle = Zone("A", "yard", shapely.Polygon([(0, 0), (200, 0), (0, 200)]))
        assert measure_seen(scene, [triangle])[0].fraction == pytest.approx(0.75, abs=0.005)


def test_large_zones_are_sampled(tmp_path: Path) -> None:
    """Zones over the grid's 1,024 cells a side, by every third pixel or so."""
    values = gradient(3000, 2000, bands=1)
    values[:, :, 1111:] = 0
    path = write_raster(tmp_path / "large.tif", values, nodata=0)
    with open_scene(path) as scene:
        seen = measure_seen(scene, [zone(0, 0, 3000, 2000), zone(1000, 0, 6000, 2000)])
    assert seen[0].fraction == pytest.approx(1111 / 3000, abs=1 / 1024)
    assert seen[1].fraction == pytest.approx(111 / 5000, abs=1 / 1024)


def test_parts_and_holes_of_zones(tmp_path: Path) -> None:
    valid = np.zeros((HEIGHT, WIDTH), np.bool_)
    valid[:, :200] = True
    ring = shapely.box(100, 100, 300, 200).difference(shapely.box(250, 120, 290, 180))
    both = shapely.MultiPolygon([shapely.box(0, 0, 50, 50), shapely.box(350, 0, 400, 50)])
    with open_made(tmp_path, valid=valid) as scene:
        seen = measure_seen(scene, [Zone("ring", "zone", ring), Zone("both", "zone", both)])
    assert seen[0].fraction == pytest.approx(10_000 / 17_600, abs=1e-9)
    assert seen[1].fraction == pytest.approx(0.5, abs=1e-9)


def test_a_hair_of_a_zone_is_measured(tmp_path: Path) -> None:
    """A zone thinner than a cell of the grid holds no cell's centre."""
    with open_made(tmp_path) as scene:
        hair = Zone("wall", "quay", shapely.LineString([(3, 3), (390, 250)]).buffer(1e-4))
        assert measure_seen(scene, [hair])[0].fraction == pytest.approx(1.0)


def test_clouds_are_unseen(tmp_path: Path) -> None:
    cloud = np.zeros((HEIGHT, WIDTH), np.bool_)
    cloud[:100] = True
    with open_made(tmp_path, cloud=cloud) as scene:
        seen = measure_seen(scene, [zone(0, 0, 400, 200), zone(0, 100, 400, 300)])
        whole = measure_seen_scene(scene)
    assert [part.fraction for part in seen] == pytest.approx([0.5, 1.0], abs=1e-9)
    assert whole == Seen(pytest.approx(2 / 3, abs=1e-3), cloud_known=True)
    assert all(part.cloud_known for part in seen)


def test_an_empty_collar_is_not_seen(tmp_path: Path) -> None:
    """A sensor's own pixels without data are no sight of the ground."""
    valid = np.zeros((HEIGHT, WIDTH), np.bool_)
    valid[50:250, 50:350] = True
    with open_made(tmp_path, valid=valid) as scene:
        seen = measure_seen_scene(scene)
    assert seen.fraction == pytest.approx(200 * 300 / (HEIGHT * WIDTH))
    assert find_status(seen, True) == "partial"


@pytest.mark.parametrize(
    ("fraction", "cloud_known", "in_range", "status"),
    [
        (0.0, True, False, "unobserved"),
        (0.0, False, None, "unobserved"),
        (0.5, False, None, "scale_unknown"),
        (1.0, True, None, "scale_unknown"),
        (0.5, True, False, "outside_model_range"),
        (1.0, True, False, "outside_model_range"),
        (0.97999, True, True, "partial"),
        (0.5, False, True, "partial"),
        (0.98, True, True, "observed"),
        (1.0, True, True, "observed"),
        (0.98, False, True, "cloud_unknown"),
        (1.0, False, True, "cloud_unknown"),
    ],
)
def test_the_gravest_status_is_told(
    fraction: float, cloud_known: bool, in_range: bool | None, status: str
) -> None:
    assert find_status(Seen(fraction, cloud_known), in_range) == status


# --- counts


def some_detections() -> Detections:
    """Pixels of 0.5 m; ships of 20, 50, 100, 100 and 180 m, three stacks, one of them on a ship."""
    return make_detections(
        [
            (SHIP, 50, 50, 40, 10, 0.0),
            (SHIP, 150, 50, 100, 20, 0.3),
            (SHIP, 120, 150, 200, 30, 0.0),
            (SHIP, 300, 150, 200, 30, 0.0),
            (SHIP, 200, 250, 360, 40, 0.0),
            (STACK, 50, 20, 24, 10, 0.0),
            (STACK, 350, 20, 48, 20, 0.0),
            (STACK, 200, 250, 24, 10, 0.0),
        ],
        on_ship=[7],
    )


def test_numbers_of_a_scene_and_its_zones(tmp_path: Path) -> None:
    cloud = np.zeros((HEIGHT, WIDTH), np.bool_)
    zones = [zone(0, 0, 200, 200, name="west"), zone(200, 0, 400, 200, name="east", kind="yard")]
    zones.append(zone(0, 210, 20, 220, name="empty"))
    with open_made(tmp_path, cloud=cloud) as scene:
        table, areas = count_scene(scene, some_detections(), zones, in_model_range=True)

    assert tuple(table.columns) == COUNT_COLUMNS
    assert len(table) == 4 * 7
    assert set(table["status"]) == {"observed"}
    assert set(table["observed_fraction"]) == {1.0}
    assert [area.name for area in areas] == ["", "west", "east", "empty"]
    assert list(dict.fromkeys(table["zone"])) == ["", "west", "east", "empty"]
    ships = ["all", "<25 m", "25-60 m", "60-150 m", ">=150 m", "unknown"]
    assert table["length_class"].tolist() == [*ships, "all"] * 4
    assert table["class"].tolist() == [*["ship"] * 6, "container_stack"] * 4
    assert table["count"].tolist() == [
        *(5, 1, 1, 2, 1, 0, 2),  # the stack on a ship is not counted
        *(3, 1, 1, 1, 0, 0, 1),
        *(1, 0, 0, 1, 0, 0, 1),
        *(0, 0, 0, 0, 0, 0, 0),
    ]
    # 0.5 m pixels at the central meridian, scale 0.9996: 24 x 10 px are 60 m² on the grid
    stacks = cell(table, zone="west", class_="container_stack")
    assert stacks["area_m2"] == pytest.approx(60 / 0.9996**2, rel=2e-4)
    assert cell(table, zone="empty", class_="container_stack")["area_m2"] == 0.0
    assert stacks["acquired"] == pd.Timestamp("2023-10-13T02:15:07.123456Z")
    assert stacks["kind"] == "berth"


def test_unseen_is_null_and_seen_and_empty_is_zero(tmp_path: Path) -> None:
    valid = np.zeros((HEIGHT, WIDTH), np.bool_)
    valid[:, :200] = True
    zones = [
        zone(0, 200, 100, 300, name="seen and empty"),
        zone(300, 0, 400, 100, name="nodata"),
        zone(5000, 0, 5100, 100, name="elsewhere"),
        Zone("no place", "zone", shapely.MultiPolygon()),
        zone(100, 100, 300, 200, name="half"),
    ]
    with open_made(tmp_path, valid=valid, clouds="clear") as scene:
        table, _ = count_scene(scene, some_detections(), zones, in_model_range=True)
    ships = table[(table["class"] == "ship") & (table["length_class"] == "all")].set_index("zone")
    assert ships["status"].tolist() == [
        *("partial", "observed", "unobserved", "unobserved", "unobserved", "partial")
    ]
    assert ships.loc["seen and empty", "count"] == 0
    for name in ("nodata", "elsewhere", "no place"):
        rows = table[table["zone"] == name]
        assert len(rows) == 7
        assert rows["count"].isna().all()
        assert rows["area_m2"].isna().all()
        assert (rows["observed_fraction"] == 0.0).all()
    # One ship was found in the seen half: the count is that, not twice that.
    assert ships.loc["half", "count"] == 2
    assert ships.loc["half", "observed_fraction"] == pytest.approx(0.5)


def test_outside_the_range_of_the_model(tmp_path: Path) -> None:
    with open_made(tmp_path) as scene:
        table, _ = count_scene(scene, some_detections(), [], in_model_range=False)
    assert set(table["status"]) == {"outside_model_range"}
    for column in ("count", "count_est", "count_low", "count_high", "area_m2"):
        assert table[column].isna().all()
    assert set(table["observed_fraction"]) == {1.0}


@pytest.mark.parametrize("boxes", [some_detections(), make_detections()])
def test_of_an_unknown_scale_no_number_is_told(tmp_path: Path, boxes: Detections) -> None:
    """Neither "0 stacks" nor "100 % seen": nobody knows what size things are."""
    with open_made(tmp_path, crs=None) as scene:
        table, (whole,) = count_scene(scene, boxes, [], in_model_range=None)
    assert (whole.status, whole.told_fraction) == ("scale_unknown", None)
    assert set(table["status"]) == {"scale_unknown"}
    numbers = ("count", "count_est", "count_low", "count_high", "area_m2", "observed_fraction")
    assert len(table) == 7
    for column in numbers:
        assert table[column].isna().all()


def test_ships_of_unknown_length_may_be_of_any_class(tmp_path: Path) -> None:
    found = make_detections(
        [(SHIP, 50, 50, 40, 10, 0.0), (STACK, 90, 90, 20, 10, 0.0)], crs=None, gsd_m=None
    )
    zones = [zone(200, 0, 400, 200, name="empty")]
    with open_made(tmp_path, crs=None) as scene:
        table, _ = count_scene(scene, found, zones, in_model_range=True)
    whole, empty = table[table["zone"] == ""], table[table["zone"] == "empty"]
    assert whole["count"].fillna(-1).tolist() == [1, -1, -1, -1, -1, 1, 1]
    assert whole["area_m2"].isna().all()
    assert empty["count"].tolist() == [0] * 7
    assert empty["area_m2"].tolist() == [0.0] * 7


def test_a_gsd_that_the_user_gave_measures(tmp_path: Path) -> None:
    found = make_detections([(SHIP, 50, 50, 40, 10, 0.0)], crs=None, gsd_m=2.0)
    with open_made(tmp_path, crs=None) as scene:
        table, _ = count_scene(scene, found, [], in_model_range=True)
    row = cell(table, length_class="60-150 m")
    assert row["count"] == 1
    assert row["area_m2"] == pytest.approx(80 * 20)


def test_nothing_found_is_zero_everywhere(tmp_path: Path) -> None:
    with open_made(tmp_path) as scene:
        table, _ = count_scene(scene, make_detections(acquired=None), [], in_model_range=True)
    assert table["count"].tolist() == [0] * 7
    assert table["acquired"].isna().all()
    assert set(table["status"]) == {"cloud_unknown"}


def known_ships(places: int = 40) -> Calibration:
    """Nine boxes of ten are real, nine ships of ten found; stacks were not calibrated."""
    lone = LoneModel(4.0, 0.5, [40.0, 150.0, 400.0])
    return calibration(count_model(0.9, 0.9, 0.3, lone), places)


def test_counts_carry_their_intervals(tmp_path: Path) -> None:
    """Ships of 40 px at 0.5 m are long enough, those of 30 px are not: their limit is 32."""
    valid = np.ones((HEIGHT, WIDTH), np.bool_)
    valid[:, 350:] = False
    lengths = (40, 100, 200, 30)
    found = make_detections([(SHIP, 50, 40 * i + 20, x, 9, 0.0) for i, x in enumerate(lengths)])
    zones = [zone(0, 0, 100, 300, name="seen"), zone(300, 0, 400, 300, name="half")]
    with open_made(tmp_path, valid=valid) as scene:
        table, _ = count_scene(scene, found, zones, True, known_ships())
        few, _ = count_scene(scene, found, zones, True, known_ships(places=5))
        outside, _ = count_scene(scene, found, zones, False, known_ships())
    row = cell(table, zone="seen", class_="ship", length_class="all")
    assert (row["count"], row["left_out"]) == (4, 1)
    drawn = unpack_draws(row["draws"])
    assert row["count_est"] == pytest.approx(drawn.mean())
    quantiles = [row[f"count_q{q}"] for q in ("05", "25", "50", "75", "95")]
    assert quantiles == list(quantiles_of(drawn))
    said = estimate_of(drawn)
    assert (row["count_low"], row["count_high"]) == (said.low, said.high)
    assert row["count_low"] <= 3 <= row["count_high"] <= 6
    without = table[(table["class"] == "container_stack") | (table["zone"] == "half")]
    assert without["count_est"].isna().all()
    assert without["draws"].isna().all()
    short = table[table["length_class"].isin(["<25 m", "unknown"])]
    assert short[["count_low", "count_q50", "draws"]].isna().all().all()
    assert few["count_high"].isna().all()
    assert outside["count_high"].isna().all()


def test_of_a_marina_only_the_least_is_told(tmp_path: Path) -> None:
    """Its zone, and the scene that holds a part of it; berths and stacks beside it are as ever."""
    found = make_detections(
        [(SHIP, 50.0 + 200 * (i % 2), 25.0 * i + 20, 60, 9, 0.0) for i in range(11)]
    )
    parts = [(0, 0, 200, 300), (200, 0, 400, 300)]
    tables = {}
    with open_made(tmp_path, clouds="clear") as scene:
        for kind in ("berth", "marina"):
            west, east = (
                zone(*bounds, name=name, kind=k)
                for bounds, name, k in zip(parts, ("west", "east"), ("berth", kind), strict=True)
            )
            tables[kind], _ = count_scene(scene, found, [west, east], True, known_ships())
        away = zone(900, 0, 999, 99, name="away", kind="marina")
        outside, _ = count_scene(scene, found, [away], True, known_ships())
    ships = {"class_": "ship", "length_class": "all"}
    for name in ("", "west", "east"):
        said, least = (cell(tables[kind], zone=name, **ships) for kind in ("berth", "marina"))
        assert said["count"] == least["count"]
        if name == "west":
            assert least["draws"] == said["draws"]
            continue
        assert least["count_low"] == quantiles_of(unpack_draws(said["draws"]))[0] > 0
        for column in ("count_est", "count_high", "count_q05", "count_q95", "draws"):
            assert pd.isna(least[column])
            assert not pd.isna(said[column])
    assert not pd.isna(cell(outside, zone="", **ships)["count_high"])
    notes = interval_notes(tables["marina"])
    low = {name: cell(tables["marina"], zone=name, **ships)["count_low"] for name in ("", "east")}
    words = "a marina, whose boats are missed too often for an interval: at least"
    assert notes[-2:] == [
        f"ship: the scene holds {words} {low['']}",
        f"ship: east is {words} {low['east']}",
    ]
    assert not any(note.startswith("ship: counts have no intervals") for note in notes)


def test_parts_and_totals_come_from_the_same_draws(tmp_path: Path) -> None:
    """Two zones share the scene; of each the length classes share all ships."""
    rng = np.random.default_rng(4)
    rows = [
        (SHIP, float(x), float(y), float(length), 9.0, 0.0)
        for x, y, length in zip(
            rng.uniform(0, WIDTH, 60),
            rng.uniform(0, HEIGHT, 60),
            rng.choice([55, 140, 330], 60),
            strict=True,
        )
    ]
    zones = [zone(0, 0, 200, 300, name="west"), zone(200, 0, 400, 300, name="east")]
    with open_made(tmp_path, clouds="clear") as scene:
        table, _ = count_scene(scene, make_detections(rows), zones, True, known_ships())
    ships = table[table["class"] == "ship"]
    draws = {(r["zone"], r["length_class"]): r for _, r in ships.iterrows()}
    whole, west, east = (draws[name, "all"] for name in ("", "west", "east"))
    parts = unpack_draws(west["draws"]) + unpack_draws(east["draws"])
    assert (parts == unpack_draws(whole["draws"])).all()
    assert west["count_est"] + east["count_est"] == pytest.approx(whole["count_est"])
    assert west["count_low"] + east["count_low"] <= whole["count_low"]
    assert whole["count_high"] <= west["count_high"] + east["count_high"]
    for name in ("", "west", "east"):
        classes = [draws[name, key] for key in ("25-60 m", "60-150 m", ">=150 m")]
        total = draws[name, "all"]
        summed = np.sum([unpack_draws(part["draws"]) for part in classes], axis=0)
        gap = unpack_draws(total["draws"]) - summed  # lone ships below 25 m, of 40 px as read
        assert (gap >= 0).all()
        assert gap.mean() < 0.6
        assert sum(part["count_low"] for part in classes) <= total["count_low"]
        assert sum(part["count_est"] for part in classes) <= total["count_est"]


def test_types_hold_without_rows() -> None:
    table = counts_table([])
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == {
        "scene_id": "str",
        "acquired": "datetime64[us, UTC]",
        "zone": "str",
        "kind": "str",
        "class": "str",
        "length_class": "str",
        "count": "Int64",
        "count_est": "float64",
        "count_low": "Int64",
        "count_high": "Int64",
        "count_q05": "Int64",
        "count_q25": "Int64",
        "count_q50": "Int64",
        "count_q75": "Int64",
        "count_q95": "Int64",
        "left_out": "Int64",
        "area_m2": "float64",
        "observed_fraction": "float64",
        "status": "str",
        "gsd_source": "str",
        "acquired_day": "str",
        "acquired_precision": "str",
        **dict.fromkeys(BLOCK_COLUMNS, "float64"),
        "draws": "object",
    }


def test_the_counts_of_a_run_are_kept_in_few_tables() -> None:
    """In their order, with the types of one scene's, however many scenes there are."""
    gathered = GatheredCounts()
    row = dict.fromkeys(COUNT_COLUMNS) | {"status": "observed"}
    for number in range(JOINED_COUNTS * 2 + 3):
        gathered.add(counts_table([{**row, "scene_id": f"s{number}", "count": number}]))
    assert [len(table) for table in gathered.tables] == [JOINED_COUNTS] * 2 + [1] * 3
    joined = pd.concat(gathered.tables, ignore_index=True)
    assert joined.dtypes.equals(counts_table([]).dtypes)
    assert joined["count"].tolist() == list(range(JOINED_COUNTS * 2 + 3))
    assert joined["scene_id"].tolist() == [f"s{number}" for number in range(len(joined))]
