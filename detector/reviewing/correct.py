"""The boxes of a scene as people left them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd
import shapely
from affine import Affine
from numpy.typing import NDArray

from detector.boxes.scored import Boxes
from detector.classes import PORT, ClassSet
from detector.detections import CORNER_COLUMNS
from detector.export.records import SceneRecord
from detector.geometry.boxes import Corners, as_corners, edge_lengths
from detector.geometry.geodesy import apply_transform, box_measures
from detector.inference.claims import find_deck_cargo
from detector.lengths import SCENE_EDGE, WHOLE
from detector.reviewing.ledger import Statement
from detector.reviewing.merge import drawn_once

BOX: Final = "box"  # column: evidence id
SAID: Final = "said"  # column: the verdict, empty where nobody said anything
DRAWN: Final = "#drawn"  # in the id of a box that a person drew, before its number
EDGE_PX: Final = 1.0  # a corner this near to the border: the object may go on behind it
SURE: Final = 1.0  # score of what a person drew


@dataclass(frozen=True, slots=True)
class Corrections:
    """What people changed of the boxes of one scene, in numbers.

    Attributes:
        judged: boxes that somebody called real, false or doubtful, those changed or deleted too.
        real: of them.
        false: of them, deleted ones too.
        doubtful: of them.
        moved: of them, moved, turned or resized.
        reclassified: of them, given another class.
        drawn: boxes that the network had not.
    """

    judged: int = 0
    real: int = 0
    false: int = 0
    doubtful: int = 0
    moved: int = 0
    reclassified: int = 0
    drawn: int = 0

    def __add__(self, other: Corrections) -> Corrections:
        names = self.__slots__
        return Corrections(*(getattr(self, name) + getattr(other, name) for name in names))


def box_ids(scene_id: str, number: int) -> list[str]:
    """Evidence ids of the rows of a scene's detections."""
    return [f"{scene_id}#{row}" for row in range(number)]


def correct(
    found: pd.DataFrame,
    statements: Sequence[Statement],
    record: SceneRecord,
    classes: ClassSet = PORT,
) -> pd.DataFrame:
    """The detections of a scene as people left them.

    Args:
        found: all rows of the scene's detections, in their order, columns as
            `Detections.to_geodataframe`; geometry is not used.
        statements: of the scene, in order of time.
        record: of the scene.
        classes: of the run.

    Returns:
        The same columns without what was called false, then one row a drawn box, and `box` and
        `said`. Sizes of moved and drawn boxes are measured; nothing is claimed of how far they are
        off, and a box that a person left at the border of the scene is cut by it.
    """
    table = pd.DataFrame(found).reset_index(drop=True)
    table[BOX] = box_ids(record.scene_id, len(table))
    table[SAID] = ""
    settled = settle(statements)
    changed: list[int] = []
    at = {name: row for row, name in enumerate(table[BOX])}
    for name, one in settled.items():
        row = at[name]
        table.loc[row, SAID] = one.verdict
        if one.verdict in ("real", "doubtful"):
            table.loc[row, "unseen"] = False  # somebody saw it, whatever a cloud mask says
        if one.verdict != "false" and (one.moved or one.reclassified):
            table.loc[row, "class"] = one.class_name
            if one.moved:
                table.loc[row, list(CORNER_COLUMNS)] = one.corners
                changed.append(row)
    drawn = _drawn_rows(table, drawn_once(statements), record)
    changed += range(len(table), len(table) + len(drawn))
    table = pd.concat([table, drawn], ignore_index=True) if len(drawn) else table
    table = _measured(table, np.array(changed, np.int64), record, classes)
    table = _with_cargo(table, classes)
    return table[table[SAID] != "false"].reset_index(drop=True)


def settle(statements: Sequence[Statement]) -> dict[str, Statement]:
    """One statement a box of the network: what several agreeing ones say together."""
    settled: dict[str, Statement] = {}
    for one in statements:
        if one.drawn:
            continue
        before = settled.get(one.box)
        settled[one.box] = one if before is None else _both(before, one)
    return settled


def count_corrections(statements: Sequence[Statement]) -> Corrections:
    """What the statements of a scene change, in numbers."""
    settled = [one for one in settle(statements).values() if one.verdict]
    verdicts = [one.verdict for one in settled]
    standing = [one for one in settled if one.verdict != "false"]
    return Corrections(
        judged=len(settled),
        real=verdicts.count("real"),
        false=verdicts.count("false"),
        doubtful=verdicts.count("doubtful"),
        moved=sum(one.moved for one in standing),
        reclassified=sum(one.reclassified for one in standing),
        drawn=len(drawn_once(statements)),
    )


