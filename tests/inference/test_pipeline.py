"""One scene through the pipeline: place, metres, order, errors, bounds."""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine

from detector.boxes.scored import Boxes
from detector.classes import PORT
from detector.detections import Detections
from detector.errors import SceneError
from detector.geometry.boxes import (
    Corners,
    centres,
    corners_from_xywhr,
    edge_lengths,
    iou_matrix,
)
from detector.inference.claims import find_deck_cargo, find_yards
from detector.inference.coverage import Coverage
from detector.inference.frame import PlanFrame
from detector.inference.pipeline import (
    Advance,
    PipelineSettings,
    find_objects,
    plan_scene,
    predict_scene,
    prepare_scene,
)
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions
from tests.inference.blobs import CARD, BlobDetector, blob_scene
from tests.scenes.rasters import UTM52, gradient, utm_transform, write_raster


def _fleet(width: int, height: int, spacing: int = 150) -> Corners:
    """Ships of 80 by 16 px at every angle, on a grid."""
    rows = range(spacing // 2, height - spacing // 2, spacing)
    places = [(x, y) for y in rows for x in range(spacing // 2, width - spacing // 2, spacing)]
    angles = np.linspace(0, math.pi, len(places), endpoint=False)
    boxes = [(x, y, 80, 16, angle) for (x, y), angle in zip(places, angles, strict=True)]
    return corners_from_xywhr(np.array(boxes, np.float64))


def _predict(path: Path, **settings: int) -> Detections:
    with open_scene(path) as scene:
        return predict_scene(scene, BlobDetector(), PipelineSettings(**settings))  # type: ignore[arg-type]


def test_every_ship_is_found_once_where_it_is(tmp_path: Path) -> None:
    truth = _fleet(1000, 800)
    path = blob_scene(tmp_path / "a.tif", (1000, 800), truth, transform=utm_transform(), crs=UTM52)
    found = _predict(path)
    assert len(found) == len(truth)
    iou = iou_matrix(found.corners, truth)
    assert (iou.max(axis=0) > 0.85).all()
    assert np.allclose(found.length_m, 80 * 0.5 / 0.9996, atol=1.0)
    assert np.allclose(found.width_m, 16 * 0.5 / 0.9996, atol=1.0)
    with open_scene(path) as scene:
        assert np.allclose(scene.to_map(found.corners), found.map_corners)


def test_the_axis_is_an_azimuth_on_the_ground(tmp_path: Path) -> None:
    angles_deg = np.array([0.0, 30.0, 90.0, 150.0])  # from x to y on the screen
    boxes = [(150 + 200 * i, 200, 120, 16, math.radians(a)) for i, a in enumerate(angles_deg)]
    truth = corners_from_xywhr(np.array(boxes))
    path = blob_scene(tmp_path / "a.tif", (900, 400), truth, transform=utm_transform(), crs=UTM52)
    found = _predict(path)
    order = np.argsort(centres(found.corners)[:, 0])
    expected = (90.0 + angles_deg) % 180  # north up: x is east; the convergence is 0 here
    gap = np.abs((found.axis_deg[order] - expected + 90) % 180 - 90)
    assert gap.max() < 1.5


def test_pixels_that_are_not_square_on_the_ground(tmp_path: Path) -> None:
    # At 60 degrees north a degree of longitude is half as long as one of latitude.
    step = 4.5e-6  # 0.25 m by 0.50 m
    transform = Affine(step, 0, 10.0, 0, -step, 60.0)
    ground = corners_from_xywhr(
        np.array([(200 + 260 * i, 300, 160, 24, a) for i, a in enumerate(np.linspace(0, 2.8, 6))])
    )
    truth = ground * np.array([1.0, 0.5])  # quarter-metre squares on the ground to file pixels
    path = blob_scene(tmp_path / "a.tif", (1800, 300), truth, transform=transform, crs="EPSG:4326")
    with open_scene(path) as scene:
        frame = PlanFrame.of(scene.info)
        found = predict_scene(scene, BlobDetector())
    assert (frame.width, frame.height) == (1800, pytest.approx(600, abs=3))
    assert len(found) == 6
    assert np.allclose(found.length_m, 40.0, atol=1.5)
    assert np.allclose(found.width_m, 6.0, atol=1.2)
    assert (iou_matrix(found.corners, truth).max(axis=0) > 0.75).all()


def test_without_a_crs_lengths_need_the_users_gsd(tmp_path: Path) -> None:
    truth = _fleet(400, 400)
    path = blob_scene(tmp_path / "a.tif", (400, 400), truth, transform=Affine.identity(), crs=None)
    found = _predict(path)
    assert len(found) == len(truth)
    assert np.isnan(found.length_m).all()
    assert np.isnan(found.axis_deg).all()
    assert np.array_equal(found.corners, found.map_corners)
    assert set(found.length_class) == {"unknown"}


def test_the_result_does_not_depend_on_threads_and_batches(tmp_path: Path) -> None:
    truth = _fleet(1400, 1100, spacing=110)
    path = blob_scene(tmp_path / "a.tif", (1400, 1100), truth, transform=utm_transform(), crs=UTM52)
    one = _predict(path, readers=1, queue=1)
    for settings in ({"readers": 4, "queue": 2}, {"readers": 2, "queue": 9}):
        other = _predict(path, **settings)
        assert np.array_equal(one.corners, other.corners)
        assert np.array_equal(one.scores, other.scores)


def test_tiles_without_valid_pixels_never_reach_the_network(tmp_path: Path) -> None:
    truth = _fleet(2000, 400)
    path = blob_scene(tmp_path / "a.tif", (2000, 400), truth, transform=utm_transform(), crs=UTM52)
    blank = np.ones((3, 400, 2000), np.uint16)
    blank[:, :, :1500] = 0
    half = write_raster(tmp_path / "b.tif", blank * 200)
    counts = []
    for scene_path in (path, half):
        detector = BlobDetector()
        told: list[Advance] = []
        with open_scene(scene_path) as scene:
            predict_scene(scene, detector, on_advance=told.append)
        counts.append((sum(detector.batches), sum(a.pixels for a in told)))
    assert counts[0][1] == 2000 * 400
    assert counts[1][0] < 0.5 * counts[0][0]


def test_an_area_limits_what_is_read(tmp_path: Path) -> None:
    truth = _fleet(2000, 400)
    path = blob_scene(tmp_path / "a.tif", (2000, 400), truth, transform=utm_transform(), crs=UTM52)
    area = shapely.box(0, 0, 300, 400)
    detector, whole = BlobDetector(), BlobDetector()
    with open_scene(path) as scene:
        prepared = prepare_scene(scene, detector, area=area)  # type: ignore[arg-type]
        found = predict_scene(scene, detector, prepared=prepared)
        everything = predict_scene(scene, whole)
    assert sum(detector.batches) < 0.5 * sum(whole.batches)
    inside = centres(everything.corners)[:, 0] < 300
    assert (iou_matrix(found.corners, everything.corners[inside]).max(axis=0) > 0.99).all()


def test_a_finer_scene_is_reduced_and_a_coarser_one_enlarged_at_most_by_half(
    tmp_path: Path,
) -> None:
    for gsd_m, expected in ((0.25, 0.5), (0.5, 1.0), (0.7, 1.4), (3.0, 1.5)):
        path = write_raster(
            tmp_path / f"{gsd_m}.tif", gradient(900, 900), transform=utm_transform(gsd_m)
        )
        with open_scene(path) as scene:
            frame, coverage = PlanFrame.of(scene.info), Coverage.of(scene)
        plan = plan_scene(frame, coverage, BlobDetector().card)
        seen = [tile.scale for tile in plan.tiles if tile.level == 0]
        assert max(seen) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("size", "gsd_m", "enlarge", "scales"),
    [
        # The tile has 256 px. The coarse window is as small as the overlap of the plan allows.
        ((200, 150), None, 1.5, [256 / 171, 256 / 171, 256 / 257]),
        ((90, 60), None, 1.5, [256 / 171, 256 / 325]),
        ((200, 150), None, 1.0, [1.0, 0.528]),
        ((200, 150), 0.5, 1.5, [1.0, 0.2695]),  # the scale follows from the gsd
        ((200, 256), None, 1.5, [1.0, 1.0 / 1.5]),  # as large as a tile
    ],
)
def test_a_small_scene_of_unknown_gsd_is_enlarged(
    tmp_path: Path, size: tuple[int, int], gsd_m: float | None, enlarge: float, scales: list[float]
) -> None:
    ships = corners_from_xywhr(np.array([(30, 20, 40, 10, 0.0), (60, 45, 40, 10, 0.4)]))
    path = blob_scene(tmp_path / "a.tif", size, ships, transform=Affine.identity(), crs=None)
    settings = PipelineSettings(enlarge=enlarge)
    with open_scene(path, SceneOptions(gsd_m=gsd_m)) as scene:
        prepared = prepare_scene(scene, BlobDetector(), settings)  # type: ignore[arg-type]
        found = predict_scene(scene, BlobDetector(), settings, prepared=prepared)  # type: ignore[arg-type]
    seen = [tile.scale for tile in prepared.plan.tiles]
    assert seen == pytest.approx(scales, rel=0.01)
    assert len(found) == len(ships)
    gaps = np.linalg.norm(centres(found.corners)[:, None] - centres(ships)[None], axis=2)
    assert gaps.min(axis=0).max() < 1.0  # in pixels of the file
    assert np.allclose(edge_lengths(found.corners), [[40, 40], [10, 10]], atol=3.0)
    assert np.isnan(found.length_m).all() == (gsd_m is None)


def test_a_scene_with_a_cloud_mask_closes_in_any_thread(tmp_path: Path) -> None:
    truth = _fleet(900, 900)
    path = blob_scene(tmp_path / "a.tif", (900, 900), truth, transform=utm_transform(), crs=UTM52)
    cloud = np.ones((1, 90, 90), np.uint8)
    write_raster(tmp_path / "a_cloud.tif", cloud, transform=utm_transform(5.0))
    # Clouds hide what is below from the counts; what the network finds stays in the table.
    assert len(_predict(path, readers=3)) == len(truth)


def test_an_error_in_a_reader_ends_the_run_and_every_thread(tmp_path: Path) -> None:
    whole = blob_scene(
        tmp_path / "a.tif",
        (1500, 1500),
        _fleet(1500, 1500, 40)[:0],
        transform=utm_transform(),
        crs=UTM52,
    )
    noise = np.random.default_rng(0).integers(0, 255, (3, 1500, 1500)).astype("uint8")
    write_raster(whole, noise, tiled=True, compress="deflate")
    before = threading.active_count()
    with open_scene(whole) as scene:
        data = whole.read_bytes()
        whole.write_bytes(data[: len(data) // 2])
        with pytest.raises(SceneError, match=r"a\.tif: damaged or incomplete"):
            predict_scene(scene, BlobDetector(), PipelineSettings(readers=3, queue=2))  # type: ignore[arg-type]
    assert threading.active_count() == before


@pytest.mark.parametrize("part", ["forward", "decode", "on_advance"])
def test_an_error_in_any_part_surfaces(tmp_path: Path, part: str) -> None:
    path = blob_scene(
        tmp_path / "a.tif", (900, 900), _fleet(900, 900), transform=utm_transform(), crs=UTM52
    )
    before = threading.active_count()

    def fail(*_: object) -> None:
        raise RuntimeError(f"broken {part}")

    detector = BlobDetector()
    on_advance = fail if part == "on_advance" else None
    if part != "on_advance":
        setattr(detector, part, fail)
    with open_scene(path) as scene, pytest.raises(RuntimeError, match=f"broken {part}"):
        predict_scene(scene, detector, on_advance=on_advance)  # type: ignore[arg-type]
    assert threading.active_count() == before


def test_what_is_longer_than_any_ship_is_left_out_and_counted(tmp_path: Path) -> None:
    # 200 and 700 m at 4 m a pixel; the card reads them at 1.5 times that.
    truth = corners_from_xywhr(np.array([(60.0, 60, 50, 8, 0.1), (200, 160, 175, 12, 0.3)]))
    path = blob_scene(tmp_path / "a.tif", (400, 300), truth, transform=utm_transform(4), crs=UTM52)
    with open_scene(path) as scene:
        found = find_objects(scene, BlobDetector())  # type: ignore[arg-type]
    assert found.implausible == 1
    assert found.detections.length_m == pytest.approx([200], abs=8)


@pytest.mark.parametrize(("iou", "ships"), [(0.5, 1), (0.9, 2)])
def test_the_duplicate_iou_of_the_detector_is_that_of_the_merge(
    tmp_path: Path, iou: float, ships: int
) -> None:
    class Doubling(BlobDetector):
        def decode(self, raw: np.ndarray) -> list[Boxes]:
            # Moved by an eighth of its width: IoU 0.78, a second ship only if the card says so.
            doubled = []
            for one in super().decode(raw):
                aside = edge_lengths(one.corners)[1][:, None, None] / 8 * np.array([0.0, 1.0])
                moved = Boxes(one.corners + aside, one.scores, one.class_ids)
                doubled.append(Boxes.concatenate([one, moved]))
            return doubled

    truth = corners_from_xywhr(np.array([[100.0, 100, 80, 16, 0.0]]))
    path = blob_scene(tmp_path / "a.tif", (200, 200), truth, transform=utm_transform(), crs=UTM52)
    with open_scene(path) as scene:
        found = find_objects(scene, Doubling(iou=iou))  # type: ignore[arg-type]
    assert len(found.detections) == ships
    assert found.stats.duplicates == 2 * (2 - ships)  # one at each scale


def test_what_the_card_says_of_luck_is_taken_from_the_scores(tmp_path: Path) -> None:
    truth = corners_from_xywhr(np.array([[100.0, 100, 80, 16, 0.0]]))
    path = blob_scene(tmp_path / "a.tif", (200, 200), truth, transform=utm_transform(), crs=UTM52)
    scores = []
    for luck in (0.0, 0.1):
        with open_scene(path) as scene:
            detector = BlobDetector(card=replace(CARD, luck=luck))
            found = find_objects(scene, detector)  # type: ignore[arg-type]
        scores.append(float(found.detections.scores[0]))
    assert scores[0] - scores[1] == pytest.approx(0.1, abs=1e-6)  # one look


def test_a_stack_on_a_ship_is_deck_cargo() -> None:
    boxes = [(100, 100, 120, 30, 0.2), (100, 100, 60, 20, 0.2), (160, 100, 60, 20, 0.2)]
    corners = corners_from_xywhr(np.array(boxes, np.float64))
    classes = np.array([PORT.id("ship"), *[PORT.id("container_stack")] * 2], np.int64)
    boxes_ = Boxes(corners, np.ones(3, np.float32), classes)
    # The second block lies wholly on the hull, a quarter of the third does.
    assert find_deck_cargo(boxes_).tolist() == [False, True, False]


def test_the_surer_of_a_ship_and_the_stacks_in_it_is_right() -> None:
    boxes = [(100, 100, 120, 30, 0.2), (80, 96, 60, 26, 0.2), (130, 106, 50, 26, 0.2)]
    corners = corners_from_xywhr(np.array(boxes, np.float64))
    classes = np.array([PORT.id("ship"), *[PORT.id("container_stack")] * 2], np.int64)

    def claims(*scores: float) -> tuple[list[bool], list[bool]]:
        found = Boxes(corners, np.array(scores, np.float32), classes)
        return find_yards(found).tolist(), find_deck_cargo(found).tolist()

    assert claims(0.9, 0.5, 0.5) == ([False] * 3, [False, True, True])
    assert claims(0.5, 0.9, 0.5) == ([False] * 3, [False, False, True])  # two fifths of the hull
    assert claims(0.5, 0.9, 0.6) == ([True, False, False], [False] * 3)
    assert claims(0.5, 0.5, 0.5) == ([False] * 3, [False, True, True])


def test_a_yard_is_not_counted_as_a_ship_and_said(tmp_path: Path) -> None:
    class Both(BlobDetector):
        """Every blob is a ship to it, and a little more a stack."""

        def decode(self, raw: np.ndarray) -> list[Boxes]:
            return [
                Boxes.concatenate(
                    [
                        Boxes(one.corners, one.scores * np.float32(0.9), one.class_ids),
                        Boxes(one.corners, one.scores, np.ones_like(one.class_ids)),
                    ]
                )
                for one in super().decode(raw)
            ]

    truth = corners_from_xywhr(np.array([[100.0, 100, 80, 16, 0.0]]))
    path = blob_scene(tmp_path / "a.tif", (200, 200), truth, transform=utm_transform(), crs=UTM52)
    with open_scene(path) as scene:
        found = find_objects(scene, Both())  # type: ignore[arg-type]
    assert found.detections.class_ids.tolist() == [PORT.id("container_stack")]
    assert not found.detections.on_ship.any()
    assert found.yards == 1


def test_a_table_goes_to_a_geodataframe_and_back(tmp_path: Path) -> None:
    path = blob_scene(
        tmp_path / "a_2023-10-13.tif",
        (600, 600),
        _fleet(600, 600),
        transform=utm_transform(),
        crs=UTM52,
    )
    found = _predict(path)
    back = Detections.from_geodataframe(found.to_geodataframe())
    for name in ("corners", "map_corners", "scores", "class_ids", "length_m", "on_ship"):
        assert np.array_equal(getattr(found, name), getattr(back, name)), name
    assert (back.scene_id, back.acquired) == (found.scene_id, found.acquired)
    none = found.select(np.zeros(len(found), bool))
    assert len(Detections.from_geodataframe(none.to_geodataframe(), scene_id=found.scene_id)) == 0
