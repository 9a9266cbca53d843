"""A review by a known truth: what somebody who sees everything would say of a rendered scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from shapely.geometry import box

from detector.geometry.boxes import Corners, iou_matrix, order_corners
from detector.reviewing.compare import SAME_IOU
from detector.reviewing.correct import box_ids, corners_of
from detector.reviewing.ledger import (
    Looked,
    Review,
    Source,
    Statement,
    read_review,
    write_review,
)
from detector.reviewing.merge import merge
from detector.reviewing.runs import ReviewedRun

TRUTH: Final = "truth"


@dataclass(frozen=True, slots=True)
class Answers:
    """What is in a scene.

    Attributes:
        corners: `(N, 4, 2)` file pixels.
        names: `N` class names.
        counts: `(N,)` whether an object counts; boxes on others are neither real nor false.
    """

    corners: Corners
    names: Sequence[str]
    counts: NDArray[np.bool_]


def review_by_truth(folder: Path, scene_id: str, answers: Answers, who: str) -> Review:
    """Review a scene of a run by what is known to be in it, as a whole, and write it.

    A box is real where it shares half of its union with an object of its class that counts, each
    object once; other boxes are false, but for those on objects that do not count. Objects without
    a box are drawn.

    Args:
        folder: of the run.
        scene_id: of the scene.
        answers: what is in it.
        who: said to have looked.

    Raises:
        ReviewError: the run cannot be used.
        OutputError: the review cannot be written.
    """
    run = ReviewedRun.read(folder)
    record, found = run.record(scene_id, TRUTH), run.found(scene_id)
    corners, ids = corners_of(found), box_ids(scene_id, len(found))
    names = np.array(found["class"].tolist(), dtype=object)
    key = f"{TRUTH}:{scene_id}:{who}"
    alike = names[:, None] == np.array(answers.names, dtype=object)[None, :]
    iou = np.where(alike, iou_matrix(corners, answers.corners), 0.0)
    rows, cols = linear_sum_assignment(np.where(answers.counts, iou, 0.0), maximize=True)
    right = {int(r): int(c) for r, c in zip(rows, cols, strict=True)
             if answers.counts[c] and iou[r, c] >= SAME_IOU}  # fmt: skip
    unsure = np.asarray((iou[:, ~answers.counts] >= SAME_IOU).any(axis=1))
    said = [
        Statement(
            key,
            scene_id,
            ids[row],
            "real" if row in right else "false",
            str(names[row]),
            _flat(corners[row]),
        )
        for row in range(len(found))
        if row in right or not unsure[row]
    ]
    missed = [at for at in np.flatnonzero(answers.counts).tolist() if at not in right.values()]
    said += [
        Statement(key, scene_id, "", "real", answers.names[at], _flat(answers.corners[at]))
        for at in missed
    ]
    whole = shapely.to_wkt(box(0, 0, record.width or 0, record.height or 0), 3)
    review = Review(
        {scene_id: run.seal(scene_id)},
        (Source(key, TRUTH, "", "", scene_id, who, ""),),
        tuple(said),
        (Looked(key, scene_id, "", whole),),
    )
    return write_review(folder, merge(read_review(folder) or Review(), review))


def _flat(corners: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(value), 3) for value in order_corners(corners[None])[0].ravel())
