"""What a person changed: the boxes that were shown beside those that came back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from detector.geometry.boxes import Corners, iou_matrix, order_corners
from detector.geometry.frames import FilePixels
from detector.reviewing.errors import ReviewError
from detector.reviewing.ledger import Statement
from detector.reviewing.sheet import Sheet, Verdict

SAME_IOU: Final = 0.5  # a drawn box on a shown one from here on is that one, moved
MOVED_PX: Final = 0.5  # of a picture: less is the tool's rounding


@dataclass(frozen=True, slots=True)
class Shown:
    """The boxes of a scene that a picture showed.

    Attributes:
        scene_id: of the scene.
        ids: `N` evidence ids.
        corners: `(N, 4, 2)` pixels of the picture.
        names: `N` class names.
    """

    scene_id: str
    ids: Sequence[str]
    corners: Corners
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.ids)


def compare(
    sheet: Sheet,
    shown: Shown,
    source: str,
    to_file: Callable[[Corners], FilePixels],
    moved_px: float = MOVED_PX,
) -> list[Statement]:
    """What was said of the boxes of one picture.

    A box without an id on a shown one that is missing, or of the class of one that stands, from an
    IoU of `SAME_IOU` on, is that one moved: some tools lose the ids of boxes that are drawn anew,
    and nobody means two objects in one place.

    Args:
        sheet: as it came back.
        shown: what was on it.
        source: key of the source.
        to_file: corners of the picture in file pixels.
        moved_px: corners that are further off have been moved.

    Raises:
        ReviewError: a box is of another scene or run.
    """
    at = {name: index for index, name in enumerate(shown.ids)}
    _check_ids(sheet, shown, at)
    pairs = {i: at[name] for i, name in enumerate(sheet.ids) if name}
    pairs |= _drawn_over(sheet, shown, set(pairs.values()))
    # a box that was drawn anew speaks for the one that it lies on
    spoken = {
        index: i for i, index in sorted(pairs.items(), key=lambda pair: not sheet.ids[pair[0]])
    }
    outlines = to_file(sheet.corners)
    _check_inside(sheet, shown, pairs, moved_px)
    said = []
    for i in range(len(sheet.ids)):
        index = pairs.get(i)
        if index is not None and spoken[index] != i:
            continue
        one = _statement(sheet, i, shown, index, source, outlines[i], moved_px)
        if one is not None:
            said.append(one)
    if sheet.answered:
        gone = [index for index in range(len(shown)) if index not in spoken]
        said += _deleted(shown, gone, source, to_file)
    return said


def _check_ids(sheet: Sheet, shown: Shown, at: dict[str, int]) -> None:
    for name in sheet.ids:
        if name and name not in at:
            scene_id = name.rpartition("#")[0]
            other = "another scene" if scene_id != shown.scene_id else "another run of this scene"
            raise ReviewError(
                f"{sheet.image}: the box {name} is of {other}; it showed boxes of "
                f"{shown.scene_id}. Name the run that it was exported from with run="
            )


def _check_inside(sheet: Sheet, shown: Shown, pairs: dict[int, int], moved_px: float) -> None:
    """Refuse what a person put where the picture shows nothing."""
    for i, box in enumerate(sheet.corners):
        index = pairs.get(i)
        if index is not None and off_px(box, shown.corners[index]) <= moved_px:
            continue
        x, y = box.mean(axis=0).tolist()
        if not (0 <= x <= sheet.width and 0 <= y <= sheet.height):
            raise ReviewError(
                f"{sheet.image}: a box that was drawn or moved has its middle at {x:.0f}, {y:.0f}, "
                f"outside of what is shown ({sheet.width} by {sheet.height} pixels); draw it where "
                "its place is shown, or delete it"
            )


def _drawn_over(sheet: Sheet, shown: Shown, taken: set[int]) -> dict[int, int]:
    """Boxes without an id, by position, and the shown ones that they lie on."""
    new = [i for i, name in enumerate(sheet.ids) if not name]
    if not new or not len(shown):
        return {}
    iou = iou_matrix(sheet.corners[new], shown.corners)
    names = sheet.classes.names
    for row, i in enumerate(new):
        for index in taken:
            same = names[sheet.class_ids[i]] == shown.names[index]
            iou[row, index] = iou[row, index] if same else 0.0
    rows, cols = linear_sum_assignment(iou, maximize=True)
    fit = iou[rows, cols] >= SAME_IOU
    return {new[row]: int(col) for row, col in zip(rows[fit], cols[fit], strict=True)}


def _statement(
    sheet: Sheet,
    i: int,
    shown: Shown,
    index: int | None,
    source: str,
    outline: NDArray[np.float64],
    moved_px: float,
) -> Statement | None:
    """Of one box that came back; None where nothing was said of it."""
    name = sheet.classes.names[sheet.class_ids[i]]
    verdict: Verdict = cast(Verdict, sheet.verdicts[i])
    if index is None:
        if verdict == "false":
            raise ReviewError(
                f"{sheet.image}: a box that a person drew is called false; delete it, or call it "
                "real or doubtful"
            )
        return Statement(
            source, shown.scene_id, "", verdict or "real", name, _flat(outline),
            comment=sheet.comments[i],
        )  # fmt: skip
    moved = off_px(sheet.corners[i], shown.corners[index]) > moved_px
    reclassified = name != shown.names[index]
    if verdict == "" and (moved or reclassified):
        verdict = "real"  # nobody mends what is none
    if verdict == "" and not sheet.comments[i]:
        return None
    return Statement(
        source, shown.scene_id, shown.ids[index], verdict, name, _flat(outline),
        moved=moved, reclassified=reclassified, comment=sheet.comments[i],
    )  # fmt: skip


def _deleted(
    shown: Shown, gone: Sequence[int], source: str, to_file: Callable[[Corners], FilePixels]
) -> list[Statement]:
    outlines = to_file(shown.corners[list(gone)])
    return [
        Statement(
            source,
            shown.scene_id,
            shown.ids[index],
            "false",
            shown.names[index],
            _flat(outline),
            deleted=True,
        )
        for index, outline in zip(gone, outlines, strict=True)
    ]


def off_px(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    """How far the corners of two boxes `(4, 2)` are apart at most, whichever comes first."""
    turned = [np.roll(way, -turn, axis=0) for way in (one, one[::-1]) for turn in range(4)]
    return float(min(np.linalg.norm(way - two, axis=1).max() for way in turned))


def _flat(outline: NDArray[np.float64]) -> tuple[float, ...]:
    ordered = order_corners(outline[None])[0]
    return tuple(round(float(value), 3) for value in ordered.ravel())
