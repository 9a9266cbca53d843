"""Upright solids: polygons with a base, a top and a colour. All that is drawn is made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Colour = tuple[float, float, float]
Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Solids:
    """Solids in drawing order, as flat arrays.

    Attributes:
        points: `(T, 2)` outlines one after another, local metres, clockwise on the screen.
        starts: `(N + 1,)` first point of every solid.
        base_m: `(N,)` height of the underside above the water.
        top_m: `(N,)` height of the top above the water.
        colours: `(N, 3)` of the tops, display units.
        floating: `(N,)` open below (booms, beams): drawn and shadowed apart from the height field.
    """

    points: Points
    starts: NDArray[np.int64]
    base_m: NDArray[np.float64]
    top_m: NDArray[np.float64]
    colours: NDArray[np.float64]
    floating: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.top_m)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Points of every solid, `(N,)`."""
        return np.diff(self.starts)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """`(x_min, y_min, x_max, y_max)` of the outlines, metres."""
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    def each_bounds(self) -> Points:
        """`(N, 4)` x_min, y_min, x_max, y_max of every outline, metres."""
        if not len(self):
            return np.zeros((0, 4))
        low = np.minimum.reduceat(self.points, self.starts[:-1], axis=0)
        high = np.maximum.reduceat(self.points, self.starts[:-1], axis=0)
        return np.concatenate([low, high], axis=1)

    def select(self, index: NDArray[np.int64]) -> Solids:
        """The solids at `index`, in its order."""
        counts = self.counts[index]
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        inside = np.arange(int(starts[-1])) - np.repeat(starts[:-1], counts)
        points = self.points[np.repeat(self.starts[index], counts) + inside]
        return Solids(
            points,
            starts,
            self.base_m[index],
            self.top_m[index],
            self.colours[index],
            self.floating[index],
        )

    def placed(self, centre: Points, angle: float) -> Solids:
        """The solids turned by `angle` (radians, x to y), their origin moved to `centre`."""
        cos, sin = np.cos(angle), np.sin(angle)
        turned = self.points @ np.array([[cos, sin], [-sin, cos]]) + np.asarray(centre)
        return Solids(turned, self.starts, self.base_m, self.top_m, self.colours, self.floating)

    @classmethod
    def concatenate(cls, parts: Sequence[Solids]) -> Solids:
        """All solids of `parts`, in order."""
        parts = [part for part in parts if len(part)]
        if not parts:
            return SolidsBuilder().build()
        shifts = np.cumsum([0] + [len(part.points) for part in parts])
        starts = [part.starts[:-1] + shift for part, shift in zip(parts, shifts, strict=False)]
        return cls(
            np.concatenate([part.points for part in parts]),
            np.concatenate([*starts, shifts[-1:]]),
            np.concatenate([part.base_m for part in parts]),
            np.concatenate([part.top_m for part in parts]),
            np.concatenate([part.colours for part in parts]),
            np.concatenate([part.floating for part in parts]),
        )


class SolidsBuilder:
    """Collects solids in drawing order."""

    def __init__(self) -> None:
        self._points: list[Points] = []
        self._counts: list[NDArray[np.int64]] = []
        self._base: list[NDArray[np.float64]] = []
        self._top: list[NDArray[np.float64]] = []
        self._colours: list[NDArray[np.float64]] = []
        self._floating: list[NDArray[np.bool_]] = []

    def polygon(
        self,
        points: Points | Sequence[Sequence[float]],
        base_m: float,
        top_m: float,
        colour: Colour,
        *,
        floating: bool = False,
    ) -> None:
        """Add one outline, `(V, 2)` metres; convex ones are filled fast."""
        outline = np.asarray(points, np.float64)
        self._points.append(outline)
        self._counts.append(np.array([len(outline)]))
        self._base.append(np.array([base_m]))
        self._top.append(np.array([top_m]))
        self._colours.append(np.array([colour], np.float64))
        self._floating.append(np.array([floating]))

    def rectangle(
        self,
        centre: tuple[float, float],
        size: tuple[float, float],
        heights_m: tuple[float, float],
        colour: Colour,
        *,
        angle: float = 0.0,
        floating: bool = False,
    ) -> None:
        """Add one rectangle: size along and across `angle` (radians), heights of base and top."""
        outline = rectangles(np.array([centre]), np.array([size]), np.array([angle]))[0]
        self.polygon(outline, *heights_m, colour, floating=floating)

    def quads(
        self,
        outlines: Points,
        base_m: NDArray[np.float64],
        top_m: NDArray[np.float64],
        colours: NDArray[np.float64],
    ) -> None:
        """Add `(N, 4, 2)` four-cornered outlines at once."""
        self._points.append(outlines.reshape(-1, 2))
        self._counts.append(np.full(len(outlines), 4))
        self._base.append(np.asarray(base_m, np.float64))
        self._top.append(np.asarray(top_m, np.float64))
        self._colours.append(np.asarray(colours, np.float64))
        self._floating.append(np.zeros(len(outlines), bool))

    def beam(
        self,
        start: Sequence[float],
        end: Sequence[float],
        width_m: float,
        top_m: float,
        colour: Colour,
    ) -> None:
        """Add a floating beam between two points at one height."""
        a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
        along = b - a
        length = float(np.hypot(*along))
        centre = (a + b) / 2
        self.rectangle(
            (float(centre[0]), float(centre[1])),
            (max(length, width_m), width_m),
            (top_m, top_m),
            colour,
            angle=float(np.arctan2(along[1], along[0])),
            floating=True,
        )

    def build(self) -> Solids:
        """What was added."""
        counts = np.concatenate([np.zeros(1, np.int64), *self._counts]).astype(np.int64)
        return Solids(
            np.concatenate([np.zeros((0, 2)), *self._points]),
            np.cumsum(counts),
            np.concatenate([np.zeros(0), *self._base]),
            np.concatenate([np.zeros(0), *self._top]),
            np.concatenate([np.zeros((0, 3)), *self._colours]),
            np.concatenate([np.zeros(0, bool), *self._floating]),
        )


def rectangles(centres: Points, sizes: Points, angles: NDArray[np.float64] | float) -> Points:
    """Outlines `(N, 4, 2)` of rectangles, clockwise on the screen.

    Args:
        centres: `(N, 2)` metres.
        sizes: `(N, 2)` along and across.
        angles: `(N,)` radians, from x to y.
    """
    angles = np.broadcast_to(np.asarray(angles, np.float64), (len(centres),))
    axis = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    normal = np.stack([-axis[:, 1], axis[:, 0]], axis=1)
    along, across = axis * sizes[:, :1] / 2, normal * sizes[:, 1:] / 2
    return np.stack(
        [
            centres - along - across,
            centres + along - across,
            centres + along + across,
            centres - along + across,
        ],
        axis=1,
    )


def circle(centre: Sequence[float], radius_m: float, points: int = 16) -> Points:
    """Outline `(points, 2)` of a circle, clockwise on the screen."""
    turns = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.asarray(centre) + radius_m * np.stack([np.cos(turns), np.sin(turns)], axis=1)


def shade(colour: Iterable[float], factor: float) -> Colour:
    """The colour times a factor."""
    red, green, blue = (min(255.0, value * factor) for value in colour)
    return red, green, blue
