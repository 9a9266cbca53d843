"""Georeferenced scenes with their labels beside them: `port.tif` and `port.geojson`.

The labels are what a GIS writes: polygons in WGS84 (RFC 7946), or in the CRS that the file names.
`class` says what a polygon is (`ship` where there is no such column), `ignore` that it is neither
right nor wrong. A table `index.csv` may say more of the scenes: their split, place and source, and
by how many pixels outlines lie outside their objects (`grown_px`), as those of coarse masks do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import shapely
import shapely.geometry
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from detector.classes import PORT, ClassSet
from detector.data.files import find_images, unreadable
from detector.data.labelled import DataError, Fault, LabelledImage, Labelling
from detector.documents import DocumentError, read_json, read_rows
from detector.errors import SceneError
from detector.files import is_file
from detector.geometry.boxes import Corners, as_corners
from detector.geometry.geodesy import apply_transform
from detector.geometry.rectangles import min_rectangles
from detector.scenes.scene import open_scene
from detector.scenes.types import SceneInfo, SceneOptions

INDEX: Final = "index.csv"
IMAGE_COLUMN: Final = "image"
GROWN_COLUMN: Final = "grown_px"
INDEX_COLUMNS: Final = frozenset({IMAGE_COLUMN, "split", "place", "source", GROWN_COLUMN})
LEAST_SIDE_PX: Final = 1.0  # of a box from which its outline's margin was taken
LABELS_SUFFIX: Final = ".geojson"
DEFAULT_CLASS: Final = "ship"
Labelled: TypeAlias = tuple[str, bool, NDArray[np.float64]]
WGS84: Final = "OGC:CRS84"
CRS_NAME: Final = re.compile(r"(urn:ogc:def:crs:)?(OGC|EPSG):[\d.]*:?\w+")
DATED: Final = re.compile(r"[_-]?(19|20)\d\d[-_]?\d\d[-_]?\d\d.*$")


def read(
    root: Path, faults: list[Fault] | None = None, classes: ClassSet = PORT
) -> Iterator[LabelledImage]:
    """The scenes of a folder that have labels beside them.

    A class that no label of the folder names may be visible without a box.

    Args:
        root: holds scenes and GeoJSON files of the same stem, and an `index.csv` where splits or
            places are to be known; without it a scene's place is its name without the date.
        faults: gets scenes without labels, and what cannot be read.
        classes: that are looked for, by name; others are no objects here.

    Raises:
        DataError: no scene, or the table is damaged.
        SceneError: a scene cannot be read, and `faults` is None.
    """
    rows = _index(root / INDEX)
    found: list[tuple[Path, SceneInfo, list[Labelled], list[Fault]]] = []
    for path in find_images(root):
        wrong: list[Fault] = []
        labels = path.with_suffix(LABELS_SUFFIX)
        if not is_file(labels):
            _note(faults, Fault(path, 0, f"no {labels.name} beside it"))
            continue
        try:
            with open_scene(path, SceneOptions(as_stored=True)) as scene:
                info = scene.info
            found.append((path, info, _objects(labels, info, wrong), wrong))
        except (SceneError, DataError) as error:
            if faults is None:
                raise
            faults.append(unreadable(path, error))
    named = {name for _, _, objects, _ in found for name, _, _ in objects}
    for path, info, objects, wrong in found:
        yield _image(path, info, objects, wrong, rows.get(path.name, {}), named, classes)


def _image(
    path: Path,
    info: SceneInfo,
    objects: list[Labelled],
    wrong: list[Fault],
    row: Mapping[str, str],
    named: set[str],
    classes: ClassSet,
) -> LabelledImage:
    ids = {name: number for number, name in enumerate(classes.names)}
    mine = [(ids[name], unsure, outline) for name, unsure, outline in objects if name in ids]
    grown_px = float(row.get(GROWN_COLUMN) or 0.0)
    sure = [one for one in mine if not one[1]]
    unsure = [one for one in mine if one[1]]
    return LabelledImage(
        image=path,
        width=info.width,
        height=info.height,
        source=row.get("source") or path.parent.name,
        split=row.get("split", ""),
        place=row.get("place") or DATED.sub("", path.stem) or path.stem,
        gsd_m=info.gsd_m,
        corners=_shrunk(min_rectangles([outline for _, _, outline in sure]), grown_px),
        class_ids=np.array([number for number, _, _ in sure], np.int64),
        ignored=_shrunk(min_rectangles([outline for _, _, outline in unsure]), grown_px),
        ignored_class_ids=np.array([number for number, _, _ in unsure], np.int64),
        labelling=tuple(
            Labelling.ORIENTED if name in named else Labelling.UNLABELLED for name in classes.names
        ),
        faults=tuple(wrong),
        classes=classes,
    )


def _shrunk(corners: Corners, margin_px: float) -> Corners:
    """Boxes less a margin on all four sides, at least `LEAST_SIDE_PX` long and wide."""
    if not margin_px or not len(corners):
        return corners
    centre = corners.mean(axis=1, keepdims=True)
    axes = np.stack([corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0]], axis=1)
    sides = np.linalg.norm(axes, axis=2, keepdims=True)
    halves = axes * np.maximum(sides - 2 * margin_px, LEAST_SIDE_PX) / np.maximum(sides, 1e-9) / 2
    signs = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float64)
    return as_corners(centre + np.einsum("ks,nsd->nkd", signs, halves))


def _objects(labels: Path, info: SceneInfo, wrong: list[Fault]) -> list[Labelled]:
    """Class, doubt and outline `(P, 2)`, file pixels, of every polygon."""
    if info.crs is None or info.transform is None:
        raise DataError(
            f"{info.path}: labels in map coordinates need a scene that is georeferenced"
        )
    features, crs = _features(labels)
    try:
        to_map = Transformer.from_crs(
            CRS.from_user_input(crs), CRS.from_user_input(info.crs), always_xy=True
        )
    except (CRSError, ProjError) as error:
        raise DataError(f"{labels}: its CRS {crs} is no map of the Earth ({error})") from error
    objects: list[Labelled] = []
    for number, feature in enumerate(features, start=1):
        told = feature.get("properties") or {}
        name, unsure = str(told.get("class") or DEFAULT_CLASS), _is_true(told.get("ignore", 0))
        placed = [
            apply_transform(~info.transform, np.stack(to_map.transform(*ring.T), axis=-1))
            for ring in _outlines(feature.get("geometry"))
            if np.isfinite(ring).all()
        ]
        if not placed or not all(np.isfinite(ring).all() for ring in placed):
            wrong.append(Fault(labels, 0, f"feature {number} is no polygon that can be placed"))
            continue
        objects.extend((name, unsure, ring) for ring in placed)
    return objects


def _features(labels: Path) -> tuple[list[dict[str, Any]], str]:
    """The features of a GeoJSON file, and the CRS of its coordinates."""
    try:
        content = read_json(labels)
        features = list(content["features"])
        crs = content["crs"]["properties"]["name"] if content.get("crs") else WGS84
        known = CRS_NAME.fullmatch(crs) is not None
        CRS.from_user_input(crs if known else WGS84)
    except (OSError, DocumentError, CRSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise DataError(f"{labels}: cannot be read as GeoJSON ({e})") from e
    if not known or not all(isinstance(feature, dict) for feature in features):
        raise DataError(f"{labels}: a feature is no object, or the CRS is no name of an authority")
    return features, crs


def _outlines(geometry: object) -> list[NDArray[np.float64]]:
    """Outer rings `(P, 2)` of a polygon, or of the parts of one; none of anything else."""
    try:
        shape = shapely.geometry.shape(geometry)
    except (shapely.errors.ShapelyError, ValueError, TypeError, AttributeError, KeyError):
        return []
    parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
    return [shapely.get_coordinates(shapely.get_exterior_ring(part))[:-1] for part in parts]


def _is_true(value: object) -> bool:
    return str(value).strip().lower() in ("1", "1.0", "true", "yes")


def _index(path: Path) -> dict[str, dict[str, str]]:
    if not is_file(path):
        return {}
    try:
        found, names = read_rows(path)
    except (OSError, DocumentError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    rows = {row[IMAGE_COLUMN]: row for row in found if row.get(IMAGE_COLUMN)}
    columns = set(names)
    if IMAGE_COLUMN not in columns or columns - INDEX_COLUMNS:
        known = ", ".join(sorted(INDEX_COLUMNS))
        raise DataError(
            f"{path}: its columns are {', '.join(sorted(columns))}; it may have {known}"
        )
    for name, row in rows.items():
        if not 0 <= _number(row.get(GROWN_COLUMN) or "0") < np.inf:
            told = row.get(GROWN_COLUMN)
            raise DataError(f"{path}: {GROWN_COLUMN} of {name} is '{told}', no pixels")
    return rows


def _number(text: str) -> float:
    """A number, or NaN where it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _note(faults: list[Fault] | None, fault: Fault) -> None:
    if faults is not None:
        faults.append(fault)
