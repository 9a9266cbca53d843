"""The overlay: what is drawn where, in which colour, and what is said around it."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from detector.classes import PORT
from detector.detections import Detections
from detector.errors import ConfigError, OutputError
from detector.export import overlay_furniture, overlay_labels
from detector.export.overlay import ZoneOutline, draw_overlay, write_overlay
from detector.export.overlay_furniture import BAR_INK, draw_north
from detector.export.overlay_labels import Room, label_ships
from detector.export.overlay_marks import CUT_OPACITY, HATCH_COLOUR, NODATA_GROUND, NODATA_LINES
from detector.export.overlay_text import Style, clean_text, elide, text_mask, text_width
from detector.export.overlay_view import OverlayView, fit_view, north_direction, scale_bar
from detector.export.styles import ZONE_COLOUR
from detector.scenes.scene import Scene, open_scene
from detector.scenes.stretch import brightened, eye_gain
from detector.scenes.types import SceneOptions
from tests.counting.make import ACQUIRED, SHIP, STACK, Row, make_detections
from tests.scenes.rasters import utm_transform, write_raster

GROUND = (60, 120, 90)  # bright enough that nothing is stretched
NOTHING = make_detections()


def make_scene(
    folder: Path, width: int = 1700, height: int = 1000, name: str = "najin", **profile: Any
) -> Scene:
    """A scene of one colour; 1,700 pixels are drawn one to one."""
    values = np.empty((3, height, width), np.uint8)
    values[:] = np.array(GROUND, np.uint8)[:, None, None]
    hole = profile.pop("hole", None)
    if hole is not None:
        values[(slice(None), *hole)] = 0
    options = SceneOptions(
        acquired=profile.pop("acquired", ACQUIRED), gsd_m=profile.pop("gsd_m", None)
    )
    return open_scene(write_raster(folder / f"{name}.tif", values, **profile), options)


def draw(
    scene: Scene,
    detections: Detections = NOTHING,
    zones: Sequence[ZoneOutline] = (),
    notes: Sequence[str] = (),
    **options: Any,
) -> NDArray[np.uint8]:
    with scene:
        return draw_overlay(scene, detections, zones, notes, **options)


def picture_of(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The scene in an overlay, cut out: white strips above and below leave column 0 white."""
    rows = np.flatnonzero((image[:, 0] != 255).any(axis=1))
    return image[rows[0] : rows[-1] + 1]


