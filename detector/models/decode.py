"""Raw predictions of a tile to oriented boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.boxes.scored import Boxes
from detector.classes import PORT, ClassSet
from detector.geometry.boxes import corners_from_xywhr


def decode_tile(
    raw: NDArray[np.float32], conf: NDArray[np.float32], classes: ClassSet = PORT
) -> Boxes:
    """All boxes from their class's threshold on, duplicates too: the merge removes those.

    Args:
        raw: `(4 + classes + 1, anchors)`, as `Network.forward` gives it for one tile.
        conf: `(classes,)` score thresholds.
        classes: in the order of the network's outputs.

    Returns:
        Boxes in tile pixels, highest score first; at most one an anchor, no other cap.
    """
    scores = raw[4:-1]
    class_ids = scores.argmax(axis=0)
    best = scores[class_ids, np.arange(scores.shape[1])]
    sizes = raw[2:4]
    keep = (best >= conf[class_ids]) & np.isfinite(raw).all(axis=0) & (sizes > 0).all(axis=0)
    index = np.flatnonzero(keep)
    index = index[np.argsort(-best[index], kind="stable")]
    xywhr = np.concatenate([raw[:4, index], raw[-1:, index]]).T
    return Boxes(
        corners_from_xywhr(xywhr),
        best[index].astype(np.float32),
        class_ids[index].astype(np.int64),
        classes,
    )
