"""A hole gives the same counts whatever marks it, and the same as cutting it out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
import shapely.affinity
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from detector.counting.counts import count_scene
from detector.counting.zones import Zone
from detector.geometry.boxes import corners_from_xywhr
from detector.inference.pipeline import PipelineSettings, predict_scene
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneOptions
from tests.inference.blobs import BlobDetector
from tests.scenes.rasters import utm_transform, write_raster

WIDTH, HEIGHT = 420, 300
WATER, SHIP = 40, 250
MARKS = {"nan": np.nan, "inf": np.inf, "lowest": -3.4e38, "nodata-float": -9999.0}
HOLES = ("nodata", "option", "zeros", "collar", "mask", "alpha", *MARKS)
CLOUDS = ("cloud", "SCL", "udm2")
SIDES = ("left", "right", "top", "bottom")


def _ships(seed: int) -> NDArray[np.uint8]:
    """Water with twelve ships of 60 by 14 pixels, whole and apart."""
    band = np.full((HEIGHT, WIDTH), WATER, np.uint8)
    angles = np.random.default_rng(seed).uniform(0, np.pi, 12)
    places = [(60 + 100 * (i % 4), 50 + 100 * (i // 4)) for i in range(12)]
    boxes = np.array([(x, y, 60, 14, a) for (x, y), a in zip(places, angles, strict=True)])
    for ship in corners_from_xywhr(boxes):
        cv2.fillPoly(band, [np.rint(ship).astype(np.int32)], SHIP)
    band[0, 0] = band[-1, -1] = WATER + 1
    return band


def _hole(side: str, size: int) -> tuple[slice, slice]:
    """Rows and columns of a strip along one side."""
    rows, columns = slice(0, HEIGHT), slice(0, WIDTH)
    if side in ("left", "right"):
        columns = slice(0, size) if side == "left" else slice(WIDTH - size, WIDTH)
    else:
        rows = slice(0, size) if side == "top" else slice(HEIGHT - size, HEIGHT)
    return rows, columns


def _write(
    folder: Path, way: str, band: NDArray[np.uint8], hole: tuple[slice, slice]
) -> tuple[Path, SceneOptions]:
    """A scene with a hole that is marked in one way."""
    inside = np.zeros(band.shape, np.bool_)
    inside[hole] = True
    marked = 255 * (~inside).astype(np.uint8)
    values: NDArray[Any] = np.repeat(np.where(inside, WATER, band)[None], 3, axis=0)
    more: dict[str, Any] = {}
    if way in ("nodata", "option", "zeros", "collar"):
        values[:, inside] = 0
        values = values.astype(np.uint16) if way == "zeros" else values
        more = {"nodata": 0} if way == "nodata" else {}
    elif way == "mask":
        more["mask"] = marked
    elif way == "alpha":
        values = np.concatenate([values, marked[None]])
        more = {"photometric": "RGB", "alpha": "YES"}
    elif way in MARKS:
        values = np.where(inside, np.float32(MARKS[way]), values.astype(np.float32))
        more = {"nodata": MARKS[way]} if way == "nodata-float" else {}
    elif way in CLOUDS:
        bands = np.zeros((8 if way == "udm2" else 1, *band.shape), np.uint8)
        bands[0] = 6 if way == "SCL" else 0
        bands[5 if way == "udm2" else 0, inside] = 9 if way == "SCL" else 1
        write_raster(folder / f"{way}_{way}.tif", bands)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        path = write_raster(folder / f"{way}.tif", values, **more)
    clouds = "auto" if way in CLOUDS else "clear"
    return path, SceneOptions(nodata=0 if way == "option" else None, clouds=clouds)


def _counted(path: Path, options: SceneOptions, zones: list[Zone]) -> pd.DataFrame:
    with open_scene(path, options) as scene:
        found = predict_scene(scene, BlobDetector(), PipelineSettings(readers=1))
        table, _ = count_scene(scene, found, zones, in_model_range=True)
    return table[table["class"] == "ship"].drop(columns=["scene_id"]).reset_index(drop=True)


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(side=st.sampled_from(SIDES), size=st.integers(40, 110), seed=st.integers(0, 99))
def test_a_hole_by_any_way_and_cut_out_counts_the_same(
    tmp_path: Path, side: str, size: int, seed: int
) -> None:
    band, hole = _ships(seed), _hole(side, size)
    zones = [
        Zone("seen", "berth", shapely.box(112, 112, 308, 188)),
        Zone("half", "berth", shapely.box(0, 0, WIDTH, HEIGHT)),
    ]
    tables = {way: _counted(*_write(tmp_path, way, band, hole), zones) for way in (*HOLES, *CLOUDS)}
    first = tables["nodata"]
    share = band[hole].size / band.size
    half = first[first["zone"] == "half"]
    assert half["observed_fraction"].tolist() == pytest.approx([1 - share] * len(half), abs=0.01)
    assert set(half["status"]) == {"partial"}
    assert set(first.loc[first["zone"] == "seen", "status"]) == {"observed"}
    assert first["count"].max() >= 4
    for way, table in tables.items():
        pd.testing.assert_frame_equal(table, first, check_exact=False, rtol=0.02, obj=way)
        assert table["count"].tolist() == first["count"].tolist(), way
    left, top = (size if side == name else 0 for name in ("left", "top"))
    rows = slice(top, HEIGHT - (size if side == "bottom" else 0))
    columns = slice(left, WIDTH - (size if side == "right" else 0))
    path = write_raster(
        tmp_path / "cut.tif",
        np.repeat(band[None, rows, columns], 3, axis=0),
        transform=utm_transform() @ Affine.translation(left, top),
    )
    moved = [
        Zone(
            zone.name, zone.kind, shapely.transform(zone.shape, lambda points: points - [left, top])
        )
        for zone in zones
    ]
    cut = _counted(path, SceneOptions(clouds="clear"), moved)
    assert cut["count"].tolist() == first["count"].tolist()
