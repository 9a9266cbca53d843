"""The GeoPackage of a scene as the review of it: what QGIS, or any GIS, left in it.

`verdict` and `comment` are columns of the layer `detections`; boxes are deleted, moved and drawn
there; `reviewed` is a column of `zones`, `scenes` and, in an export, of `sample`: somebody looked
at all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError
from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.geometry.base import BaseGeometry

from detector.classes import PORT, ClassSet
from detector.documents import computed_tables
from detector.export.geopackage import REVIEW_COLUMNS, add_layer
from detector.export.records import SceneRecord
from detector.geometry.boxes import Corners, as_corners
from detector.geometry.frames import FilePixels
from detector.geometry.geodesy import apply_transform
from detector.reviewing.errors import ReviewError
from detector.reviewing.sheet import VERDICTS, Sheet, SheetRow, Told, sheet_of, squared

SAMPLE_LAYER: Final = "sample"
LEAST_SIDE_PX: Final = 1.0


@dataclass(frozen=True, slots=True)
class Marked:
    """A part of a scene that somebody marked as looked at.

    Attributes:
        name: of the zone or the chip; empty of the whole scene.
        of: layer, `zones`, `scenes` or `sample`.
        shape: file pixels.
    """

    name: str
    of: str
    shape: BaseGeometry


@dataclass(frozen=True, slots=True)
class ReviewedScene:
    """What a GeoPackage says of its scene.

    Attributes:
        sheet: its boxes in file pixels; the picture is the scene.
        marked: what was looked at as a whole.
    """

    sheet: Sheet
    marked: tuple[Marked, ...]


def read_geopackage(path: Path, record: SceneRecord, classes: ClassSet = PORT) -> ReviewedScene:
    """Read the GeoPackage of a scene after a person has worked on it.

    Args:
        path: of the file.
        record: of the scene.
        classes: of the run.

    Raises:
        ReviewError: a layer or a column is missing, or a box has no outline, no class or no
            verdict that is one; names the row as QGIS counts it.
    """
    frame = _layer(path, "detections")
    missing = [name for name in (*REVIEW_COLUMNS, "class", "scene_id") if name not in frame.columns]
    if missing:
        raise ReviewError(
            f"{path}: the layer detections has no column {missing[0]}; an earlier version wrote "
            "it, or a tool dropped it: delete the file and run detector predict again with the "
            "same out=, which writes it anew"
        )
    scenes = _layer(path, "scenes")
    rows = _rows(frame, path, record)
    size = record.width or 0, record.height or 0
    marked = [
        *_marked(scenes, "", "scenes", record),
        *_marked(_layer(path, "zones"), "name", "zones", record),
    ]
    if SAMPLE_LAYER in _layers(path):
        marked += _marked(_layer(path, SAMPLE_LAYER), "image", SAMPLE_LAYER, record)
    reviewers = scenes["reviewer"].dropna().tolist() if "reviewer" in scenes.columns else []
    who = _text(reviewers[0]) if reviewers else ""
    sheet = sheet_of(record.scene_id, size, rows, classes, Told(who=who))
    return ReviewedScene(sheet, tuple(marked))


def scene_of_geopackage(path: Path) -> str:
    """The id of the scene that a GeoPackage is of.

    Raises:
        ReviewError: it says none, or several.
    """
    scenes = _layer(path, "scenes")
    told = sorted({str(name) for name in scenes.get("scene_id", pd.Series()).dropna()})
    if len(told) != 1:
        raise ReviewError(
            f"{path}: the layer scenes names {len(told)} scenes; it has to name the one that the "
            "boxes are of"
        )
    return told[0]


def _layers(path: Path) -> set[str]:
    try:
        return {str(name) for name, _ in pyogrio.list_layers(path)}
    except (DataSourceError, DataLayerError, OSError, ValueError) as error:
        raise ReviewError(f"{path}: no GeoPackage that can be read ({error})") from error


def _layer(path: Path, name: str) -> gpd.GeoDataFrame:
    if name in computed_tables(path):
        raise ReviewError(
            f"{path}: the layer {name} is computed while it is read (a view, or a generated "
            "column), so no layer that detector predict wrote; take the file of the run"
        )
    try:
        # with a condition GDAL counts the rows; else it believes a number that tools let get stale
        return gpd.read_file(path, layer=name, fid_as_index=True, where="1 = 1")
    except (DataSourceError, DataLayerError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ReviewError(
            f"{path}: no layer {name} can be read ({reason}); delete the file and run detector "
            "predict again with the same out=, which writes it anew"
        ) from error


def _rows(frame: gpd.GeoDataFrame, path: Path, record: SceneRecord) -> list[SheetRow]:
    outlines = [
        _outline(shape, f"{path}, detections, row {fid}")
        for fid, shape in zip(frame.index, frame.geometry, strict=True)
    ]
    corners = as_corners([squared(_to_pixels(points, frame.crs, record)) for points in outlines])
    _check_sides(corners, frame, path)
    names = _own_ids(frame, record)
    rows = []
    for at, (fid, row) in enumerate(zip(frame.index, frame.to_dict("records"), strict=True)):
        where = f"{path}, detections, row {fid}"
        verdict = _text(row["verdict"])
        if verdict not in VERDICTS:
            raise ReviewError(
                f"{where}: '{verdict}' is no verdict; write real, false or doubtful, or leave it "
                "empty"
            )
        if not _text(row["class"]):
            raise ReviewError(f"{where}: a box without a class; give it one, or delete it")
        comment = "" if _text(row["comment"]) == "" else str(row["comment"]).strip()
        rows.append(SheetRow(_text(row["class"]), corners[at], names[at], verdict, comment))
    return rows


def _own_ids(frame: gpd.GeoDataFrame, record: SceneRecord) -> list[str]:
    """The ids of the boxes; a copy of a box that was pasted elsewhere has none of its own.

    The original is the one in the row in which the run wrote it. Two copies in one place stay two
    of one name, which is refused.
    """
    names = [_text(name) for name in frame["box"]]
    wrote = [f"{record.scene_id}#{int(fid) - 1}" for fid in frame.index]
    shapes = frame.geometry.to_numpy()
    own = []
    for at, name in enumerate(names):
        first = next((i for i, other in enumerate(names) if other == name == wrote[i]), at)
        elsewhere = first != at and not shapely.equals(shapes[at], shapes[first])
        own.append("" if name and elsewhere else name)
    return own


def _outline(shape: Any, where: str) -> NDArray[np.float64]:
    """The corners of a box, the first not repeated."""
    if shape is None or shape.is_empty:
        raise ReviewError(f"{where}: a box without an outline; draw it, or delete the row")
    parts = shapely.get_parts(shape)
    if len(parts) != 1 or parts[0].geom_type != "Polygon":
        raise ReviewError(
            f"{where}: a box is one polygon, not {shape.geom_type} of {len(parts)} parts"
        )
    points = shapely.get_coordinates(parts[0].exterior)[:-1]
    if not np.isfinite(points).all():
        raise ReviewError(f"{where}: a corner of the box is not finite")
    return np.asarray(points, np.float64)


def _to_pixels(
    points: NDArray[np.float64], crs: CRS | None, record: SceneRecord
) -> NDArray[np.float64]:
    if crs is not None and record.crs is not None and not _is(crs, record.crs):
        moved = gpd.GeoSeries(gpd.points_from_xy(*points.T), crs=crs).to_crs(record.crs)
        points = np.stack([moved.x, moved.y], axis=1)
    return apply_transform(~_transform(record), points)


def _is(crs: CRS, wanted: str) -> bool:
    try:
        return bool(CRS(crs).equals(CRS.from_user_input(wanted), ignore_axis_order=True))
    except CRSError:
        return False


def _transform(record: SceneRecord) -> Affine:
    return Affine(*record.transform) if record.crs is not None else Affine.identity()


def _check_sides(corners: Corners, frame: gpd.GeoDataFrame, path: Path) -> None:
    for fid, box in zip(frame.index, corners, strict=True):
        sides = np.linalg.norm(box[1:3] - box[0:2], axis=1)
        if sides.min() < LEAST_SIDE_PX:
            raise ReviewError(
                f"{path}, detections, row {fid}: a box of {sides.max():.1f} by {sides.min():.1f} "
                "pixels shows nothing; draw it anew, or delete it"
            )


def _marked(frame: gpd.GeoDataFrame, name: str, layer: str, record: SceneRecord) -> list[Marked]:
    if "reviewed" not in frame.columns:
        return []
    marked = []
    chosen = frame[frame["reviewed"].fillna(False).astype(bool)]
    for row, shape in zip(chosen.to_dict("records"), chosen.geometry, strict=True):
        if shape is None or shape.is_empty:
            continue  # a zone that lies elsewhere: nothing of it is in this scene
        inside = shapely.transform(shape, lambda points: _to_pixels(points, frame.crs, record))
        marked.append(Marked(_text(row[name]) if name else "", layer, inside))
    return marked


def add_sample_layer(
    path: Path, record: SceneRecord, chips: Sequence[tuple[str, tuple[float, float, float, float]]]
) -> None:
    """Add the layer `sample` to a GeoPackage: chips that a person is asked to look at.

    Args:
        path: of a file that `write_geopackage` wrote.
        record: of its scene.
        chips: name of each and its bounds in file pixels.

    Raises:
        OutputError: it cannot be written.
    """
    transform = _transform(record)
    shapes = [
        shapely.transform(shapely.box(*bounds), lambda points: apply_transform(transform, points))
        for _, bounds in chips
    ]
    table = {"image": [name for name, _ in chips], "reviewed": np.zeros(len(chips), np.bool_)}
    layer = gpd.GeoDataFrame(table, geometry=shapes, crs=record.crs)
    add_layer(path, SAMPLE_LAYER, layer, record)


def to_file(corners: Corners) -> FilePixels:
    """The picture of a GeoPackage is the scene."""
    return FilePixels(corners)


def _text(value: Any) -> str:
    return "" if value is None or pd.isna(value) else " ".join(str(value).split())
