"""Labels of boxes and zones: placed where they hide nothing, left out where there is no room."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

from detector.detections import Detections
from detector.export.overlay_marks import SHIFT
from detector.export.overlay_text import Colour, Style, blend, draw_text, text_mask, text_width
from detector.export.overlay_view import OverlayView
from detector.lengths import short_length

CELL_PX = 4  # labels are kept apart on a grid of such cells
PLATE_COLOUR: Final[Colour] = (0, 0, 0)
PLATE_OPACITY = 0.55
LABEL_COLOUR: Final[Colour] = (255, 255, 255)
GRID_SIDE = 9  # places inside a zone that its name may take, a side
Rect = tuple[int, int, int, int]
"""Left, top, right, bottom in drawn pixels, half-open."""


class Room:
    """Which parts of a picture are taken: by marks, and by labels.

    Args:
        width: of the picture.
        height: of the picture.
        marks: `(N, 4, 2)` boxes that labels should leave free, drawn pixels.

    Attributes:
        labels: rectangles of the labels that were placed.
    """

    def __init__(self, width: int, height: int, marks: NDArray[np.float64]) -> None:
        rows, columns = math.ceil(height / CELL_PX), math.ceil(width / CELL_PX)
        cells = np.zeros((rows, columns), np.uint8)
        for box in np.rint((marks / CELL_PX - 0.5) * (1 << SHIFT)).astype(np.int32):
            cv2.fillConvexPoly(cells, box, 1, cv2.LINE_8, SHIFT)
        self._size = width, height
        self._marks = np.asarray(cv2.integral(cells))  # sums over rectangles in four look-ups
        self._taken = np.zeros((rows, columns), np.bool_)
        self.labels: list[Rect] = []

    def clear(self, rects: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of `(..., 4)` rectangles lie inside the picture, off all marks."""
        left, top, right, bottom = np.moveaxis(rects, -1, 0)
        inside = (left >= 0) & (top >= 0) & (right <= self._size[0]) & (bottom <= self._size[1])
        (x0, x1), (y0, y1) = self._cells(left, right, 0), self._cells(top, bottom, 1)
        s = self._marks
        return np.asarray(inside & (s[y1, x1] - s[y0, x1] - s[y1, x0] + s[y0, x0] == 0))

    def take(self, rect: Rect) -> bool:
        """Place a label, if no other one stands there."""
        left, top, right, bottom = rect
        cells = (
            slice(top // CELL_PX, math.ceil(bottom / CELL_PX)),
            slice(left // CELL_PX, math.ceil(right / CELL_PX)),
        )
        if self._taken[cells].any():
            return False
        self._taken[cells] = True
        self.labels.append(rect)
        return True

    def _cells(
        self, low: NDArray[np.int64], high: NDArray[np.int64], axis: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        end = self._taken.shape[1 - axis]
        return np.clip(low // CELL_PX, 0, end), np.clip(-(-high // CELL_PX), 0, end)


def label_ships(
    image: NDArray[np.uint8], detections: Detections, view: OverlayView, style: Style, room: Room
) -> None:
    """Label ships that were seen, the longest first: length and score, or what there is room for.

    Args:
        image: RGB of the scene, changed.
        detections: of the scene.
        view: of the image.
        style: of the labels.
        room: what is taken; the placed labels are added.
    """
    labelled = detections.classes.mask(detections.class_ids, "visits") & ~detections.unseen
    ships = np.flatnonzero(labelled)
    size = np.nan_to_num(detections.length_m[ships], nan=0.0)
    ships = ships[np.lexsort((-detections.scores[ships], -size))]
    corners = view.to_view(detections.corners[ships])
    pad = max(2, style.size_px // 6)
    texts = [ship_texts(detections, int(i)) for i in ships]
    variants = []
    for variant in (0, 1):
        widths = np.array([text_width(t[variant], style) + 2 * pad for t in texts], np.float64)
        rects = beside_boxes(corners, widths, style.height_px, pad + CELL_PX)
        variants.append((rects, room.clear(rects)))
    for k, names in enumerate(texts):
        for text, (rects, clear) in zip(names, variants, strict=True):
            rect = next((r for r in map(_rect, rects[k][clear[k]]) if room.take(r)), None)
            if rect is not None:
                _draw_plate(image, rect)
                draw_text(image, text, (rect[0] + pad, rect[1]), style, LABEL_COLOUR)
                break


def ship_texts(detections: Detections, index: int) -> tuple[str, str]:
    """What is written beside a ship, in full and short; `≥` where its length is a lower bound."""
    score = f"{detections.scores[index]:.2f}"
    length_m = float(detections.length_m[index])
    if math.isnan(length_m):
        return score, score
    length = short_length(length_m, detections.length_low_m[index], detections.cut[index])
    return f"{length} · {score}", length


def beside_boxes(
    boxes: NDArray[np.float64], widths: NDArray[np.float64], height: int, gap: float
) -> NDArray[np.int64]:
    """Places of labels that touch the middle of each edge of a box.

    Args:
        boxes: `(N, 4, 2)`, clockwise.
        widths: `(N,)` of the labels.
        height: of the labels.
        gap: from the edge.

    Returns:
        `(N, 4, 4)` rectangles, of every box the one above it first.
    """
    edges = np.roll(boxes, -1, axis=1) - boxes
    lengths = np.maximum(np.linalg.norm(edges, axis=2, keepdims=True), 1e-9)
    normals = np.stack([edges[..., 1], -edges[..., 0]], axis=2) / lengths  # clockwise: outwards
    reach = (np.abs(normals[..., 0]) * widths[:, None] + np.abs(normals[..., 1]) * height) / 2.0
    centres = boxes + edges / 2.0 + normals * (reach + gap)[..., None]
    size = np.stack([widths, np.full(len(boxes), float(height))], axis=1)[:, None, :]
    corner = np.rint(centres - size / 2.0)
    rects = np.concatenate([corner, corner + size], axis=2).astype(np.int64)
    order = np.argsort(normals[..., 1], axis=1, kind="stable")
    return np.take_along_axis(rects, order[..., None], axis=1)


def label_zone(
    image: NDArray[np.uint8],
    text: str,
    shapes: Sequence[Polygon],
    style: Style,
    colour: Colour,
    room: Room,
) -> None:
    """Write a zone's name into it, off the boxes if that can be, on them if not.

    Args:
        image: RGB of the scene, changed.
        text: of `elide`.
        shapes: of the zone, drawn pixels.
        style: of the name.
        colour: of the name.
        room: what is taken; the placed label is added.
    """
    height, width = text_mask(text, style).shape
    frame = shapely.box(0, 0, image.shape[1], image.shape[0])
    seen = [shape for shape in (p.intersection(frame) for p in shapes) if shape.area > 0]
    if not text or not seen or width > image.shape[1] or height > image.shape[0]:
        return
    body = max(seen, key=lambda shape: shape.area)
    corner = np.rint(_inside(body) - (width / 2.0, height / 2.0))
    corner = np.clip(corner, 0, (image.shape[1] - width, image.shape[0] - height))
    rects = np.hstack([corner, np.add(corner, (width, height))]).astype(np.int64)
    within = shapely.contains(body, shapely.box(*rects.T.astype(np.float64)))
    clear = room.clear(rects)
    for k in np.lexsort((~within, ~clear)):  # stable: deep places before shallow ones
        if room.take(_rect(rects[k])):
            draw_text(image, text, (int(rects[k, 0]), int(rects[k, 1])), style, colour, (0, 0, 0))
            return


def _inside(shape: Polygon) -> NDArray[np.float64]:
    """Points `(K, 2)` inside a shape, those far from its border first."""
    x0, y0, x1, y1 = shape.bounds
    share = (np.arange(GRID_SIDE) + 0.5) / GRID_SIDE
    x, y = (g.ravel() for g in np.meshgrid(x0 + share * (x1 - x0), y0 + share * (y1 - y0)))
    points = np.append(shapely.points(x, y), shape.representative_point())
    points = points[shapely.contains(shape, points)]
    depth = shapely.distance(shape.boundary, points)
    return np.asarray(shapely.get_coordinates(points[np.argsort(-depth, kind="stable")]))


def _rect(values: NDArray[np.int64]) -> Rect:
    left, top, right, bottom = values.tolist()
    return left, top, right, bottom


def _draw_plate(image: NDArray[np.uint8], rect: Rect) -> None:
    mask = np.full((rect[3] - rect[1], rect[2] - rect[0]), 255, np.uint8)
    blend(image, mask, (rect[0], rect[1]), PLATE_COLOUR, PLATE_OPACITY)
