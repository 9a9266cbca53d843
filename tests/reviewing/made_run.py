"""A run of two scenes of bright ships, and hands that edit its GeoPackages as QGIS does."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from detector.geometry.boxes import corners_from_xywhr
from detector.models.detector import DetectorSettings
from detector.prediction import batch
from detector.prediction.batch import BatchSettings, predict_paths
from tests.inference.blobs import BlobDetector, blob_scene
from tests.scenes.rasters import UTM52, utm_transform

NAMES = ("port_2026-09-02T02-10-00Z.tif", "port_2026-09-04T02-10-00Z.tif")
SIZE = (420, 300)
SHIPS = ((200, 250), (120, 150), (300, 150))  # middles in the order of the rows; the first lies
# outside the zone
LENGTH_PX, WIDTH_PX = 140, 24


def make_run(home: Path, *, shift_px: float = 4.0) -> Path:
    """Scenes, zones, a site and a run; three ships of 70 m a scene, two of them in the zone."""
    for at, name in enumerate(NAMES):
        places = np.array([(x + shift_px * at, y, LENGTH_PX, WIDTH_PX, 0.0) for x, y in SHIPS])
        blob_scene(
            home / name, SIZE, corners_from_xywhr(places), transform=utm_transform(), crs=UTM52
        )
    corners = [utm_transform() @ xy for xy in ((5, 80), (415, 80), (415, 220), (5, 220))]
    zone = gpd.GeoDataFrame(
        {"name": ["pier"], "kind": ["berth"]}, geometry=[shapely.Polygon(corners)], crs=UTM52
    )
    zone.to_file(home / "zones.geojson")
    (home / "site.yaml").write_text("name: port\nzones: zones.geojson\n", encoding="utf-8")
    return predict_again(home)


def predict_again(home: Path, *, overwrite: bool = False) -> Path:
    """Predict the scenes of a home: bright blobs are ships."""
    settings = BatchSettings(
        paths=tuple(str(home / name) for name in NAMES),
        out=home / "run",
        detector=DetectorSettings(weights="blobs"),
        zones=str(home / "zones.geojson"),
        overwrite=overwrite,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "load_detector", lambda settings: BlobDetector())
        predict_paths(settings)
    return home / "run"


def geopackages(run: Path) -> list[Path]:
    """Of the scenes, in order of time."""
    return sorted(run.glob("*/detections.gpkg"))


def outline(x: float, y: float, length: float, width: float, angle: float = 0.0) -> shapely.Polygon:
    """A box in map coordinates, given by its middle and size in pixels."""
    box = corners_from_xywhr(np.array([(x, y, length, width, angle)]))[0]
    return shapely.Polygon([utm_transform() @ point for point in box.tolist()])


def edit(path: Path, query: str, *values: object) -> None:
    """Change rows of a GeoPackage as QGIS does: in place, with SQL."""
    with closing(sqlite3.connect(path)) as opened, opened:
        _without_triggers(opened)
        opened.execute(query, values)


def _without_triggers(opened: sqlite3.Connection) -> None:
    """The index's triggers need functions that only GDAL and QGIS bring."""
    names = opened.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for (name,) in names:
        opened.execute(f'DROP TRIGGER "{name}"')


def redraw(path: Path, fid: int, shape: shapely.Geometry) -> None:
    """Move the box in a row."""
    edit(path, "UPDATE detections SET geom = ? WHERE fid = ?", _blob(path, shape), fid)


def draw(path: Path, shape: shapely.Geometry, **columns: object) -> None:
    """Draw a box: a row with what the form gives and nothing else."""
    names = ", ".join(f'"{name}"' for name in ("geom", *columns))
    marks = ", ".join("?" * (len(columns) + 1))
    query = f"INSERT INTO detections ({names}) VALUES ({marks})"  # noqa: S608 - ours
    edit(path, query, _blob(path, shape), *columns.values())


def _blob(path: Path, shape: shapely.Geometry) -> bytes:
    """Geometry as GeoPackage has it: its header of the first row, without an envelope, and WKB."""
    with closing(sqlite3.connect(path)) as opened:
        (first,) = opened.execute("SELECT geom FROM detections LIMIT 1").fetchone()
    return first[:3] + bytes([first[3] & ~0x0E]) + first[4:8] + shapely.to_wkb(shape, byte_order=1)
