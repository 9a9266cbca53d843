"""How much predicted and true boxes share, by each measure."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from detector.evaluation.truth import Measure
from detector.geometry.boxes import (
    Corners,
    centres,
    edge_lengths,
    envelope_iou,
    envelopes,
    intersection_areas,
    iou_matrix,
    polygons,
)


def overlap_matrix(predicted: Corners, true: Corners, measure: Measure) -> NDArray[np.float64]:
    """IoU of every pair.

    Args:
        predicted: `(D, 4, 2)` pixels.
        true: `(T, 4, 2)` pixels.
        measure: `POLYGON` for exact polygons, `ENVELOPE` for axis-aligned envelopes of both.

    Returns:
        `(D, T)` in [0, 1].

    Raises:
        GeometryError: a polygon is not finite or not simple.
    """
    if measure is Measure.ENVELOPE:
        return envelope_iou(envelopes(predicted), envelopes(true))
    return iou_matrix(predicted, true)


def prob_iou(predicted: Corners, true: Corners) -> NDArray[np.float64]:
    """ProbIoU `(D, T)` of the boxes taken as Gaussians (Llerena et al. 2021, arXiv:2106.06072).

    It is what Ultralytics reports for oriented boxes, and it is not an overlap of areas: a square
    and the same square turned by 45 degrees have a ProbIoU of 1 and an IoU of 0.71.
    """
    import torch  # noqa: PLC0415 - seconds, which the other measures don't need
    from ultralytics.utils.metrics import batch_probiou  # noqa: PLC0415

    if not len(predicted) or not len(true):
        return np.zeros((len(predicted), len(true)))
    one, other = (torch.from_numpy(_xywhr(corners)) for corners in (predicted, true))
    return np.asarray(batch_probiou(one, other).numpy(), np.float64)


def centre_closeness(predicted: Corners, true: Corners) -> NDArray[np.float64]:
    """How near centres are `(D, T)`: 1 where they fall together, 0 at half a length and a width.

    At 10 m a pixel a ship is two pixels wide, so half a pixel on each side halves its IoU. Work on
    Sentinel-2 and on radar scenes of 10 m therefore matches centres: within 150 m (Beukema et al.,
    arXiv:2312.03207, in their code) or 200 m (xView3, arXiv:2206.00897). Here the reach is half the
    sum of the true object's length and width, which is less than that for ships below 250 m.

    Args:
        predicted: `(D, 4, 2)` pixels.
        true: `(T, 4, 2)` pixels.

    Returns:
        At most 1; below 0 beyond the reach.
    """
    reach = np.add(*edge_lengths(true)) / 2
    apart = np.linalg.norm(centres(predicted)[:, None] - centres(true)[None], axis=2)
    return np.asarray(1.0 - apart / reach, np.float64)


def share_inside(boxes: Corners, regions: Corners) -> NDArray[np.float64]:
    """Share `(N,)` of each box's area that lies in the union of the regions.

    Args:
        boxes: `(N, 4, 2)` pixels.
        regions: `(M, 4, 2)` pixels.
    """
    if not len(boxes) or not len(regions):
        return np.zeros(len(boxes))
    shapes = polygons(boxes)
    areas = shapely.area(shapes)
    shared = intersection_areas(shapes, shapely.union_all(polygons(regions)))
    return np.asarray(np.divide(shared, areas, out=np.zeros(len(boxes)), where=areas > 0))


def _xywhr(corners: Corners) -> NDArray[np.float64]:
    """Centre, length, width and angle in radians `(N, 5)`; the inverse of `corners_from_xywhr`."""
    length, width = edge_lengths(corners)
    axis = corners[:, 1] - corners[:, 0]
    angle = np.arctan2(axis[:, 1], axis[:, 0])
    return np.column_stack([corners.mean(axis=1), length, width, angle])
