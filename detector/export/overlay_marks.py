"""Marks on the picture of a scene: boxes, zones, and hatches where nothing was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

from detector.detections import Detections
from detector.export.overlay_text import Colour, blend
from detector.export.overlay_view import OverlayView
from detector.export.styles import ZONE_COLOUR

CASING: Final[Colour] = (0, 0, 0)
NODATA_GROUND: Final[Colour] = (178, 178, 178)
NODATA_LINES: Final[Colour] = (140, 140, 140)
HATCH_COLOUR: Final[Colour] = (235, 235, 235)
CUT_OPACITY = 0.8  # of the hatch inside a box that is cut
UNSEEN_COLOUR: Final[Colour] = (225, 225, 225)  # of boxes that are no observations
UNSEEN_TITLE: Final = "on unseen pixels: no observation"
SMALL_SIDES = 4  # a box narrower than so many line widths is drawn with a finer line
DASH_LINES = 4.0  # length of a dash, in line widths: round ends and casing eat into the gaps
SHIFT = 4  # OpenCV's fixed-point coordinates: sixteenths of a pixel
MARGIN_PX = 64  # how far beyond the picture shapes are kept


@dataclass(frozen=True, slots=True)
class Pen:
    """Widths that suit a picture.

    Attributes:
        line_px: of a box.
        hatch_px: from line to line of a hatch.
    """

    line_px: int
    hatch_px: int

    @classmethod
    def of(cls, font_px: int) -> Pen:
        """The pen that goes with a font."""
        return cls(max(2, round(font_px / 9)), max(6, round(font_px / 1.6)))

    @property
    def fine_px(self) -> int:
        """Of small boxes."""
        return max(1, self.line_px // 2)

    @property
    def rim_px(self) -> int:
        """Of the dark casing to either side of a line."""
        return max(1, self.line_px // 3)

    @property
    def casing_px(self) -> int:
        """Width of the line with its casing."""
        return self.line_px + 2 * self.rim_px


@dataclass(frozen=True, slots=True)
class BoxKind:
    """Boxes that are drawn alike.

    Attributes:
        index: of the detections.
        colour: of the line.
        title: one of them, in words.
        dashed: not counted: deck cargo, or on unseen pixels.
    """

    index: NDArray[np.intp]
    colour: Colour
    title: str
    dashed: bool = False


def box_kinds(detections: Detections) -> list[BoxKind]:
    """Unseen boxes, deck cargo and the classes, the first of them last: in the order of drawing."""
    classes = detections.classes
    hollow = np.flatnonzero(detections.unseen)
    kinds = [BoxKind(hollow, UNSEEN_COLOUR, UNSEEN_TITLE, dashed=True)]
    for class_id in reversed(classes.in_order):
        entry = classes[class_id]
        mine = (detections.class_ids == class_id) & ~detections.unseen
        if entry.cargo_of in classes.names:
            index = np.flatnonzero(mine & detections.on_ship)
            kinds.append(BoxKind(index, entry.cargo_colour, "deck cargo", dashed=True))
        index = np.flatnonzero(mine & ~detections.on_ship)
        kinds.append(BoxKind(index, entry.colour, entry.words))
    return kinds


def draw_boxes(
    image: NDArray[np.uint8], detections: Detections, view: OverlayView, pen: Pen
) -> None:
    """Draw every box: its class by colour, deck cargo dashed, cut ones hatched, unseen ones hollow.

    Args:
        image: RGB of the scene, changed.
        detections: of the scene.
        view: of the image.
        pen: widths.
    """
    corners = view.to_view(detections.corners)
    for kind in box_kinds(detections):
        for i in kind.index[(detections.is_cut & ~detections.unseen)[kind.index]]:
            hatch_box(image, corners[i], kind.colour, pen)
    for kind in box_kinds(detections):
        draw_outlines(image, corners[kind.index], kind.colour, pen, dashed=kind.dashed)


def draw_outlines(
    image: NDArray[np.uint8],
    corners: NDArray[np.float64],
    colour: Colour,
    pen: Pen,
    *,
    dashed: bool,
) -> None:
    """Draw `(N, 4, 2)` boxes as light lines in a dark casing, small ones finer."""
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=2)
    fine = sides.min(axis=1, initial=np.inf) < SMALL_SIDES * pen.line_px
    for subset, line_px in ((fine, pen.fine_px), (~fine, pen.line_px)):
        paths = list(corners[subset])
        if dashed:
            paths = [part for box in paths for part in dashes(box, DASH_LINES * pen.line_px)]
        for width, tint in ((line_px + 2 * pen.rim_px, CASING), (line_px, colour)):
            polylines(image, paths, tint, width, closed=not dashed)


def dashes(ring: NDArray[np.float64], length_px: float) -> list[NDArray[np.float64]]:
    """Segments `(2, 2)` of a closed ring: an odd number of equal dashes and gaps on every edge."""
    parts = []
    for start, end in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        steps = max(1, round(float(np.linalg.norm(end - start)) / length_px / 2) * 2 - 1)
        marks = start + np.linspace(0.0, 1.0, steps + 1)[:, None] * (end - start)
        parts += [marks[i : i + 2] for i in range(0, steps, 2)]
    return parts


def polylines(
    image: NDArray[np.uint8],
    paths: Sequence[NDArray[np.float64]],
    colour: Colour,
    width: int,
    *,
    closed: bool,
) -> None:
    """Draw smooth lines; coordinates as `OverlayView.to_view` gives them."""
    fixed = [np.rint((path - 0.5) * (1 << SHIFT)).astype(np.int32) for path in paths]
    cv2.polylines(image, fixed, closed, colour, width, cv2.LINE_AA, SHIFT)


def hatch_box(
    image: NDArray[np.uint8], ring: NDArray[np.float64], colour: Colour, pen: Pen
) -> None:
    """Hatch the inside of a polygon `(K, 2)`; what lies between the lines stays as it is."""
    mask, origin = polygon_mask([ring], image.shape[1], image.shape[0])
    height, width = mask.shape
    lines = _stripes(height, width, pen.hatch_px, max(1, pen.line_px // 2), origin)
    blend(image, np.asarray(mask * lines, np.uint8), origin, colour, CUT_OPACITY)


def fill_polygon(
    image: NDArray[np.uint8], ring: NDArray[np.float64], colour: Colour, opacity: float
) -> None:
    """Tint a polygon `(K, 2)`."""
    mask, origin = polygon_mask([ring], image.shape[1], image.shape[0])
    blend(image, mask, origin, colour, opacity)


def polygon_mask(
    rings: Sequence[NDArray[np.float64]], width: int, height: int
) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """The part of a polygon (with holes: even-odd) inside a picture, 0 or 255.

    Returns:
        The mask and its left and top; empty where the polygon lies outside.
    """
    points = np.concatenate(rings)
    x0, y0 = np.clip(np.floor(points.min(axis=0)), 0, (width, height)).astype(int)
    x1, y1 = np.clip(np.ceil(points.max(axis=0)), 0, (width, height)).astype(int)
    mask = np.zeros((max(y1 - y0, 0), max(x1 - x0, 0)), np.uint8)
    if mask.size:
        fixed = [np.rint((r - (x0 + 0.5, y0 + 0.5)) * 16).astype(np.int32) for r in rings]
        cv2.fillPoly(mask, fixed, 255, cv2.LINE_8, SHIFT)
    return mask, (int(x0), int(y0))


def hatch_nodata(image: NDArray[np.uint8], valid: NDArray[np.bool_], pen: Pen) -> None:
    """Hatch the invalid pixels of a scene grey, so that nobody takes them for water."""
    if valid.all():
        return
    lines = _stripes(image.shape[0], image.shape[1], pen.hatch_px, pen.line_px)
    image[~valid] = NODATA_GROUND
    image[~valid & lines] = NODATA_LINES


def hatch_unseen(image: NDArray[np.uint8], unseen: NDArray[np.bool_], pen: Pen) -> None:
    """Lay wide-spaced light lines over pixels that are there but show no ground: clouds."""
    lines = _stripes(image.shape[0], image.shape[1], 2 * pen.hatch_px, max(1, pen.line_px // 2))
    image[unseen & lines] = HATCH_COLOUR


def draw_zone(
    image: NDArray[np.uint8],
    shapes: Sequence[Polygon],
    view: OverlayView,
    pen: Pen,
    *,
    hatched: bool,
) -> list[Polygon]:
    """Outline a zone, and hatch it where nothing was seen of it.

    Args:
        image: RGB of the scene, changed.
        shapes: of the zone, file pixels.
        view: of the image.
        pen: widths.
        hatched: the zone is unobserved.

    Returns:
        The shapes in drawn pixels, without what lies beyond the picture.
    """
    frame = (-MARGIN_PX, -MARGIN_PX, view.width + MARGIN_PX, view.height + MARGIN_PX)
    drawn: list[Polygon] = []
    for shape in shapes:
        scaled = shapely.transform(shape, view.to_view)
        clipped = shapely.clip_by_rect(shapely.make_valid(scaled), *frame)
        drawn += [p for p in shapely.get_parts(clipped) if isinstance(p, Polygon) and p.area > 0]
    for polygon in drawn:
        rings = [shapely.get_coordinates(ring) for ring in (polygon.exterior, *polygon.interiors)]
        if hatched:
            mask, (left, top) = polygon_mask(rings, view.width, view.height)
            height, width = mask.shape
            lines = _stripes(height, width, 2 * pen.hatch_px, pen.line_px, (left, top))
            blend(image, mask * lines, (left, top), HATCH_COLOUR, 0.7)
        for width, tint in ((pen.casing_px, CASING), (pen.line_px, ZONE_COLOUR)):
            polylines(image, rings, tint, width, closed=True)
    return drawn


def _stripes(
    height: int, width: int, period_px: int, line_px: int, origin: tuple[int, int] = (0, 0)
) -> NDArray[np.bool_]:
    """Diagonal lines `(height, width)`, aligned from picture to picture by `origin`."""
    columns, rows = np.arange(width) + origin[0], np.arange(height) + origin[1]
    return (columns[None, :] + rows[:, None]) % period_px < line_px
