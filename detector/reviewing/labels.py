"""Labels for training, of the parts of scenes that somebody looked at as a whole.

Only there is what has no box background. A place stays on its side of the split: scenes within
`PLACE_KM` of each other are one place, and which side it is on stands in `places.json`, decided
once. Places that are held out are for measuring; `detector train` leaves them out.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
import pandas as pd
import shapely
from affine import Affine
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from detector.classes import ClassSet
from detector.data.borders import paint_over, settle
from detector.data.convert import convert
from detector.data.labelled import LabelledImage, Labelling
from detector.documents import DocumentError, read_json
from detector.export.records import SceneRecord
from detector.export.tables import write_json
from detector.files import atomic_folder, atomic_path, file_part, prepare_folder
from detector.geometry.boxes import Corners, as_corners, polygons
from detector.geometry.geodesy import GEOD, apply_transform, lonlat
from detector.geometry.windows import PixelWindow
from detector.reviewing.correct import SAID, corners_of, correct
from detector.reviewing.errors import ReviewError
from detector.reviewing.exporting import open_again
from detector.reviewing.ledger import Review, check_version, of_scene
from detector.reviewing.runs import ReviewedRun
from detector.scenes.scene import Scene

PLACES_FILE: Final = "places.json"
FORMAT: Final = 1
SOURCE: Final = "review"
PLACE_KM: Final = 20.0  # a port with its roads and railheads is smaller
HELD_OUT_OF: Final = 5  # places, of which one is for measuring
SIDE_PX: Final = 1024
LEAST_SHARE: Final = 0.2  # of an image that was looked at; less teaches nothing
NOT_LOOKED_AT: Final = 128  # grey, as where nothing was seen
LONGEST_NAME: Final = 60

Side = Literal["auto", "train", "dev"]


@dataclass(frozen=True, slots=True)
class Place:
    """A place, and the side of the split that it is on.

    Attributes:
        name: by its first scene.
        lon: degrees; None where the scene has no CRS.
        lat: degrees.
        split: `train` or `dev`.
    """

    name: str
    lon: float | None
    lat: float | None
    split: Literal["train", "dev"]


@dataclass(frozen=True, slots=True)
class Written:
    """What was written.

    Attributes:
        images: by split.
        folder: of the dataset.
    """

    images: dict[str, int]
    folder: Path


def write_labels(review: Review, run: ReviewedRun, out: Path, side: Side = "auto") -> Written:
    """Write the looked-at parts of a run as a YOLO-OBB dataset in a folder of their own.

    Args:
        review: of the run.
        run: itself; its scenes must be there.
        out: folder of all reviewed labels: one dataset a run, and `places.json`.
        side: of new places; `auto` holds out one of `HELD_OUT_OF`, by its name.

    Raises:
        ReviewError: nothing was looked at as a whole, or `places.json` is damaged.
        SceneError: a scene is gone or damaged.
        OutputError: the folder cannot be written.
    """
    prepare_folder(out, mark=True)
    places = read_places(out)
    folder = out / file_part(run.folder.resolve().name, LONGEST_NAME)
    with tempfile.TemporaryDirectory(dir=out, prefix=".unfinished-") as scratch:
        images = []
        for scene_id in review.scenes:
            place = _place_of(run.records[scene_id], places, side)
            images += list(_images(review, run, scene_id, place, Path(scratch)))
        if not images:
            raise ReviewError(
                f"{run.folder}: nobody looked at a part of a scene as a whole, so nothing says "
                "where background is; mark zones, scenes or pictures as looked at, and import "
                "again"
            )
        with atomic_folder(folder) as temporary:
            convert(images, temporary)
    write_json(out / PLACES_FILE, {"format": FORMAT, "places": [asdict(place) for place in places]})
    counts = {split: sum(image.split == split for image in images) for split in ("train", "dev")}
    return Written(counts, folder)


def read_places(out: Path) -> list[Place]:
    """The places of a folder of reviewed labels; none where it is new.

    Raises:
        ReviewError: its `places.json` is damaged or of a newer version.
    """
    path = out / PLACES_FILE
    if not path.is_file():
        return []
    try:
        content: Any = read_json(path)
        check_version(content, FORMAT, str(path))
        return _places.validate_python(content["places"])
    except (OSError, DocumentError, KeyError, ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ReviewError(
            f"{path}: cannot be read ({reason}), and it says which places are held out; put it back"
        ) from error


_places: TypeAdapter[list[Place]] = TypeAdapter(list[Place])


def _place_of(record: SceneRecord, places: list[Place], side: Side) -> Place:
    """The place of a scene; a new one is added to the list."""
    if record.crs is None:
        name, lon, lat = f"scene {record.name}", None, None
        known = next((one for one in places if one.name == name), None)
    else:
        middle = np.array([(record.width or 0) / 2, (record.height or 0) / 2])
        lon, lat = lonlat(apply_transform(Affine(*record.transform), middle), record.crs).tolist()
        name = f"{lat:.2f} {lon:.2f}"
        known = next((one for one in places if _is_near(one, lon, lat)), None)
    if known is not None:
        return known
    held_out = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % HELD_OUT_OF == 0
    split: Any = side if side != "auto" else ("dev" if held_out else "train")
    places.append(Place(name, lon, lat, split))
    return places[-1]


def _is_near(place: Place, lon: float, lat: float) -> bool:
    if place.lon is None or place.lat is None:
        return False
    _, _, metres = GEOD.inv(place.lon, place.lat, lon, lat)
    return bool(metres <= 1000 * PLACE_KM)


def _images(
    review: Review, run: ReviewedRun, scene_id: str, place: Place, folder: Path
) -> Iterator[LabelledImage]:
    """The looked-at parts of a scene, in images of at most `SIDE_PX`."""
    statements, looked = of_scene(review, scene_id)
    record = run.records[scene_id]
    frame = box(0, 0, record.width or 0, record.height or 0)
    area = shapely.union_all([one.shape for one in looked]).intersection(frame)
    if area.is_empty:
        return
    table = correct(pd.DataFrame(run.found(scene_id)), statements, record, run.classes)
    # deck cargo is what the network must leave out, so it is background
    table = table[~table["on_ship"].to_numpy(bool) & ~table["unseen"].to_numpy(bool)]
    with open_again(record) as scene:
        for window in _windows(area):
            part = box(*window.bounds)
            shape = area.intersection(part)
            if shape.area >= LEAST_SHARE * part.area:
                yield _image(scene, record, window, shape, table, run.classes, place, folder)


def _windows(area: BaseGeometry) -> Iterator[PixelWindow]:
    x_min, y_min, x_max, y_max = (round(value) for value in area.bounds)
    columns, rows = (max(-(-length // SIDE_PX), 1) for length in (x_max - x_min, y_max - y_min))
    xs = np.linspace(x_min, x_max, columns + 1).round().astype(int).tolist()
    ys = np.linspace(y_min, y_max, rows + 1).round().astype(int).tolist()
    for top, bottom in pairwise(ys):
        for left, right in pairwise(xs):
            if right > left and bottom > top:
                yield PixelWindow(left, top, right - left, bottom - top)


def _image(
    scene: Scene,
    record: SceneRecord,
    window: PixelWindow,
    shape: BaseGeometry,
    table: pd.DataFrame,
    classes: ClassSet,
    place: Place,
    folder: Path,
) -> LabelledImage:
    offset = np.array([window.col, window.row], float)
    corners = corners_of(table) - offset
    class_ids = np.array([classes.id(name) for name in table["class"]], np.int64)
    mine = shapely.contains_xy(shape, *(corners_of(table).mean(axis=1).T))
    doubtful = (table[SAID] == "doubtful").to_numpy(bool)
    bounds = (0.0, 0.0, float(window.width), float(window.height))
    kept = settle(corners[mine & ~doubtful], class_ids[mine & ~doubtful], bounds, classes)
    pixels = scene.read(window).rgb.copy()
    _grey_out(pixels, shape, window)
    beyond = as_corners(corners[~mine & _meets(corners, shape, offset)])
    paint_over(pixels, np.concatenate([kept.painted, beyond]), kept.corners)
    path = folder / f"{record.scene_id}_{window.col}_{window.row}.png"
    _, data = cv2.imencode(".png", np.ascontiguousarray(pixels[..., ::-1]))
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.tobytes())
    return LabelledImage(
        image=path,
        width=window.width,
        height=window.height,
        source=SOURCE,
        split=place.split,
        place=place.name,
        gsd_m=record.gsd_m,
        corners=kept.corners,
        class_ids=kept.class_ids,
        ignored=as_corners(corners[mine & doubtful]),
        ignored_class_ids=class_ids[mine & doubtful],
        classes=classes,
        labelling=(Labelling.ORIENTED,) * len(classes),
    )


def _grey_out(pixels: NDArray[np.uint8], shape: BaseGeometry, window: PixelWindow) -> None:
    """Cover what nobody looked at, in place."""
    inside = np.zeros(pixels.shape[:2], np.uint8)
    for polygon in shapely.get_parts(shape):
        if polygon.geom_type == "Polygon":
            ring = shapely.get_coordinates(polygon.exterior) - (window.col, window.row)
            cv2.fillPoly(inside, [np.rint(ring).astype(np.int32)], 1)
    pixels[inside == 0] = NOT_LOOKED_AT


def _meets(corners: Corners, shape: BaseGeometry, offset: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(shapely.intersects(polygons(corners + offset), shape), np.bool_)
