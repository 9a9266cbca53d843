"""A sheet: one picture with its boxes and what was said of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from detector.classes import PORT, ClassSet
from detector.geometry.boxes import Corners, as_corners, order_corners
from detector.geometry.rectangles import min_rectangles
from detector.reviewing.errors import ReviewError

Verdict = Literal["", "real", "false", "doubtful"]
VERDICTS: Final[tuple[str, ...]] = get_args(Verdict)
RIGHT_ANGLE: Final = 0.02  # cosine: a box whose corners are further off is laid a rectangle around


@dataclass(frozen=True, slots=True)
class Sheet:
    """A picture with its boxes.

    Attributes:
        image: name of its file, without folders.
        width: pixels.
        height: pixels.
        corners: `(N, 4, 2)` pixels of the picture, clockwise, first edge = length.
        class_ids: `(N,)` int64, positions in `classes`.
        ids: `N` evidence ids `<scene_id>#<row>`; empty of a box that a person drew.
        verdicts: `N`, empty where nothing was said.
        comments: `N`, free text.
        classes: that the ids are of.
        reviewed: somebody looked at all of the picture.
        answered: a person saved it: boxes that are missing were taken away. False of a picture that
            was exported and not looked at.
        who: looked at it; empty where the tool does not say.
        when: ISO time; empty where the tool does not say.

    Raises:
        ReviewError: the columns differ in length, or a verdict is none.
    """

    image: str
    width: int
    height: int
    corners: Corners
    class_ids: NDArray[np.int64]
    ids: tuple[str, ...]
    verdicts: tuple[str, ...]
    comments: tuple[str, ...]
    classes: ClassSet = PORT
    reviewed: bool = False
    answered: bool = True
    who: str = ""
    when: str = ""

    def __post_init__(self) -> None:
        parts = (self.corners, self.class_ids, self.ids, self.verdicts, self.comments)
        if len({len(part) for part in parts}) > 1:
            raise ReviewError(f"{self.image}: the columns of its boxes differ in length")
        for verdict in self.verdicts:
            if verdict not in VERDICTS:
                raise ReviewError(
                    f"{self.image}: '{verdict}' is no verdict; write real, false or doubtful, or "
                    "leave it empty"
                )
        named = [name for name in self.ids if name]
        twice = next((name for name in named if named.count(name) > 1), None)
        if twice is not None:
            raise ReviewError(
                f"{self.image}: two boxes are called {twice}, so what is said of it may "
                "contradict; empty the id of the one that was drawn"
            )


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A box as a file holds it; see `Sheet`."""

    class_name: str
    outline: NDArray[np.float64]
    name: str = ""
    verdict: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What a file says of a picture as a whole; see `Sheet`."""

    reviewed: bool = False
    answered: bool = True
    who: str = ""
    when: str = ""


def sheet_of(
    image: str,
    size: tuple[int, int],
    rows: list[SheetRow],
    classes: ClassSet = PORT,
    told: Told | None = None,
) -> Sheet:
    """A sheet of the rows of a file.

    Args:
        image: name of the picture.
        size: width and height, pixels.
        rows: each with an outline `(4, 2)`.
        classes: that are known.
        told: of the picture as a whole.

    Raises:
        ReviewError: a class is unknown, a verdict is none, or two boxes have one id.
        GeometryError: a coordinate is not finite.
    """
    for row in rows:
        if row.class_name not in classes.names:
            raise ReviewError(
                f"{image}: '{row.class_name}' is none of the classes {', '.join(classes.names)}; "
                "give the box one of them, or delete it"
            )
    told = told or Told()
    corners = as_corners([row.outline for row in rows])
    return Sheet(
        image=image,
        width=size[0],
        height=size[1],
        corners=order_corners(corners) if rows else corners,
        class_ids=np.array([classes.id(row.class_name) for row in rows], np.int64),
        ids=tuple(row.name for row in rows),
        verdicts=tuple(row.verdict for row in rows),
        comments=tuple(row.comment for row in rows),
        classes=classes,
        reviewed=told.reviewed,
        answered=told.answered,
        who=told.who,
        when=told.when,
    )


def rotated(x: float, y: float, sides: tuple[float, float], degrees: float) -> Corners:
    """Corners `(4, 2)` of a rectangle turned clockwise around its first corner `x, y`."""
    angle = np.deg2rad(degrees)
    along = sides[0] * np.array([np.cos(angle), np.sin(angle)])
    across = sides[1] * np.array([-np.sin(angle), np.cos(angle)])
    first = np.array([x, y])
    return np.stack([first, first + along, first + along + across, first + across])


def sides_and_degrees(box: NDArray[np.float64]) -> tuple[tuple[float, float], float]:
    """Sides along the first edge and across of a box `(4, 2)`, and its clockwise turn, [0, 360)."""
    along, across = box[1] - box[0], box[3] - box[0]
    turn = float(np.rad2deg(np.arctan2(along[1], along[0])) % 360.0)
    return (float(np.linalg.norm(along)), float(np.linalg.norm(across))), turn % 360.0


def squared(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The outline `(P, 2)` as it is, or `(4, 2)` the smallest rectangle around what is none."""
    if len(points) == 4 and _is_rectangle(points):
        return points
    return np.asarray(min_rectangles([points])[0], np.float64)


def _is_rectangle(points: NDArray[np.float64]) -> bool:
    edges = np.roll(points, -1, axis=0) - points
    lengths = np.linalg.norm(edges, axis=1)
    if (lengths <= 0).any():
        return False
    units = edges / lengths[:, None]
    return bool((np.abs((units * np.roll(units, -1, axis=0)).sum(axis=1)) < RIGHT_ANGLE).all())
