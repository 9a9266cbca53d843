"""The truth against the pixels: boxes, hulls, shadows, lean, lengths."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from detector.classes import PORT
from detector.geometry.boxes import as_corners, edge_lengths, order_corners
from detector.geometry.geodesy import box_measures
from detector.geometry.windows import PixelWindow
from detector.rendering import (
    LayoutSpec,
    PlaceSpec,
    PortSpec,
    RenderedScene,
    SensorSpec,
    SkySpec,
    TruthObject,
    render,
    render_content,
)
from detector.rendering.canvas import draw, fill_mask
from detector.rendering.cargo import HEIGHT_M, Bays
from detector.rendering.content import Content, PlacedShip
from detector.rendering.georef import scene_frame
from detector.rendering.ship_kinds import build_ship
from detector.rendering.ships import SHIP_KINDS, draw_design
from detector.rendering.site import CoastFrame, PortSite, SiteDraft
from detector.rendering.solids import SolidsBuilder
from detector.rendering.stress import open_water

CALM = SkySpec(sun_elevation_deg=90.0, haze=0.0, wind_ms=0.0, glint=0.0)
STILL = SensorSpec(noise=0.0, blur_px=0.0)
PIXELS = PortSpec(width=400, height=400, gsd_m=0.5, sky=CALM, sensor=STILL)


def changed(
    spec: PortSpec, site: PortSite, content: Content
) -> tuple[NDArray[np.bool_], RenderedScene]:
    """Pixels that the content changes, and the scene with it."""
    full, bare = render_content(spec, site, content, 1), render_content(spec, site, Content(), 1)
    difference = np.abs(full.values.astype(int) - bare.values.astype(int)).max(axis=2)
    return difference > 6, full


def extent_px(mask: NDArray[np.bool_], item: TruthObject) -> NDArray[np.float64]:
    """How far pixels reach beyond each side of a box; negative: they stay inside, `(4,)`."""
    rows, cols = np.nonzero(mask)
    points = np.stack([cols, rows], axis=1) + 0.5
    corners = item.corners
    axis = (corners[1] - corners[0]) / np.hypot(*(corners[1] - corners[0]))
    across = np.array([-axis[1], axis[0]])
    frame = np.stack([axis, across], axis=1)
    inside, box = points @ frame, corners @ frame
    return np.concatenate([box.min(0) - inside.min(0), inside.max(0) - box.max(0)])


@pytest.mark.parametrize("kind", sorted(SHIP_KINDS))
def test_a_ships_pixels_fill_its_box_and_reach_its_sides(kind: str) -> None:
    generator = np.random.default_rng(4)
    length = float(np.clip(150.0, *SHIP_KINDS[kind][0]))
    spec = PIXELS if length > 40 else replace(PIXELS, gsd_m=0.25)
    design = draw_design(generator, kind, length)
    ship = PlacedShip("one", design, np.array(spec.size_m) / 2, 0.6, "anchored")
    mask, scene = changed(spec, open_water(spec, 1), Content((ship,)))
    item = next(item for item in scene.truth if item.class_id == PORT.id("ship"))
    box = fill_mask([item.corners], mask.shape)
    assert (mask & box).sum() >= 0.6 * box.sum()
    assert (mask & ~box).sum() <= 0.03 * box.sum()  # masts and jibs may stand out
    assert abs(extent_px(mask & box, item)).max() < 1.5
    assert item.length_m == pytest.approx(length)


@pytest.mark.parametrize("kind", sorted(SHIP_KINDS))
def test_a_hull_fills_60_percent_of_its_box(kind: str) -> None:
    generator = np.random.default_rng(1)
    for _ in range(5):
        design = draw_design(generator, kind)
        hull = shapely.Polygon(build_ship(design, 0.5).hull)
        assert hull.is_valid
        assert hull.area >= 0.6 * design.length_m * design.beam_m
        assert np.allclose(
            hull.bounds,
            (-design.length_m / 2, -design.beam_m / 2, design.length_m / 2, design.beam_m / 2),
        )


def yard(spec: PortSpec) -> PortSite:
    """A flat yard with one block of 3 bays and 4 rows in the middle, turned by 0.4."""
    width, height = spec.size_m
    frame = CoastFrame(np.array([width, height]) / 2, 0.4)
    draft = SiteDraft(frame, (-width, width, -height, height), np.random.default_rng(0), 0.5, 1)
    draft.ground(
        [(-width, -height), (width, -height), (width, height), (-width, height)], (120, 118, 114)
    )
    draft.block((0.0, 0.0), (3, 4), "yard 1")
    return draft.finish()


def full_block(tiers: int) -> Content:
    bays = Bays(np.full((3, 4), tiers), np.array([False, True, False]), 3)
    return Content((), {"block-1": bays})


def test_a_blocks_pixels_are_its_box() -> None:
    mask, scene = changed(PIXELS, yard(PIXELS), full_block(2))
    (item,) = scene.truth
    assert abs(extent_px(mask, item)).max() < 1.0
    assert (item.tiers, item.slots, item.containers, item.teu) == (2, 24, 32, 48)
    assert item.length_m == pytest.approx(3 * 12.192 + 2 * 0.45)
    assert item.width_m == pytest.approx(4 * 2.438 + 3 * 0.40)


def test_the_view_moves_the_tops_of_a_block_away_from_the_sensor() -> None:
    leaning = replace(PIXELS, sensor=replace(STILL, off_nadir_deg=20.0, view_azimuth_deg=90.0))
    (low,) = render_content(PIXELS, yard(PIXELS), full_block(4), 1).truth
    (high,) = render_content(leaning, yard(leaning), full_block(4), 1).truth
    moved = high.corners.mean(axis=0) - low.corners.mean(axis=0)
    height = 12 * 0.2591 + 4 * HEIGHT_M
    expected = -height * np.tan(np.deg2rad(20.0)) / 0.5  # the sensor stands in the east
    north_tilt = 0.04  # grid convergence of UTM at this place
    assert moved[0] == pytest.approx(expected, abs=0.3)
    assert abs(moved[1]) < abs(expected) * north_tilt + 0.3


@pytest.mark.parametrize("azimuth_deg", [0.0, 90.0, 160.0, 233.0])
@pytest.mark.parametrize("tiers", [1, 3, 6])
def test_shadows_are_tiers_over_the_suns_slope_long_and_fall_away_from_it(
    tiers: int, azimuth_deg: float
) -> None:
    elevation_deg, gsd = 35.0, 0.25
    spec = PortSpec(
        width=320,
        height=320,
        gsd_m=gsd,
        sky=replace(CALM, sun_elevation_deg=elevation_deg, sun_azimuth_deg=azimuth_deg),
    )
    frame = scene_frame(spec)
    ground = 12 * 0.2591
    builder = SolidsBuilder()
    builder.polygon([[-50, -50], [200, -50], [200, 200], [-50, 200]], 0.0, ground, (120, 120, 120))
    angle = float(np.arctan2(frame.shadow[1], frame.shadow[0]))
    top = ground + tiers * HEIGHT_M
    builder.rectangle((40, 40), (12.192, 2.438), (ground, top), (200, 60, 60), angle=angle)
    drawn = draw(builder.build(), PixelWindow(0, 0, 320, 320), frame, (30, 40, 50))
    rows, cols = np.nonzero(drawn.shadow > 0.5)
    points = (np.stack([cols, rows], 1) + 0.5) * gsd - 40
    along = points @ (frame.shadow / np.hypot(*frame.shadow))
    sideways = points @ (frame.shadow[::-1] * [-1, 1] / np.hypot(*frame.shadow))
    assert abs(sideways).max() < 2.438 / 2 + 2 * gsd
    along = along[abs(sideways) < 0.9]
    expected = tiers * HEIGHT_M / np.tan(np.deg2rad(elevation_deg))
    assert along.max() - 12.192 / 2 == pytest.approx(expected, abs=1.5 * gsd)
    assert along.min() > 12.192 / 2 - 2 * gsd  # nothing is in shadow on the sun's side


def test_shadows_in_a_north_up_scene_fall_west_in_the_morning() -> None:
    spec = replace(PIXELS, sky=replace(CALM, sun_elevation_deg=45.0, sun_azimuth_deg=90.0))
    scene = render_content(spec, yard(spec), full_block(4), 1)
    rows, cols = np.nonzero(scene.shadow)
    (item,) = scene.truth
    assert cols.mean() < item.corners[:, 0].mean() - 5
    assert abs(rows.mean() - item.corners[:, 1].mean()) < 6


@pytest.mark.parametrize(
    "place",
    [
        PlaceSpec("EPSG:32652", 130.3, 42.2),
        PlaceSpec("EPSG:32652", 131.9, 42.2),
        PlaceSpec("EPSG:4326", 103.8, 1.2),
        PlaceSpec("EPSG:4326", 22.0, 60.0),
        PlaceSpec("EPSG:3857", 4.1, 51.9),
        PlaceSpec("EPSG:32652", 130.3, 42.2, 33.0),
        PlaceSpec("EPSG:3857", 4.1, 51.9, -70.0),
    ],
    ids=lambda place: f"{place.crs}@{place.latitude_deg:.0f}r{place.rotation_deg:.0f}",
)
def test_lengths_on_the_map_are_true_within_1_percent(place: PlaceSpec) -> None:
    spec = PortSpec(width=900, height=900, place=place, layout=LayoutSpec(["container"]))
    scene = render(spec, 5)
    corners = as_corners([item.map_corners for item in scene.truth])
    length_m, width_m, _ = box_measures(corners, scene.crs)
    true_length = np.array([item.length_m for item in scene.truth])
    true_width = np.array([item.width_m for item in scene.truth])
    assert len(scene.truth) >= 10
    assert np.allclose(length_m, true_length, rtol=0.01)
    assert np.allclose(width_m, true_width, rtol=0.01)


def test_boxes_under_lean_are_ordered_and_as_long_as_the_object() -> None:
    spec = PortSpec(
        width=700,
        height=700,
        layout=LayoutSpec(["container"], 520.0, 35.0, 0.7),
        sensor=SensorSpec(off_nadir_deg=25.0, view_azimuth_deg=10.0),
    )
    scene = render(spec, 8)
    corners = as_corners([item.corners for item in scene.truth])
    assert np.allclose(order_corners(corners), corners)
    ships = [item.class_id == PORT.id("ship") for item in scene.truth]
    lengths = edge_lengths(corners[ships])[0] * spec.gsd_m
    assert np.allclose(lengths, [item.length_m for item in scene.truth if item.class_id == 0])


def test_clouds_nodata_and_the_border_take_their_share_of_an_object() -> None:
    spec = PortSpec(
        width=600,
        height=600,
        layout=LayoutSpec(["container"], 520.0, 0.0, 0.75),
        sky=SkySpec(cloud_fraction=0.4),
        sensor=SensorSpec(nodata_fraction=0.2),
    )
    scene = render(spec, 2)
    seen = scene.valid & ~scene.cloud
    padded = np.zeros((1800, 1800), bool)
    padded[600:1200, 600:1200] = seen
    for item in scene.truth:
        mask = fill_mask([item.corners + 600], padded.shape)
        assert item.visible == pytest.approx(padded[mask].mean(), abs=0.03)
    assert scene.cloud.mean() == pytest.approx(0.4 * 0.8, abs=0.1)
    assert (~scene.valid).mean() == pytest.approx(0.2, abs=0.01)
    assert (scene.values[~scene.valid] == 0).all()
    assert (scene.values[scene.valid] > 0).all()
