"""What the review mode of the report's viewer saved, as a review.

The page knows a site in metres east and north of its middle, where the scenes of all dates were
moved onto each other. Each look says by how much, so that what a person drew finds its pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pyproj import CRS, Transformer

from detector.documents import DocumentError, read_json
from detector.export.records import SceneRecord
from detector.geometry.boxes import Corners, as_corners, iou_matrix, order_corners
from detector.geometry.geodesy import apply_transform, local_crs
from detector.reviewing.compare import SAME_IOU
from detector.reviewing.correct import box_ids, corners_of
from detector.reviewing.errors import ReviewError
from detector.reviewing.ledger import Looked, Review, Source, Statement, check_version
from detector.reviewing.runs import ReviewedRun
from detector.reviewing.sheet import Verdict

KIND: Final = "quaywatch review"
FORMAT: Final = 1
BROWSER: Final = "browser"
SHOWN_ONCE_IOU: Final = 0.3  # boxes of two scenes of a day from it on are one on the page

Eight = tuple[float, float, float, float, float, float, float, float]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class SavedBox(_Part):
    """A box of the network, judged; `at` is None where it was not moved."""

    id: str
    verdict: Verdict
    class_name: str = Field(alias="class")
    at: Eight | None
    comment: str


class SavedDrawn(_Part):
    """A box that a person drew."""

    class_name: str = Field(alias="class")
    at: Eight
    verdict: Literal["real", "doubtful"]
    comment: str


class SavedScene(_Part):
    """A scene of a look, and how it was moved."""

    id: str
    shift: tuple[float, float]
    seal: str


class SavedZone(_Part):
    """A zone that somebody looked at as a whole."""

    name: str
    rings: list[list[tuple[float, float]]]


class SavedLook(_Part):
    """One date of a site."""

    day: str
    scenes: list[SavedScene]
    boxes: list[SavedBox]
    drawn: list[SavedDrawn]
    zones: list[SavedZone]


class SavedSite(_Part):
    """One site, and where its metres are counted from."""

    name: str
    lon: float = Field(ge=-180, le=180)
    lat: float = Field(ge=-90, le=90)
    looks: list[SavedLook]


class Saved(_Part):
    """The file."""

    who: str
    when: str
    sites: list[SavedSite]


def read_saved(path: Path) -> Any:
    """The content of a file of the review mode; None of any other file."""
    if path.is_dir() or path.suffix.lower() != ".json":
        return None
    try:
        content = read_json(path)
    except (OSError, DocumentError):
        return None
    return content if isinstance(content, dict) and content.get("kind") == KIND else None


def read_browser(path: Path, content: Any, run: ReviewedRun, stamp: tuple[str, str, str]) -> Review:
    """The review of one saved file, of those of its scenes that the run has.

    Args:
        path: of the file, for errors.
        content: of it.
        run: whose boxes are reviewed; looks of other runs of the page are left to them.
        stamp: who looked and when, where the file does not say, and its hash.

    Raises:
        ReviewError: it is damaged, of a newer version, of another run, or of boxes that have
            changed since.
    """
    check_version(content, FORMAT, str(path))
    try:
        saved = Saved.model_validate(content)
    except ValidationError as error:
        reason = " ".join(str(error).split())[:200]
        raise ReviewError(f"{path}: damaged ({reason}); save it from the page again") from error
    who, when = saved.who or stamp[0], saved.when or stamp[1]
    review = Review()
    for site in saved.sites:
        for look in site.looks:
            if any(scene.id in run.records for scene in look.scenes):
                review = _with_look(review, path, site, look, run, (who, when, stamp[2]))
    if not review.sources:
        raise ReviewError(
            f"{path}: holds no look at a scene of {run.folder}; name the run that the report was "
            "made of with run="
        )
    return review


@dataclass(frozen=True, slots=True)
class _Placed:
    """A scene of a look and the way from the page's metres to its pixels and back."""

    record: SceneRecord
    ids: list[str]
    names: list[str]
    corners: Corners
    to_pixels: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    local: Corners

    def holds(self, at: NDArray[np.float64]) -> bool:
        """Whether a box `(4, 2)` of local metres has its middle in the scene."""
        x, y = self.to_pixels(at).mean(axis=0)
        inside = 0 <= x < (self.record.width or 0) and 0 <= y < (self.record.height or 0)
        return bool(inside)


