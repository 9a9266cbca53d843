"""Labels of boxes and zones: placed where they hide nothing, left out where there is no room."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

from detector.classes import ObjectClass
from detector.detections import Detections
from detector.export.overlay_marks import polygon_mask
from detector.export.overlay_text import Colour, Style, blend, draw_text, text_mask, text_width
from detector.export.overlay_view import View

CELL_PX = 4  # labels are kept apart on a grid of such cells
PLATE_COLOUR: Final[Colour] = (0, 0, 0)
PLATE_OPACITY = 0.55
LABEL_COLOUR: Final[Colour] = (255, 255, 255)
GRID_SIDE = 9  # places inside a zone that its name may take, a side
Rect = tuple[int, int, int, int]
"""Left, top, right, bottom in drawn pixels, half-open."""


class Room:
    """Which parts of a picture are taken: by marks, and by labels.

    Attributes:
        labels: rectangles of the labels that were placed.
    """

    def __init__(self, width: int, height: int) -> None:
        shape = (math.ceil(height / CELL_PX), math.ceil(width / CELL_PX))
        self._size = width, height
        self._marks = np.zeros(shape, np.bool_)
        self._labels = np.zeros(shape, np.bool_)
        self.labels: list[Rect] = []

    def mark(self, corners: NDArray[np.float64]) -> None:
        """Take the ground of boxes `(N, 4, 2)`."""
        for box in corners / CELL_PX:
            mask, (left, top) = polygon_mask([box], self._marks.shape[1], self._marks.shape[0])
            self._marks[top : top + mask.shape[0], left : left + mask.shape[1]] |= mask > 0

    def take(self, rect: Rect, *, over_marks: bool = False) -> bool:
        """Place a label, if it lies inside the picture on free ground."""
        left, top, right, bottom = rect
        if left < 0 or top < 0 or right > self._size[0] or bottom > self._size[1]:
            return False
        cells = (
            slice(top // CELL_PX, math.ceil(bottom / CELL_PX)),
            slice(left // CELL_PX, math.ceil(right / CELL_PX)),
        )
        if self._labels[cells].any() or (not over_marks and self._marks[cells].any()):
            return False
        self._labels[cells] = True
        self.labels.append(rect)
        return True


def label_boxes(
    image: NDArray[np.uint8], detections: Detections, view: View, style: Style, room: Room
) -> None:
    """Label ships, the longest first: length and score, or what of it there is room for.

    Args:
        image: RGB of the scene, changed.
        detections: of the scene.
        view: of the image.
        style: of the labels.
        room: what is taken; the placed labels are added.
    """
    ships = np.flatnonzero(detections.class_ids == ObjectClass.SHIP)
    size = np.nan_to_num(detections.length_m[ships], nan=0.0)
    order = ships[np.lexsort((-detections.scores[ships], -size))]
    corners = view.to_view(detections.corners)
    pad = max(2, style.size_px // 6)
    for i in order:
        for text in ship_texts(detections, int(i)):
            width, height = text_width(text, style) + 2 * pad, style.height_px
            rects = beside_box(corners[i], width, height, pad)
            rect = next((rect for rect in rects if room.take(rect)), None)
            if rect is not None:
                _draw_plate(image, rect)
                draw_text(image, text, (rect[0] + pad, rect[1]), style, LABEL_COLOUR)
                break


def ship_texts(detections: Detections, index: int) -> list[str]:
    """What may be written beside a ship, the fullest first; `≥` where the scene's edge cuts it."""
    score = f"{detections.scores[index]:.2f}"
    length_m = float(detections.length_m[index])
    if math.isnan(length_m):
        return [score]
    length = f"{'≥' if detections.at_scene_edge[index] else ''}{length_m:.0f} m"
    return [f"{length} · {score}", length]


def beside_box(box: NDArray[np.float64], width: int, height: int, gap: float) -> Iterator[Rect]:
    """Places of a label that touch the middle of each edge of a box, upper ones first.

    Args:
        box: `(4, 2)`, clockwise.
        width: of the label.
        height: of the label.
        gap: from the edge.
    """
    middles = (box + np.roll(box, -1, axis=0)) / 2.0
    outwards = middles - box.mean(axis=0)
    lengths = np.linalg.norm(outwards, axis=1, keepdims=True)
    normals = outwards / np.maximum(lengths, 1e-9)
    for k in np.argsort(normals[:, 1], kind="stable"):
        reach = abs(normals[k, 0]) * width / 2.0 + abs(normals[k, 1]) * height / 2.0 + gap
        x, y = middles[k] + normals[k] * reach
        yield _around(x, y, width, height)


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
    if not text or not seen:
        return
    places = list(_inside(max(seen, key=lambda shape: shape.area)))
    for over_marks in (False, True):
        for x, y in places:
            rect = _within(_around(x, y, width, height), image.shape[1], image.shape[0])
            if room.take(rect, over_marks=over_marks):
                draw_text(image, text, (rect[0], rect[1]), style, colour, (0, 0, 0))
                return


def _inside(shape: Polygon) -> Iterator[tuple[float, float]]:
    """Points inside a shape, those far from its border first."""
    x0, y0, x1, y1 = shape.bounds
    share = (np.arange(GRID_SIDE) + 0.5) / GRID_SIDE
    x, y = (g.ravel() for g in np.meshgrid(x0 + share * (x1 - x0), y0 + share * (y1 - y0)))
    inner = shape.representative_point()
    points = np.append(shapely.points(x, y), inner)
    points = points[shapely.contains(shape, points)]
    depth = shapely.distance(shape.boundary, points)
    for point in points[np.argsort(-depth, kind="stable")]:
        yield point.x, point.y


def _around(x: float, y: float, width: int, height: int) -> Rect:
    left, top = round(x - width / 2.0), round(y - height / 2.0)
    return left, top, left + width, top + height


def _within(rect: Rect, width: int, height: int) -> Rect:
    """The rectangle moved into the picture."""
    left = max(0, min(rect[0], width - (rect[2] - rect[0])))
    top = max(0, min(rect[1], height - (rect[3] - rect[1])))
    return left, top, left + rect[2] - rect[0], top + rect[3] - rect[1]


def _draw_plate(image: NDArray[np.uint8], rect: Rect) -> None:
    mask = np.full((rect[3] - rect[1], rect[2] - rect[0]), 255, np.uint8)
    blend(image, mask, (rect[0], rect[1]), PLATE_COLOUR, PLATE_OPACITY)
