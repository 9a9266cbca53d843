"""The scale of a scene from its containers: exact yards, nothing to measure, the second reading."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray

from detector.boxes.scored import Boxes
from detector.geometry.boxes import as_corners, corners_from_xywhr, order_corners
from detector.geometry.frames import FilePixels
from detector.inference.pipeline import PipelineSettings, find_objects, settle_scale
from detector.inference.ruler import ScaleEstimate, measure_scale
from detector.models.detector import DetectorSettings
from detector.prediction import batch
from detector.prediction.batch import BatchSettings, predict_paths
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions
from tests.inference.blobs import CARD, BlobDetector, blob_scene
from tests.scenes.rasters import write_raster
from tests.stacks.yards import BARE, found, yard

ASKED = PipelineSettings(estimate_gsd=True)
SIDE_M = 230.0
CENTRES_M = tuple((x, y) for y in (25, 70, 115, 160, 205) for x in (60, 170))
SHIPS = corners_from_xywhr(np.array([[150.0, 100, 120, 20, 0.3], [420, 300, 90, 16, 1.2]]))


def _yard(folder: Path, gsd_m: float, seed: int) -> tuple[Path, FilePixels]:
    """A picture of ten blocks on black that says no scale, and their true boxes."""
    rng = np.random.default_rng(seed)
    side = round(SIDE_M / gsd_m)
    tiers = [rng.integers(1, 4, rng.integers((4, 5), (8, 10))) for _ in CENTRES_M]
    scene = yard(
        dict(zip(CENTRES_M, tiers, strict=True)),
        replace(BARE, width=side, height=side, gsd_m=gsd_m),
    )
    corners = found(scene).corners
    inside = np.zeros((side, side), np.uint8)
    cv2.fillPoly(inside, [np.rint(box).astype(np.int32) for box in corners], 1)
    values = np.moveaxis(np.maximum(scene.rgb, 40) * inside[..., None], -1, 0)
    return write_raster(folder / f"yard_{seed}.tif", values, crs=None), corners


@dataclass
class BlockDetector(BlobDetector):
    """What is not black is a container stack, from so many read pixels of width on."""

    score: float = 0.9
    least_px: float = 0.0

    def decode(
        self, raw: NDArray[np.uint8], conf: NDArray[np.float32] | None = None
    ) -> list[Boxes]:
        conf = self.conf if conf is None else conf
        return [self._blocks(tile) if self.score >= conf[1] else Boxes.empty() for tile in raw]

    def _blocks(self, tile: NDArray[np.uint8]) -> Boxes:
        lit = (tile.max(axis=2) > 20).astype(np.uint8)
        contours, _ = cv2.findContours(lit, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        rects = [cv2.minAreaRect(contour) for contour in contours]
        large = [
            cv2.boxPoints(rect) + 0.5 for rect in rects if min(rect[1]) > max(5, self.least_px)
        ]
        boxes = order_corners(as_corners(large))
        ones = np.ones(len(boxes))
        return Boxes(boxes, (self.score * ones).astype(np.float32), ones.astype(np.int64))


def _blocks(**changes: float) -> BlockDetector:
    return BlockDetector(card=replace(CARD, tile_px=640), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("gsd_m", [0.3, 0.45, 0.6])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_scale_of_a_yard_is_measured(tmp_path: Path, gsd_m: float, seed: int) -> None:
    path, corners = _yard(tmp_path, gsd_m, seed)
    with open_scene(path) as scene:
        said = measure_scale(scene, corners, np.ones(len(corners), np.float32))
    assert said is not None
    assert said.gsd_m == pytest.approx(gsd_m, rel=0.05)
    assert said.low_m < gsd_m < said.high_m
    assert said.is_sure
    assert said.blocks == len(CENTRES_M)


def test_boxes_without_rows_tell_no_scale(tmp_path: Path) -> None:
    noise = np.random.default_rng(3).normal(120, 20, (1, 512, 512)).clip(1, 255).astype(np.uint8)
    path = write_raster(tmp_path / "noise.tif", noise, crs=None)
    boxes = [(x, y, 110, 50, 0.1) for x in (80, 250, 420) for y in (60, 180, 300, 420)]
    corners = FilePixels(corners_from_xywhr(np.array(boxes, np.float64)))
    with open_scene(path) as scene:
        said = measure_scale(scene, corners, np.ones(len(corners), np.float32))
        small = measure_scale(scene, FilePixels(corners[:, :] * 0.02), np.ones(12, np.float32))
    assert said is not None
    assert not said.is_sure
    assert small is None


def test_few_blocks_are_not_believed() -> None:
    sure = ScaleEstimate(0.5, 0.46, 0.54, support=0.99, blocks=8)
    assert sure.is_sure
    assert not replace(sure, blocks=7).is_sure
    assert not replace(sure, support=0.94).is_sure


@pytest.mark.parametrize(
    ("gsd_m", "gain", "fits"),
    [
        (0.3, 0.1, True),  # nothing is asked of a usual scale
        (0.49, 9.0, True),
        (0.55, 1.09, False),  # half way between 0.95 at 0.5 m and 1.25 at 0.6 m
        (0.55, 1.11, True),
        (0.8, 1.24, False),
        (0.8, 1.26, True),
        (0.15, 1.1, False),
        (0.15, 0.9, True),
    ],
)
def test_a_scale_fits_what_enlarging_shows(gsd_m: float, gain: float, fits: bool) -> None:
    assert ScaleEstimate(gsd_m, 0.9 * gsd_m, 1.1 * gsd_m, 1.0, 9).fits(gain) == fits


def test_a_scale_that_enlarging_denies_is_not_taken(tmp_path: Path) -> None:
    # Blocks are as sure at any size here, so nothing is gained: no scene of 0.7 m a pixel.
    path, _ = _yard(tmp_path, 0.7, 1)
    detector = _blocks()
    with open_scene(path) as scene:
        seen = find_objects(scene, detector, ASKED)  # type: ignore[arg-type]
        assert seen.scale is not None
        assert seen.scale.is_sure
        assert not settle_scale(scene, detector, seen, ASKED)  # type: ignore[arg-type]
        assert scene.info.gsd_source == "unknown"


def test_a_scene_of_ships_alone_is_read_as_ever(tmp_path: Path) -> None:
    path = blob_scene(tmp_path / "a.tif", (600, 500), SHIPS, transform=Affine.identity(), crs=None)
    read = []
    for estimate in (True, False):
        settings, detector = PipelineSettings(estimate_gsd=estimate), BlobDetector()
        with open_scene(path) as scene:
            seen = find_objects(scene, detector, settings)  # type: ignore[arg-type]
            assert not settle_scale(scene, detector, seen, settings)  # type: ignore[arg-type]
            assert (scene.info.gsd_m, scene.info.gsd_source) == (None, "unknown")
        read.append((seen.detections.corners.tobytes(), len(seen.detections), detector.batches))
    assert read[0] == read[1]
    assert read[0][1] == len(SHIPS)


@pytest.mark.parametrize(("score", "least_px"), [(0.9, 0.0), (0.2, 0.0), (0.9, 46.0)])
def test_blocks_settle_the_scale(tmp_path: Path, score: float, least_px: float) -> None:
    # Low scores show rows too; the last ones are wide enough only where the scene is enlarged.
    path, _ = _yard(tmp_path, 0.45, 1)
    detector = _blocks(score=score, least_px=least_px)
    with open_scene(path) as scene:
        seen = find_objects(scene, detector, ASKED)  # type: ignore[arg-type]
        assert settle_scale(scene, detector, seen, ASKED)  # type: ignore[arg-type]
        info = scene.info
        assert (info.gsd_source, info.gsd_m) == ("estimated", pytest.approx(0.45, rel=0.05))
        assert not settle_scale(scene, detector, seen, ASKED)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="estimated already"):
            scene.settle_gsd(0.3, (0.2, 0.4))
    told = SceneOptions(gsd_m=0.45)
    with open_scene(path, told) as scene:
        assert not len(find_objects(scene, detector, ASKED).blocks)  # type: ignore[arg-type]
    off = PipelineSettings(estimate_gsd=False)
    with open_scene(path) as scene:
        seen = find_objects(scene, detector, off)  # type: ignore[arg-type]
        assert not settle_scale(scene, detector, seen, off)  # type: ignore[arg-type]


def test_an_estimated_scene_is_read_as_if_told_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = _yard(tmp_path, 0.45, 2)
    detector = _blocks()
    monkeypatch.setattr(batch, "load_detector", lambda settings: detector)

    def run(name: str, scene: SceneOptions) -> batch.RunSummary:
        paths, settings = (str(path),), DetectorSettings("blobs")
        asked = BatchSettings(paths, tmp_path / name, settings, scene=scene, pipeline=ASKED)
        return predict_paths(asked)

    alone = run("alone", SceneOptions())
    record = alone.records[0]
    assert record.gsd_source == "estimated"
    assert record.gsd_m == pytest.approx(0.45, rel=0.05)
    assert record.gsd_low_m is not None
    assert record.gsd_high_m is not None
    assert record.gsd_low_m < 0.45 < record.gsd_high_m
    assert set(alone.counts[0]["gsd_source"]) == {"estimated"}
    (said,) = [text for text in record.warnings if "estimated from container rows" in text]
    assert said.startswith(f"about {record.gsd_m:.2f} m a pixel ({record.gsd_low_m:.2f} to ")
    told = run("told", SceneOptions(gsd_m=record.gsd_m))
    assert set(told.counts[0]["gsd_source"]) == {"given"}
    same = ["class", "length_class", "count", "area_m2", "status"]
    assert told.counts[0][same].equals(alone.counts[0][same])
    assert told.records[0].tiles == record.tiles
    assert run("alone", SceneOptions()).resumed == 1