def _with_look(
    review: Review,
    path: Path,
    site: SavedSite,
    look: SavedLook,
    run: ReviewedRun,
    stamp: tuple[str, str, str],
) -> Review:
    who, when, digest = stamp
    picture = f"{site.name}, {look.day}"
    key = f"{BROWSER}:{picture}:{who}"
    placed = [_place(scene, site, run, path) for scene in look.scenes if scene.id in run.records]
    by_id = {name: one for one in placed for name in one.ids}
    said: list[Statement] = []
    for box in look.boxes:
        if box.id.rpartition("#")[0] not in run.records:
            continue  # of a scene of another run, seen on the same day
        if box.id not in by_id:
            raise ReviewError(
                f"{path}: the box {box.id} is not in the run; the file is of another run, or the "
                "scene was predicted anew since"
            )
        said += _judged(box, by_id[box.id], placed, key, path, run)
    for drawn in look.drawn:
        said += _drawn(drawn, placed, key, path, run)
    looked = [
        Looked(key, one.record.scene_id, zone.name, _outline(zone, one))
        for zone in look.zones
        for one in placed
    ]
    source = Source(key, BROWSER, path.name, digest, picture, who, when)
    seals = {one.record.scene_id: run.seal(one.record.scene_id) for one in placed}
    return Review(
        {**review.scenes, **seals},
        (*review.sources, source),
        (*review.statements, *said),
        (*review.looked, *looked),
    )


def _place(scene: SavedScene, site: SavedSite, run: ReviewedRun, path: Path) -> _Placed:
    record = run.record(scene.id, str(path))
    if scene.seal != run.seal(scene.id):
        raise ReviewError(
            f"{path}: the scene {scene.id} was predicted anew since the page was made, so what was "
            "said is of other boxes; make the report again and review it"
        )
    crs, shift = str(record.crs), np.array(scene.shift)
    inward = Transformer.from_crs(local_crs(site.lon, site.lat), CRS(crs), always_xy=True)
    outward = Transformer.from_crs(CRS(crs), local_crs(site.lon, site.lat), always_xy=True)
    transform = Affine(*record.transform)

    def to_pixels(points: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = inward.transform(*np.moveaxis(points - shift, -1, 0))
        return apply_transform(~transform, np.stack([x, y], axis=-1))

    found = run.found(scene.id)
    corners = corners_of(found)
    x, y = outward.transform(*np.moveaxis(apply_transform(transform, corners), -1, 0))
    local = as_corners(np.stack([x, y], axis=-1) + shift)
    names = found["class"].tolist()
    return _Placed(record, box_ids(scene.id, len(found)), names, corners, to_pixels, local)


def _judged(
    box: SavedBox, mine: _Placed, placed: Sequence[_Placed], key: str, path: Path, run: ReviewedRun
) -> list[Statement]:
    """What was said of a box, and of the same object in other scenes of the day."""
    _check_class(box.class_name, path, run)
    at = mine.ids.index(box.id)
    moved, reclassified = box.at is not None, box.class_name != mine.names[at]
    verdict: Verdict = box.verdict or ("real" if moved or reclassified else "")
    corners = mine.corners[at]
    if box.at is not None:
        corners = mine.to_pixels(np.reshape(box.at, (4, 2)))
    said = [
        Statement(
            key, mine.record.scene_id, box.id, verdict, box.class_name, _flat(corners),
            moved, reclassified, comment=box.comment,
        )
    ]  # fmt: skip
    if verdict != "false":
        return said
    # the page shows an object of two scenes once: what is false in one is false in the other
    for other in placed:
        if other is mine or not len(other.local):
            continue
        iou = iou_matrix(mine.local[at : at + 1], other.local)[0]
        for i in np.flatnonzero(iou >= SHOWN_ONCE_IOU).tolist():
            if other.names[i] == mine.names[at]:
                flat = _flat(other.corners[i])
                scene_id = other.record.scene_id
                said.append(Statement(key, scene_id, other.ids[i], "false", other.names[i], flat))
    return said


def _drawn(
    drawn: SavedDrawn, placed: Sequence[_Placed], key: str, path: Path, run: ReviewedRun
) -> list[Statement]:
    """A drawn box in the uppermost scene that shows its place; on a box that stands, it moves it.

    Returns:
        Nothing where only scenes of other runs show the place.
    """
    _check_class(drawn.class_name, path, run)
    at = np.reshape(drawn.at, (4, 2))
    mine = next((one for one in placed if one.holds(at)), None)
    if mine is None:
        return []
    flat = _flat(mine.to_pixels(at))
    box, moved = "", False
    if len(mine.local):
        iou = iou_matrix(at[None], mine.local)[0]
        best = int(np.argmax(iou))
        if iou[best] >= SAME_IOU and mine.names[best] == drawn.class_name:
            box, moved = mine.ids[best], True
    return [
        Statement(
            key, mine.record.scene_id, box, drawn.verdict, drawn.class_name, flat,
            moved, comment=drawn.comment,
        )
    ]  # fmt: skip


def _check_class(name: str, path: Path, run: ReviewedRun) -> None:
    if name not in run.classes.names:
        raise ReviewError(
            f"{path}: '{name}' is none of the classes {', '.join(run.classes.names)} of the run"
        )


def _outline(zone: SavedZone, placed: _Placed) -> str:
    rings = [shapely.Polygon(placed.to_pixels(np.array(ring))) for ring in zone.rings]
    return str(shapely.to_wkt(shapely.make_valid(shapely.union_all(rings)), 3))


def _flat(corners: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(value), 3) for value in order_corners(corners[None])[0].ravel())