def corners_of(table: pd.DataFrame) -> Corners:
    """Corners `(N, 4, 2)` of a table of detections, file pixels."""
    return as_corners(table[list(CORNER_COLUMNS)].to_numpy(float).reshape(-1, 4, 2))


def _both(one: Statement, two: Statement) -> Statement:
    """Two statements of one box that do not contradict; the later goes before."""
    return replace(
        two,
        verdict=two.verdict or one.verdict,
        class_name=two.class_name if two.reclassified else one.class_name,
        corners=two.corners if two.moved or not one.moved else one.corners,
        moved=one.moved or two.moved,
        reclassified=one.reclassified or two.reclassified,
        comment=two.comment or one.comment,
    )


def _drawn_rows(
    table: pd.DataFrame, drawn: Sequence[Statement], record: SceneRecord
) -> pd.DataFrame:
    """One row a drawn box; sizes are measured later."""
    rows: list[dict[str, Any]] = []
    ordered = sorted(drawn, key=lambda one: one.corners)
    for number, one in enumerate(ordered, start=1):
        rows.append(
            {
                "scene_id": record.scene_id,
                "acquired_day": record.acquired_day,
                "acquired_precision": record.acquired_precision,
                "class": one.class_name,
                "score": SURE,
                "unseen_fraction": 0.0,
                "unseen": False,
                "on_ship": False,
                BOX: f"{record.scene_id}{DRAWN}{number}",
                SAID: one.verdict,
                **dict(zip(CORNER_COLUMNS, one.corners, strict=True)),
            }
        )
    made = pd.DataFrame(rows).reindex(columns=table.columns)
    if len(made):
        made["acquired"] = pd.NaT if record.acquired is None else pd.Timestamp(record.acquired)
        made = made.astype({name: table[name].dtype for name in table.columns})
    return made


def _measured(
    table: pd.DataFrame, changed: NDArray[np.int64], record: SceneRecord, classes: ClassSet
) -> pd.DataFrame:
    """The table with the sizes of the changed rows as their corners give them."""
    if not len(changed):
        return table
    corners = corners_of(table)[changed]
    length_m, width_m, axis_deg = measure(corners, record)
    inside = shapely.box(EDGE_PX, EDGE_PX, *(side - EDGE_PX for side in _size(record)))
    whole = shapely.contains(inside, shapely.polygons(corners))
    cut = np.where(whole, WHOLE, SCENE_EDGE)
    class_ids = np.array([classes.id(name) for name in table["class"].iloc[changed]], np.int64)
    values: dict[str, Any] = {
        "length_m": length_m,
        "width_m": width_m,
        "axis_deg": axis_deg,
        "area_m2": length_m * width_m,
        "length_low_m": np.nan,
        "length_high_m": np.nan,
        "length_class": classes.length_classes(class_ids, length_m),
        "cut": cut,
        "at_scene_edge": ~whole,
    }
    for name, column in values.items():
        table.loc[changed, name] = column
    return table


def measure(
    corners: Corners, record: SceneRecord
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Length, width (metres) and azimuth (degrees), each `(N,)`, of boxes of a scene.

    Args:
        corners: `(N, 4, 2)` file pixels, first edge = length.
        record: of the scene; without a CRS sizes are pixels times its gsd, and no azimuth is known.
    """
    if record.crs is not None:
        return box_measures(apply_transform(Affine(*record.transform), corners), record.crs)
    scale = np.nan if record.gsd_m is None else record.gsd_m
    along, across = edge_lengths(corners)
    return along * scale, across * scale, np.full(len(corners), np.nan)


def _size(record: SceneRecord) -> tuple[int, int]:
    return record.width or 0, record.height or 0


def _with_cargo(table: pd.DataFrame, classes: ClassSet) -> pd.DataFrame:
    """Stacks that a person left on a ship are deck cargo; on a false ship there is none."""
    mine = (table[SAID].isin(["real", "doubtful"]) | table["on_ship"]).to_numpy(bool)
    if not mine.any():
        return table
    class_ids = np.array([classes.id(name) for name in table["class"]], np.int64)
    # the person is surer than the network: whatever the scores, what is inside a ship is on it
    carriers = [carrier for carrier, _ in classes.cargoes]
    scores = np.isin(class_ids, carriers).astype(np.float32)
    standing = np.flatnonzero(table[SAID] != "false")
    cargo = np.zeros(len(table), np.bool_)
    cargo[standing] = find_deck_cargo(
        Boxes(corners_of(table)[standing], scores[standing], class_ids[standing], classes)
    )
    table.loc[mine, "on_ship"] = cargo[mine]
    return table
