"""A ship is at a berth where it lies at its quay: by hand, on rendered water, in the sentences."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyproj import Transformer

from detector.activity.changes.events import ship_events
from detector.activity.errors import ActivityError
from detector.activity.looks.berthing import (
    BANKED_M,
    PARALLEL_DEG,
    QUAY_M,
    SQUARE_DEG,
    at_berth,
    lying,
    may_lie_at,
)
from detector.activity.looks.quays import Quay, facing_land, find_quay, long_edges
from detector.activity.looks.sightings import SeenObjects
from detector.activity.looks.sites import read_site
from detector.activity.looks.wakes import streak
from detector.activity.looks.zone_looks import Look
from detector.activity.visits.bounds import VisitSettings
from detector.activity.visits.linking import LinkSettings
from detector.activity.visits.zone_visits import Lay, how_they_lie, share_occupied, zone_visits
from detector.counting.zones import Zone
from detector.errors import ZonesError
from detector.geometry.boxes import corners_from_xywhr
from detector.geometry.frames import LocalMetres
from tests.scenes.rasters import UTM52

QUAY = np.array([[[0.0, 0.0], [400.0, 0.0]]])  # along x, the water above it
BERTH = Zone("berth 1", "berth", shapely.box(0, -2, 400, 80))
Ship = tuple[float, float, float, float, float]  # centre, length, width, degrees from x
FIRST = datetime(2026, 9, 2, 3, tzinfo=UTC)


def boxes(*ships: Ship) -> LocalMetres:
    rows = np.array(ships, float).reshape(-1, 5)
    rows[:, 4] = np.radians(rows[:, 4])
    return LocalMetres(corners_from_xywhr(rows))


def lie(*ships: Ship, residual_m: float = 0.0, moving: tuple[int, ...] = ()) -> list[str]:
    under_way = np.isin(np.arange(len(ships)), moving)
    return [str(way) for way in lying(boxes(*ships), QUAY, residual_m, under_way)]


def test_a_ship_at_anchor_off_the_quay_is_in_the_zone() -> None:
    """The issue's find: 74 m from the quay, in the berth's zone, once along and once turned."""
    assert lie((200, 74, 110, 18, 0)) == ["in_zone"]
    assert lie((200, 74, 110, 18, 35)) == ["in_zone"]
    assert lie((200, 11, 110, 18, 0)) == ["alongside"]


@pytest.mark.parametrize("turn", [1.0, -1.0, 181.0])
def test_the_angle_decides_at_ten_degrees(turn: float) -> None:
    less, more = PARALLEL_DEG - 0.1, PARALLEL_DEG + 0.1
    half = 180.0 if turn > 180 else 0.0
    sign = np.sign(turn)
    assert lie((200, 12, 120, 20, half + sign * less)) == ["alongside"]
    assert lie((200, 12, 120, 20, half + sign * more)) == ["in_zone"]


def test_the_side_decides_at_twenty_metres_and_the_residual_is_added() -> None:
    assert lie((200, 10 + QUAY_M - 0.1, 120, 20, 0)) == ["alongside"]
    assert lie((200, 10 + QUAY_M + 0.1, 120, 20, 0)) == ["in_zone"]
    assert lie((200, 10 + QUAY_M + 3.9, 120, 20, 0), residual_m=2.0) == ["alongside"]
    assert lie((200, 10 + QUAY_M + 4.1, 120, 20, 0), residual_m=2.0) == ["in_zone"]
    # a tall hull leans over the quay in the picture
    assert lie((200, 4, 120, 20, 0)) == ["alongside"]


def test_the_middle_is_beside_the_line() -> None:
    assert lie((405, 12, 120, 20, 0)) == ["alongside"]
    assert lie((415, 12, 120, 20, 0)) == ["in_zone"]


def test_bow_or_stern_to() -> None:
    assert lie((200, 64, 120, 20, 90)) == ["bow_or_stern_to"]
    assert lie((200, 64, 120, 20, 90 - SQUARE_DEG + 0.1)) == ["bow_or_stern_to"]
    assert lie((200, 64, 120, 20, 90 - SQUARE_DEG - 0.1)) == ["in_zone"]
    assert lie((200, 60 + QUAY_M - 0.1, 120, 20, 90)) == ["bow_or_stern_to"]
    assert lie((200, 60 + QUAY_M + 0.1, 120, 20, 90)) == ["in_zone"]


def test_ships_alongside_others_are_at_the_berth_as_far_as_the_row_goes() -> None:
    row: list[Ship] = [(200, 12, 120, 20, 0), (205, 37, 110, 18, 2), (190, 60, 90, 15, -2)]
    assert lie(*row) == ["alongside", "double_banked", "double_banked"]
    assert lie(*row[::-1]) == ["double_banked", "double_banked", "alongside"]
    assert lie(row[0], row[2]) == ["alongside", "in_zone"]  # the one between has left


def test_the_gap_the_angle_and_the_overlap_of_double_banking() -> None:
    inner: Ship = (200, 12, 120, 20, 0)
    out = 12 + 10 + BANKED_M + 9
    assert lie(inner, (200, out - 0.1, 100, 18, 0))[1] == "double_banked"
    assert lie(inner, (200, out + 0.1, 100, 18, 0))[1] == "in_zone"
    assert lie(inner, (200, out - 4, 100, 18, PARALLEL_DEG + 1))[1] == "in_zone"
    # 50 of 100 m side by side, and 45
    assert lie(inner, (200 + 60, out - 4, 100, 18, 0))[1] == "double_banked"
    assert lie(inner, (200 + 65, out - 4, 100, 18, 0))[1] == "in_zone"


def test_ships_that_lie_together_at_anchor_are_at_no_berth() -> None:
    assert lie((200, 60, 120, 20, 0), (200, 82, 110, 18, 0)) == ["in_zone", "in_zone"]


def test_a_wake_is_no_call_wherever_it_is() -> None:
    assert lie((200, 12, 120, 20, 0), (200, 35, 110, 18, 0), moving=(0,)) == [
        "under_way",
        "in_zone",
    ]


@given(
    st.floats(-180, 180),
    st.floats(-1e4, 1e4),
    st.floats(-1e4, 1e4),
    st.lists(
        st.tuples(
            st.floats(-50, 450), st.floats(-20, 120), st.floats(20, 300), st.floats(5, 50),
            st.floats(0, 360),
        ),
        max_size=6,
    ),
)  # fmt: skip
def test_the_rule_does_not_care_where_north_is(
    turn: float, east: float, north: float, ships: list[Ship]
) -> None:
    """Turning and moving all, or naming the quay's ends the other way, changes nothing."""
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))

    def moved(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(points @ np.array([[cos, sin], [-sin, cos]]) + (east, north))

    corners, still = boxes(*ships), np.zeros(len(ships), np.bool_)
    near = _near_a_limit(corners, still)
    before = lying(corners, QUAY, 0.0, still)
    after = lying(LocalMetres(moved(corners)), moved(QUAY)[:, ::-1], 0.0, still)
    assert near or before.tolist() == after.tolist()


def _near_a_limit(corners: LocalMetres, still: NDArray[np.bool_]) -> bool:
    """Whether a hair's breadth decides: then rounding may."""
    grown = [lying(corners, QUAY, by, still).tolist() for by in (-1e-4, 1e-4)]
    middle = corners.mean(axis=1, keepdims=True)
    for by in (1 - 1e-6, 1 + 1e-6):
        grown.append(lying(LocalMetres((corners - middle) * by + middle), QUAY, 0, still).tolist())
    tilt = np.radians(1e-5)
    for sign in (-1, 1):
        turn = np.array([[1, sign * tilt], [-sign * tilt, 1]])
        turned = LocalMetres((corners - middle) @ turn + middle)
        grown.append(lying(turned, QUAY, 0, still).tolist())
        grown.append(lying(LocalMetres(corners + sign * 1e-4), QUAY, 0, still).tolist())
    return any(item != grown[0] for item in grown)


def test_long_edges_are_the_sides_and_not_the_ends() -> None:
    edges = long_edges(shapely.segmentize(BERTH.shape, 20))
    assert sorted(edges[:, 0, 1].tolist()) == [-2.0, 80.0]
    assert np.hypot(*(edges[:, 1] - edges[:, 0]).T).tolist() == [400.0, 400.0]
    # a quay round a corner has two
    corner = shapely.Polygon([(0, 0), (300, 0), (300, 250), (250, 250), (250, 50), (0, 50)])
    assert len(long_edges(corner)) == 4


def test_the_quay_is_the_side_with_land_behind_it() -> None:
    edges = long_edges(BERTH.shape)
    below = shapely.box(0, -140, 400, -60)
    told = facing_land(edges, below)
    assert edges[told][:, :, 1].tolist() == [[-2.0, -2.0]]
    assert not facing_land(edges, shapely.box(0, -400, 400, -200)).any()  # 198 m behind
    # of both sides of a narrow basin the one with more land behind it
    both = below.union(shapely.box(0, 210, 400, 230))
    assert facing_land(edges, both).tolist() == told.tolist()


def site_with(tmp_path: Path, quays: gpd.GeoDataFrame | None, yard: bool = False) -> Path:
    """A berth of 400 m at the coast, with or without a yard behind it and quay lines."""
    shapes = [shapely.box(500_000, 4_676_998, 500_400, 4_677_080)]
    shapes += [shapely.box(500_000, 4_676_900, 500_400, 4_676_950)] if yard else []
    names = {"name": ["berth 1", "yard 1"][: len(shapes)], "kind": ["berth", "yard"][: len(shapes)]}
    gpd.GeoDataFrame(names, geometry=shapes, crs=UTM52).to_file(tmp_path / "zones.geojson")
    text = "name: port\nzones: zones.geojson\n"
    if quays is not None:
        quays.to_file(tmp_path / "quays.gpkg")
        text += "quays: quays.gpkg\n"
    (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
    return tmp_path / "site.yaml"


def line(name: str, *points: tuple[float, float]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"name": [name]}, geometry=[shapely.LineString(points)], crs=UTM52)


def test_the_quay_line_of_the_site_file_comes_first(tmp_path: Path) -> None:
    ends = (500_010.0, 4_677_010.0), (500_390.0, 4_677_030.0)
    site = read_site(site_with(tmp_path, line("berth 1", *ends), yard=True))
    quay = find_quay(site, site.zones[0], [], {}, {})
    assert quay.source == "site_file"
    to_local = Transformer.from_crs(UTM52, site.frame.crs, always_xy=True)
    expected = np.stack([to_local.transform(*end) for end in ends])
    (segment,) = quay.segments
    assert np.abs(segment - expected).max() < 1e-3
    assert find_quay(site, site.zones[1], [], {}, {}).source == ""


def test_without_a_line_land_tells_and_without_land_nothing_does(tmp_path: Path) -> None:
    site = read_site(site_with(tmp_path, None, yard=True))
    quay = find_quay(site, site.zones[0], [], {}, {})
    assert quay.source == "land"
    assert shapely.LineString(quay.segments[0]).distance(site.zones[1].shape) < 60
    bare = read_site(site_with(tmp_path, None))
    assert find_quay(bare, bare.zones[0], [], {}, {}).source == "unknown"


def test_bad_quay_lines_are_refused(tmp_path: Path) -> None:
    other = line("pier 9", (500_010, 4_677_000), (500_390, 4_677_000))
    with pytest.raises(ActivityError, match=r"the quay line 'pier 9' has the name of no zone"):
        read_site(site_with(tmp_path, other))
    area = gpd.GeoDataFrame({"name": ["berth 1"]}, geometry=[shapely.box(0, 0, 1, 1)], crs=UTM52)
    with pytest.raises(ZonesError, match=r"'berth 1', is Polygon; draw it as a line"):
        read_site(site_with(tmp_path, area))
    nameless = line("", (500_010, 4_677_000), (500_390, 4_677_000))
    with pytest.raises(ZonesError, match=r"has no name; give it that of its zone"):
        read_site(site_with(tmp_path, nameless))


def looks(*dates: list[Ship]) -> list[Look]:
    """Looks of the berth, a day apart."""
    made = []
    for day, ships in enumerate(dates):
        n = len(ships)
        rows = np.array(ships, float).reshape(-1, 5)
        objects = SeenObjects(
            np.array([f"s{day}#{row}" for row in range(n)], np.str_), np.zeros(n, np.int64),
            np.full(n, 0.99), boxes(*ships), rows[:, 2], rows[:, 3], (90 - rows[:, 4]) % 180,
            np.full(n, 0.5),
        )  # fmt: skip
        when = FIRST + timedelta(days=day)
        made.append(Look("berth 1", when.date(), when, (f"s{day}",), 1.0, "observed", 0.5, objects))
    return made


def lay_of(told: list[Look], moving: tuple[str, ...] = (), quay: str = "land") -> Lay:
    by_id = {}
    for look in told:
        ids = look.sightings.ids.tolist()
        ways = lying(look.sightings.corners, QUAY, look.residual_m, np.isin(ids, moving))
        by_id |= dict(zip(ids, ways.tolist(), strict=True))
    return Lay(quay, by_id)  # type: ignore[arg-type]


def sure(ids: NDArray[np.int64], *_: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.full(len(ids), 0.999)


MOORED: Ship = (100, 12, 120, 20, 0)
ANCHORED: Ship = (300, 74, 110, 18, 35)
PASSING: Ship = (250, 50, 90, 15, 4)


def test_only_calls_are_counted_and_the_others_are_told() -> None:
    told = looks([MOORED], [MOORED, ANCHORED], [ANCHORED, PASSING])
    found = zone_visits("port", BERTH, told, VisitSettings(), sure, lay_of(told, ("s2#1",)))
    period = found.period
    assert (period.visits_min, period.visits_seen_max, period.visits_listed) == (1, 1, 1)
    assert (period.others_min, period.others_listed, period.under_way_listed) == (2, 2, 1)
    assert period.sentence.startswith(
        "at least 1 ship ≥ 60 m called at berth 1 between 2 and 4 September 2026; besides, at "
        "least 2 ships ≥ 60 m in its zone but not seen to lie at its quay, 1 under way by a wake; "
        "3 of 3 days"
    )
    assert [(v["lies"], v["counted"]) for v in found.visits] == [
        ("alongside", True), ("in_zone", False), ("under_way", False),
    ]  # fmt: skip
    assert [event["text"].partition(" m ")[2] for event in ship_events(found.visits)] == [
        "at berth 1",
        "in berth 1",
        "under way in berth 1",
    ]
    assert [move["lies"] for move in found.moves if move["visit_id"].endswith("/1")] == [
        "alongside"
    ] * 3
    # as before: every ship in the zone
    every = zone_visits("port", BERTH, told, VisitSettings(), sure, lay_of(told, (), "unknown"))
    assert every.period.visits_min == 3
    assert "at least 3 ships ≥ 60 m were in berth 1" in every.period.sentence
    assert "its quay is not known, so who called at it is not" in every.period.sentence


def test_one_box_that_is_off_does_not_end_a_call() -> None:
    skewed: Ship = (100, 13, 118, 20, PARALLEL_DEG + 2)
    told = looks([MOORED], [skewed], [MOORED])
    found = zone_visits("port", BERTH, told, VisitSettings(), sure, lay_of(told))
    assert (found.period.visits_min, found.period.others_min) == (1, 0)
    (visit,) = found.visits
    assert (visit["lies"], visit["looks_seen"]) == ("alongside", 3)
    assert [move["lies"] for move in found.moves] == ["alongside", "in_zone", "alongside"]


def test_a_berth_is_occupied_by_who_lies_at_it() -> None:
    told = looks([MOORED], [ANCHORED], [], [PASSING, MOORED])
    assert share_occupied(told, lay_of(told), 60.0) == 0.5
    assert share_occupied(told, lay_of(told, (), "unknown"), 60.0) == 0.75
    assert share_occupied(told, lay_of(told), 130.0) == 0.0
    assert share_occupied([], lay_of([]), 60.0) is None


def test_the_only_look_says_who_was_at_the_berth() -> None:
    told = looks([MOORED, ANCHORED])
    found = zone_visits("port", BERTH, told, VisitSettings(), sure, lay_of(told))
    assert found.period.sentence.startswith("1 ship ≥ 60 m at berth 1: only one day can be used")


def test_ships_in_an_anchorage_are_in_it_and_those_with_a_wake_are_told_apart() -> None:
    told = looks([ANCHORED], [ANCHORED, PASSING])
    water = Zone("road", "anchorage", BERTH.shape)
    lay = Lay("", {"s0#0": "in_zone", "s1#0": "in_zone", "s1#1": "under_way"})
    found = zone_visits("port", water, told, VisitSettings(), sure, lay)
    assert found.period.sentence.startswith(
        "at least 1 ship ≥ 60 m was in road between 2 and 3 September 2026 (2 if every doubtful "
        "match was a new ship); besides, at least 1 ship ≥ 60 m under way by a wake; 2 of 2 days"
    )


# a strip of water behind a ship: 33 rows, the ship's line in the middle; 48 columns away from it
def water(seed: int, level: float = 60.0, noise: float = 3.0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(level, noise, (33, 48))


SEEN = np.ones((33, 48), np.bool_)
CELLS = (3, 8)


def test_a_streak_that_fades_is_one() -> None:
    grey = water(1)
    grey[13:20] += np.linspace(30, 0, 48)
    assert (streak(grey, SEEN, CELLS) or 0) > 6


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("one side is land", lambda grey: grey.__setitem__(slice(0, 8), 140)),
        ("a mole far off", lambda grey: grey.__setitem__((slice(13, 20), slice(34, 48)), 150)),
        ("darker", lambda grey: grey.__setitem__(slice(13, 20), 30)),
        ("a patch near the ship", lambda grey: grey.__setitem__((slice(13, 20), slice(0, 10)), 90)),
    ],
)
def test_what_is_no_streak(name: str, change: object) -> None:
    grey = water(2)
    change(grey)  # type: ignore[operator]
    assert streak(grey, SEEN, CELLS) == 0.0, name


def test_flat_water_and_waves_are_no_streak() -> None:
    for seed in range(200):
        waves = water(seed, noise=8.0) + 6 * np.sin(np.arange(48) / (2 + seed % 7))
        assert (streak(waves, SEEN, CELLS) or 0.0) < 3.0, seed
    assert streak(np.full((33, 48), 60.0), SEEN, CELLS) == 0.0


def test_unseen_water_tells_nothing() -> None:
    seen = SEEN.copy()
    seen[:, :4] = False
    assert streak(water(3), seen, CELLS) is None


def test_who_may_lie_at_a_quay_is_not_said_to_lie_off_it() -> None:
    """Beside a ship that was missed; along the other edge; not off the quay, nor turned."""
    rows = boxes((200, 45, 110, 18, 0), (200, 72, 110, 18, 0), (200, 45, 110, 18, 35))
    assert lying(rows, QUAY, 0.0, np.zeros(3, bool)).tolist() == ["in_zone"] * 3
    assert may_lie_at(rows, QUAY, 0.0).tolist() == [True, False, False]
    assert may_lie_at(rows, QUAY, 4.0).tolist() == [True, True, False]
    other = np.concatenate([QUAY, QUAY + np.array([0.0, 78.0])])
    assert may_lie_at(rows, other, 0.0).tolist() == [True, True, False]
    assert may_lie_at(rows, QUAY[:0], 0.0).tolist() == [False, False, False]


@pytest.mark.parametrize(
    ("source", "told"),
    [("site_file", "in_zone"), ("land", "in_zone"), ("pictures", "near_quay"),
     ("unknown", "near_quay")],
)  # fmt: skip
def test_a_guessed_quay_says_of_nobody_that_it_lay_off_it(source: str, told: str) -> None:
    (look,) = looks([ANCHORED])

    class NoWakes:
        def under_way(self, told: list[Look]) -> list[NDArray[np.bool_]]:
            return [np.zeros(len(one.sightings.ids), bool) for one in told]

    quay = Quay(QUAY, source)  # type: ignore[arg-type]
    lay = how_they_lie([look], quay, QUAY, NoWakes())  # type: ignore[arg-type]
    assert lay.of("s0#0") == told


def test_two_boxes_of_one_ship_are_one_visit() -> None:
    """The network told its bow as a ship too, and on the second date two ships as one as well."""
    bow: Ship = (140, 12, 45 + 20, 20, 0)
    told = looks([MOORED, bow], [MOORED])
    found = zone_visits("port", BERTH, told, VisitSettings(), sure, lay_of(told))
    (visit,) = found.visits
    assert visit["length_m"] == pytest.approx(120.0, rel=0.01)
    assert (visit["looks_seen"], visit["one_ship"]) == (2, True)
    beside = looks([MOORED, (100, 34, 120, 20, 0)], [MOORED])
    assert (
        len(zone_visits("port", BERTH, beside, VisitSettings(), sure, lay_of(beside)).visits) == 2
    )


@pytest.mark.parametrize(("stay_days", "sure_match"), [(5.0, True), (1.5, False)])
def test_a_doubtful_match_may_be_two_ships(stay_days: float, sure_match: bool) -> None:
    """Where ships stay for hours, the same length in the same place a day later is no proof."""
    told = looks([MOORED], [(108, 14, 116, 19, 1)])
    settings = VisitSettings(links=LinkSettings(stay_days=stay_days))
    found = zone_visits("port", BERTH, told, settings, sure, lay_of(told))
    (visit,) = [row for row in found.visits if row["looks_seen"] == 2]
    (move,) = [row for row in found.moves if row["day"] == visit["last_seen"]]
    assert visit["one_ship"] == sure_match == (move["state"] == "stayed")
    (event,) = ship_events([visit])
    assert (", or two alike, at berth 1" in event["text"]) != sure_match


def test_at_berth_are_the_three_ways() -> None:
    ways = ["alongside", "bow_or_stern_to", "double_banked", "near_quay", "in_zone", "under_way"]
    assert at_berth(ways).tolist() == [True, True, True, False, False, False]
    assert at_berth([]).tolist() == []