def is_colour(image: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    return np.asarray((image == colour).all(axis=-1))


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that is drawn."""
    texts: list[str] = []
    for module in (overlay_furniture, overlay_labels):
        original = module.draw_text

        def record(image: Any, text: str, *rest: Any, _original: Any = original) -> None:
            texts.append(text)
            _original(image, text, *rest)

        monkeypatch.setattr(module, "draw_text", record)
    return texts


def test_boxes_have_the_colour_of_their_class_at_their_edges(tmp_path: Path) -> None:
    rows: list[Row] = [
        (SHIP, 300.5, 300.5, 200, 60, 0.0),
        (STACK, 800.5, 300.5, 200, 60, math.pi / 6),
        (STACK, 300.5, 300.5, 80, 40, 0.0),
    ]
    picture = picture_of(draw(make_scene(tmp_path), make_detections(rows, on_ship=[2])))
    assert picture.shape == (1000, 1700, 3)
    assert tuple(picture[270, 300]) == PORT[SHIP].colour
    assert tuple(picture[300, 200]) == PORT[SHIP].colour
    middle = (800.5 + 30 * math.sin(math.pi / 6), 300.5 - 30 * math.cos(math.pi / 6))
    assert tuple(picture[round(middle[1]), round(middle[0])]) == PORT[STACK].colour
    assert tuple(picture[300, 800]) == GROUND
    assert tuple(picture[306, 300]) == GROUND  # inside both boxes: nothing is covered
    dashed = picture[280, 262:340]  # the upper edge of the deck cargo
    assert 0.3 < is_colour(dashed, PORT[STACK].cargo_colour).mean() < 0.8
    assert is_colour(dashed, GROUND).any()
    solid = picture[270, 205:396]  # the upper edge of the ship
    assert is_colour(solid, PORT[SHIP].colour).all()
    assert picture[265:270, 300].max(axis=1).min() < 0.5 * max(GROUND)  # the dark casing


def test_a_box_cut_by_the_edge_is_hatched_and_its_length_is_a_least_one(
    tmp_path: Path, written: list[str]
) -> None:
    found = make_detections([(SHIP, 20, 500, 200, 40, 0.0), (SHIP, 900, 500, 200, 40, 0.0)])
    found = replace(found, cut=np.array(["scene_edge", ""]))
    picture = picture_of(draw(make_scene(tmp_path), found))
    tint = np.array(GROUND) + (np.array(PORT[SHIP].colour) - GROUND) * CUT_OPACITY
    inside = picture[490:511, 20:100]
    lines = np.abs(inside - tint).max(axis=2) <= 1
    assert (lines | is_colour(inside, GROUND)).all()  # what lies between the lines stays
    assert 0.05 < lines.mean() < 0.3
    assert (np.abs(lines.mean(axis=0) - lines.mean()) < 0.1).all()  # everywhere alike
    assert is_colour(picture[490:511, 830:970], GROUND).all()
    assert "≥100 m · 0.90" in written
    assert "100 m · 0.30" in written
    assert "1 cut by the scene's edge" in written


@pytest.mark.parametrize(
    ("ground", "bright", "gain"),
    [  # a nineteenth is bright: the mean is taken to 60, or the bright end to white
        ((20, 40, 30), 110, 60 / (30 + 80 * 9 / 170)),
        ((20, 40, 30), 230, 255 / 230),
        ((50, 130, 45), 110, 1.0),
    ],
)
def test_a_dark_scene_is_brightened_for_the_eye_and_it_is_said(
    tmp_path: Path, written: list[str], ground: tuple[int, int, int], bright: int, gain: float
) -> None:
    values = np.empty((3, 1000, 1700), np.uint8)
    values[:] = np.array(ground, np.uint8)[:, None, None]
    values[:, 300:600, 1000:1300] = bright  # 5 %: nothing is stretched when it is read
    picture = picture_of(draw(open_scene(write_raster(tmp_path / "dark.tif", values))))
    assert np.abs(picture[700, 700] - np.array(ground) * gain).max() <= 0.5
    assert np.abs(picture[400, 1100].astype(float) - bright * gain).max() <= 0.5
    (facts,) = [text for text in written if text.startswith("gsd")]
    said = f"a dark scene, brightened {gain:.1f} times for the eye"
    assert facts.endswith(said if gain > 1 else "full size")


def test_a_picture_is_brightened_at_most_threefold_and_keeps_its_hue() -> None:
    rgb = np.tile(np.array([10, 20, 30], np.uint8), (40, 40, 1))
    valid = np.ones((40, 40), np.bool_)
    assert eye_gain(rgb, valid) == 3.0
    assert brightened(rgb, 3.0)[0, 0].tolist() == [30, 60, 90]
    rgb[:20] = 255  # where there is no data
    valid[:20] = False
    assert eye_gain(rgb, valid) == 3.0
    assert eye_gain(rgb, np.zeros_like(valid)) == 1.0
    assert eye_gain(rgb, ~valid) == 1.0


@pytest.mark.parametrize(("gsd_m", "width"), [(0.5, 1700), (10.0, 1700), (0.3, 5000), (0.5, 200)])
def test_the_scale_bar_is_as_long_as_it_says(
    tmp_path: Path, written: list[str], gsd_m: float, width: int
) -> None:
    scene = make_scene(tmp_path, width, width // 2, transform=utm_transform(gsd_m))
    info = scene.info
    image = draw(scene)
    assert info.gsd_m is not None
    shrink = info.width / (600 if width == 200 else min(width, 4000))
    ink = is_colour(image[-200:], BAR_INK)
    measured = int(ink.sum(axis=1).max())
    label = next(text for text in written if text.endswith((" m", " km")) and text[0].isdigit())
    number, unit = label.split()
    metres = float(number) * (1000.0 if unit == "km" else 1.0)
    assert abs(measured - metres / (info.gsd_m * shrink)) <= 1.0
    assert metres / 10.0 ** math.floor(math.log10(metres)) in (1.0, 2.0, 5.0)


@given(st.floats(0.01, 1e4), st.integers(20, 2000))
def test_scale_bars_are_round_and_use_their_room(metres_a_pixel: float, room: int) -> None:
    bar = scale_bar(metres_a_pixel, room)
    assert room / 2.5 - 1 <= bar.length_px <= room
    assert abs(bar.length_px - bar.metres / metres_a_pixel) <= 0.5
    digits = f"{bar.metres:.6e}"
    assert digits[0] in "125"
    assert float(digits[1:8]) == 0.0


TURNED = Affine.rotation(30.0)


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        (Affine.identity(), (0.0, -1.0)),
        (Affine.scale(1, -1), (0.0, 1.0)),  # rows go north
        (Affine.scale(-1, 1), (0.0, -1.0)),  # columns go west
        (Affine.rotation(90.0), (-1.0, 0.0)),
        (TURNED, (-0.5, -math.sqrt(0.75))),
        (TURNED @ Affine.scale(-1, 1), (0.5, -math.sqrt(0.75))),
    ],
)
def test_north_points_north_in_turned_and_mirrored_scenes(
    tmp_path: Path, turn: Affine, expected: tuple[float, float]
) -> None:
    transform = utm_transform() @ turn
    with make_scene(tmp_path, 400, 300, transform=transform) as scene:
        view = fit_view(scene.info, 4000, 4000)
        north = north_direction(scene.info, view)
        assert north is not None
        assert np.allclose(north, expected, atol=2e-3)  # the central meridian: grid is true north
        step = scene.to_map(np.array([200.0, 150.0]) + 100 * np.array(north)) - scene.to_map(
            np.array([200.0, 150.0])
        )
        assert step[1] > 0
        assert abs(step[0]) < 0.003 * step[1]


def test_the_arrow_is_drawn_the_way_it_points() -> None:
    for angle in np.arange(0.0, 2 * np.pi, 0.5):
        canvas = np.full((101, 101, 3), 255, np.uint8)
        north = (math.sin(angle), -math.cos(angle))
        draw_north(canvas, north, (50, 50), 45, Style(16, bold=True))
        rows, columns = np.nonzero((canvas < 128).all(axis=2))
        ahead = (columns - 50) * north[0] + (rows - 50) * north[1]
        aside = (rows - 50) * north[0] - (columns - 50) * north[1]
        assert np.hypot(ahead, aside).max() <= 46
        assert ahead.max() > 38
        assert -40 < ahead.min() < -34
        wide = [np.ptp(aside[np.abs(ahead - at) < 3]) for at in (-34, 0)]
        assert wide[0] > 1.3 * wide[1]  # narrows towards north


@pytest.mark.parametrize(
    ("width", "height", "enlarged"),
    [(9, 7, 3), (300, 200, 3), (600, 500, 3), (800, 300, 2), (1100, 800, 1), (3000, 2000, 1)],
)
def test_small_scenes_are_enlarged_by_whole_numbers(
    tmp_path: Path, width: int, height: int, enlarged: int
) -> None:
    picture = picture_of(draw(make_scene(tmp_path, width, height)))
    assert picture.shape[1] == max(640, width * enlarged)
    assert picture.shape[0] == max(16, height * enlarged)
    seen = np.flatnonzero(is_colour(picture[picture.shape[0] // 2], GROUND))
    assert abs(np.ptp(seen) + 1 - width * enlarged) <= (0 if width >= 16 else 16)


@pytest.mark.parametrize("limit", [640, 1000, 4000])
@pytest.mark.parametrize("size", [(4500, 3700), (60, 5000), (5000, 60), (700, 700), (1300, 1300)])
def test_no_side_is_longer_than_asked_for(
    tmp_path: Path, size: tuple[int, int], limit: int
) -> None:
    notes = [f"note {i}" for i in range(20)]
    image = draw(make_scene(tmp_path, *size), notes=notes, max_side_px=limit)
    assert max(image.shape) <= limit
    picture = picture_of(image)
    drawn = is_colour(picture, GROUND)
    aspect = drawn.any(axis=0).sum() / drawn.any(axis=1).sum()
    if min(drawn.any(axis=0).sum(), drawn.any(axis=1).sum()) > 16:
        assert aspect == pytest.approx(size[0] / size[1], rel=0.05)


def test_a_picture_too_small_to_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="300 px cannot be read; give at least 640"):
        draw(make_scene(tmp_path, 100, 100), max_side_px=300)


def test_pixels_that_are_not_square_keep_the_proportions_of_the_ground(tmp_path: Path) -> None:
    transform = Affine(1e-5, 0.0, 10.0, 0.0, -1e-5, 60.0)  # at 60 degrees half as wide as high
    scene = make_scene(tmp_path, 2000, 1500, crs="EPSG:4326", transform=transform)
    view = fit_view(scene.info, 4000, 4000)
    size = scene.info.pixel_size
    assert size is not None
    assert view.scale_y / view.scale_x == pytest.approx(size.y_m / size.x_m, rel=2e-3)
    assert size.y_m / size.x_m == pytest.approx(2.0, rel=0.01)
    picture = picture_of(draw(scene))
    assert picture.shape[0] / picture.shape[1] == pytest.approx(1.5, rel=0.01)


def test_unseen_pixels_are_hatched_grey(tmp_path: Path, written: list[str]) -> None:
    hole = (slice(200, 500), slice(0, 700))
    picture = picture_of(draw(make_scene(tmp_path, nodata=0, hole=hole)))
    part = picture[200:500, 0:700]
    lines = is_colour(part, NODATA_LINES)
    assert (lines | is_colour(part, NODATA_GROUND)).all()
    assert 0.1 < lines.mean() < 0.4
    assert (np.abs(lines.mean(axis=0) - lines.mean()) < 0.05).all()  # everywhere alike
    outside = np.ones(picture.shape[:2], np.bool_)
    outside[200:500, 0:700] = False
    assert is_colour(picture, GROUND)[outside].all()
    assert "no data" in written


def test_known_clouds_are_hatched_over_the_picture(tmp_path: Path, written: list[str]) -> None:
    cloud = np.zeros((1, 1000, 1700), np.uint8)
    cloud[0, 100:400, 100:600] = 1
    write_raster(tmp_path / "najin_cloud.tif", cloud)
    picture = picture_of(draw(make_scene(tmp_path)))
    hatch = is_colour(picture, HATCH_COLOUR)
    assert 0.02 < hatch[100:400, 100:600].mean() < 0.2
    assert not hatch[cloud[0] == 0].any()
    assert "cloud, not observed" in written
    assert "no data" not in written


def test_zones_are_outlined_named_and_hatched_where_unobserved(
    tmp_path: Path, written: list[str]
) -> None:
    ring = shapely.box(900, 100, 1500, 800).difference(shapely.box(1100, 300, 1300, 500))
    zones = [
        ZoneOutline(
            "나진 제3부두", "berth", "observed", (shapely.box(100.5, 100.5, 700.5, 400.5),)
        ),
        ZoneOutline("East yard", "yard", "unobserved", (ring,)),
        ZoneOutline("Пирс 1", "zone", "partial", (shapely.box(100, 500, 700, 900),)),
        ZoneOutline("far", "yard", "observed", (shapely.box(1e9, 1e9, 2e9, 2e9),)),
        ZoneOutline("around", "yard", "observed", (shapely.box(-1e9, -1e9, 1e9, 1e9),)),
    ]
    picture = picture_of(draw(make_scene(tmp_path), zones=zones))
    assert tuple(picture[100, 400]) == ZONE_COLOUR
    assert tuple(picture[400, 400]) == ZONE_COLOUR
    hatch = np.abs(picture.astype(int) - GROUND).max(axis=2) > 60
    assert hatch[120:280, 920:1080].mean() > 0.05
    assert not hatch[320:480, 1120:1280].any()  # the hole of the zone
    assert not hatch[120:180, 120:680].any()  # an observed zone
    assert "나진 제3부두 (berth)" in written
    assert "East yard · not observed" in written
    assert "Пирс 1 · partly observed" in written
    assert "far" not in written
    assert {"4 zones", "1 zone not observed"} <= set(written)


def test_what_is_known_and_what_is_not_is_said(tmp_path: Path, written: list[str]) -> None:
    rows: list[Row] = [(SHIP, 300, 300, 100, 20, 0.0), (STACK, 600, 600, 40, 10, 0.0)]
    rows += [(STACK, 300, 300, 30, 10, 0.0), (STACK, 800, 600, 40, 10, 0.0)]
    draw(make_scene(tmp_path), make_detections(rows, on_ship=[2]), notes=["clouds unknown"])
    assert written[:2] == ["50 m · 0.90", "2023-10-13 02:15 UTC"]
    expected = {"najin", "1 ship", "2 container stacks", "1 deck cargo (not counted)", "N"}
    assert expected | {"⚠ clouds unknown", "0", "100 m"} <= set(written)
    assert "gsd 0.5 m · EPSG:32652 · 1,700 x 1,000 px, full size" in written
    written.clear()

    (tmp_path / "bare").mkdir()
    bare = make_scene(tmp_path / "bare", 800, 600, "bare", crs=None, acquired=None)
    image = draw(bare, make_detections(rows[:1], crs=None, acquired=None))
    assert written[:2] == ["0.90", "date unknown"]
    assert {"1 ship", "0 container stacks"} <= set(written)
    facts = "gsd unknown, so no scale bar · no CRS, so north is unknown"
    assert f"{facts} · 800 x 600 px, drawn at 200 %" in written
    assert "N" not in written
    assert not is_colour(image, BAR_INK).any()
    written.clear()

    given = make_scene(tmp_path / "bare", 800, 600, "bare", crs=None, gsd_m=3.0)
    image = draw(given, make_detections(rows[:1], crs=None, gsd_m=3.0))
    assert "300 m · 0.90" in written
    assert is_colour(image, BAR_INK).sum(axis=1).max() == 333  # 500 m at 1.5 m
    assert "N" not in written
    written.clear()

    bare = make_scene(tmp_path / "bare", 800, 600, "bare", crs=None)
    bare.settle_gsd(0.448, (0.4, 0.5))
    draw(bare, make_detections(rows[:1], crs=None, gsd_m=0.448))
    facts = "about 0.45 m a pixel, estimated from container rows · no CRS, so north is unknown"
    assert f"{facts} · 800 x 600 px, drawn at 200 %" in written


def test_a_scene_without_detections_says_zero(tmp_path: Path, written: list[str]) -> None:
    picture = picture_of(draw(make_scene(tmp_path)))
    assert is_colour(picture, GROUND).all()
    assert {"0 ships", "0 container stacks"} <= set(written)


@pytest.mark.parametrize("density", [30, 300])
def test_labels_overlap_neither_one_another_nor_boxes(density: int) -> None:
    chance = np.random.default_rng(density)
    rows: list[Row] = [
        (SHIP, *chance.uniform((50, 50), (1450, 950)), *chance.uniform((20, 8), (120, 40)), angle)
        for angle in chance.uniform(0.0, math.pi, density)
    ]
    found = make_detections(rows)
    view = OverlayView(1.0, 1.0, 1500, 1000, 0.5)
    image = np.zeros((1000, 1500, 3), np.uint8)
    room = Room(1500, 1000, found.corners)
    label_ships(image, found, view, Style(14), room)
    labels = shapely.box(*np.array(room.labels, float).T)
    first, second = shapely.STRtree(labels).query(labels, predicate="intersects")
    apart = shapely.area(shapely.intersection(labels[first], labels[second])) == 0.0
    assert (apart | (first == second)).all()
    boxes = shapely.polygons(found.corners)
    hits = shapely.STRtree(boxes).query(labels, predicate="intersects")
    shared = shapely.area(shapely.intersection(labels[hits[0]], boxes[hits[1]]))
    assert shared.max(initial=0.0) <= 4.0  # square pixels: the marks are kept on a grid
    assert shapely.contains(shapely.box(0, 0, 1500, 1000), labels).all()
    assert len(labels) > (0.8 if density == 30 else 0.05) * density
    written_px = image.any(axis=2).sum()
    assert 0 < written_px <= shapely.area(labels).sum()


def test_the_longest_ship_gets_its_label_first(written: list[str]) -> None:
    rows: list[Row] = [(SHIP, 100, 100, 40, 20, 0.0), (SHIP, 100, 122, 150, 20, 0.0)]
    found = make_detections(rows)
    room = Room(240, 144, found.corners)
    image = np.zeros((144, 240, 3), np.uint8)
    label_ships(image, found, OverlayView(1.0, 1.0, 240, 144, 0.5), Style(12), room)
    assert written[0].startswith("75 m")


HOSTILE = (
    "a" * 10_000,
    "\u202eevil\u202c\u200f \u2066x",
    "line\nbreak\r\n\ttab\x00\x1b[31m\x7f",
    "Z" + "\u0316\u0357\u030a" * 500,
    "\udce4\udcff file",
    "나진항 港口 مرفأ נמל 🚢 \U0010fffd",
    "   ",
    "",
    "<b>&amp;</b> %s {0} \\n",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text_inside_their_place(
    tmp_path: Path, written: list[str], name: str
) -> None:
    zone = ZoneOutline(name, "yard", "unobserved", (shapely.box(100, 100, 1600, 900),))
    with make_scene(tmp_path) as scene:
        scene.info = replace(scene.info, name=name)
        image = draw_overlay(scene, NOTHING, [zone], [name])
        plain = replace(scene.info, name="plain")
        scene.info = plain
        calm = draw_overlay(scene, NOTHING, [replace(zone, name="plain")], ["plain"])
    assert image.shape == calm.shape
    for text in written:
        assert len(text) <= 330
        assert not {"Cc", "Cf", "Cs", "Zl", "Zp"} & {unicodedata.category(c) for c in text}
    strip = image[:5]
    assert (strip == 255).all()  # nothing reaches beyond its line
    date = np.flatnonzero((image[:28, 1300:] < 128).any(axis=(0, 2)))
    calm_date = np.flatnonzero((calm[:28, 1300:] < 128).any(axis=(0, 2)))
    assert np.array_equal(date[-100:], calm_date[-100:])  # the date stands where it stood


@settings(max_examples=150)
@given(st.text(st.characters(), max_size=60), st.integers(11, 44), st.integers(0, 300))
def test_any_text_has_a_mask_of_its_line_and_fits_its_room(text: str, size: int, room: int) -> None:
    style = Style(size, bold=size % 2 == 0)
    line = clean_text(text)
    assert clean_text(line) == line
    assert text_mask(line, style).shape[0] == style.height_px
    short = elide(text, style, room)
    assert text_width(short, style) <= room
    if text_width(line, style) <= room:
        assert short == line


def test_every_script_is_written_with_letters_of_its_own() -> None:
    style = Style(24)
    masks = [text_mask(text, style) for text in ("나", "진", "港", "Ж", "م", "ש")]
    for i, mask in enumerate(masks):
        assert mask.max() > 128
        for other in masks[:i]:
            assert mask.shape != other.shape or not np.array_equal(mask, other)


def test_elided_names_keep_both_ends() -> None:
    style = Style(16)
    short = elide("20231013_PSScene_" + "x" * 400 + "_clip", style, 300)
    assert short.startswith("20231013_")
    assert short.endswith("_clip")
    assert "…" in short
    assert 270 <= text_width(short, style) <= 300


def test_the_file_is_the_picture_and_the_same_twice(tmp_path: Path) -> None:
    rows: list[Row] = [(SHIP, 300, 300, 100, 20, 0.3), (STACK, 600, 300, 40, 10, 0.0)]
    found = make_detections(rows)
    with make_scene(tmp_path) as scene:
        write_overlay(tmp_path / "a.png", scene, found, (), ("note",))
        write_overlay(tmp_path / "나진 b.png", scene, found, (), ("note",))
        image = draw_overlay(scene, found, (), ("note",))
    data = (tmp_path / "a.png").read_bytes()
    assert data == (tmp_path / "나진 b.png").read_bytes()
    assert b"tIME" not in data
    assert np.array_equal(cv2.imread(str(tmp_path / "a.png"))[..., ::-1], image)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "najin.tif", "나진 b.png"]


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with make_scene(tmp_path, 100, 100) as scene, pytest.raises(OutputError, match=r"a\.png"):
        write_overlay(tmp_path / "missing" / "a.png", scene, NOTHING, (), ())


@pytest.mark.real
def test_a_real_scene_shows_what_it_misses(shared_data: Path) -> None:
    with open_scene(shared_data / "scenes" / "rotterdam_pan2.tif") as scene:
        view = fit_view(scene.info, 4000, 4000)
        image = draw_overlay(scene, NOTHING, (), ())
    assert (view.width, view.height) == (1800, 1800)
    grey = is_colour(image, NODATA_GROUND) | is_colour(image, NODATA_LINES)
    assert 0.30 < grey[40:1800].mean() < 0.36  # a third of the scene was not recorded
