"""Ships under way, told by their wake; without one that can be measured nothing is said.

Ahead and astern of a box, along its axis, the water in line with the ship is compared with the
water on both sides, block by block. A wake is a streak that is brighter than both sides, over most
of the blocks next to the ship, that fades away from it. Quays, piers and moles are bright streaks
too, but they stay: a streak counts only if the same water, on another date and without a ship in
it, shows none. So one look alone never tells a wake.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Self

import cv2
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from detector.activity.looks.runs import RunScene
from detector.activity.looks.sightings import scene_of
from detector.activity.looks.sites import Site
from detector.activity.looks.zone_looks import Look, Placement, scene_sightings
from detector.classes import PORT
from detector.errors import SceneError
from detector.geometry.boxes import polygons
from detector.scenes.grid import Grid, on_grid
from detector.scenes.scene import Scene

LEAST_LENGTH_M: Final = 25.0  # shorter ships have wakes of few pixels, or moor in rows
CLEAR_M: Final = 6.0  # of the box's end: spray, and errors of the box
LENGTHS: Final = 0.5  # of the ship, that are looked at
LEAST_M, MOST_M = 40.0, 120.0
LINE_SHARE: Final = 0.45  # of the beam, each way: the streak
SIDES: Final = (1.3, 2.6)  # of the beam, each way: the water beside it
LEAST_BEAM_M: Final = 8.0
BLOCKS: Final = 8
LEAST_CELL_M: Final = 0.75
SEEN_SHARE: Final = 0.95
NEAREST: Final = 5  # blocks next to the ship, of which most must be brighter
LEAST_BRIGHT: Final = 4
CONTRAST: Final = 3.0  # of a streak, in spreads of the water beside it
LEAST_LEVELS: Final = 3.0  # and in grey levels: flat water has no spread
STAYS: Final = 1.5  # contrast on another date from which a streak is a fixed thing
MOST_OTHERS: Final = 3  # dates that are looked at
MOST_OPEN: Final = 8  # scenes
# From this gsd on half a pixel of the ship's own brightness is as long as the spray, and the slick
# behind a ship at anchor looks like a wake: what is farther off, longer and brighter counts. Set by
# eye on 55 ships of 10 m that were told to be under way, of which 23 were not (docs/accuracy.md).
COARSE_M: Final = 2.5
COARSE_CLEAR_PX: Final = 2.0
COARSE_LENGTHS: Final = 1.0
COARSE_LEAST_M, COARSE_MOST_M = 120.0, 300.0
COARSE_CONTRAST: Final = 5.0

Floats = NDArray[np.float64]


class Wakes:
    """Measures wakes in the scenes of a site; each ship once, few scenes open at a time."""

    def __init__(
        self, site: Site, scenes: Mapping[str, RunScene], placements: Mapping[str, Placement]
    ) -> None:
        """Nothing is read yet.

        Args:
            site: with its frame.
            scenes: by id.
            placements: by scene id.
        """
        self._site, self._scenes, self._placements = site, scenes, placements
        self._told: dict[str, bool] = {}
        self._open: dict[str, Scene | None] = {}
        self._objects: dict[str, NDArray[np.object_]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._open:
            self._close_oldest()

    def under_way(self, looks: Sequence[Look]) -> list[NDArray[np.bool_]]:
        """Which objects of each look are ships with a wake.

        Args:
            looks: of one zone, in order of time.

        Returns:
            One array `(N,)` a look; false says that no wake was told, not that the ship lies still.
        """
        told = []
        for look in looks:
            others = [other for other in looks if other is not look and other.usable]
            others.sort(key=lambda other: abs(other.day - look.day))
            ids = list(dict.fromkeys(other.scene_ids[0] for other in others))
            ships = PORT.mask(look.sightings.class_ids, "visits")
            ships &= look.sightings.length_m >= LEAST_LENGTH_M
            for ship in np.flatnonzero(ships):
                name, box = str(look.sightings.ids[ship]), look.sightings.corners[ship]
                if name not in self._told:
                    self._told[name] = self._has_wake(name, box, ids)
            names = look.sightings.ids.tolist()
            told.append(np.array([self._told.get(name, False) for name in names], np.bool_))
        return told

    def _has_wake(self, name: str, box: Floats, others: Sequence[str]) -> bool:
        scene_id = scene_of(name)
        gsd_m = self._scenes[scene_id].gsd_m or 0.0
        least = COARSE_CONTRAST if gsd_m >= COARSE_M else CONTRAST
        for ahead in (False, True):
            trail = _Trail(box, ahead, gsd_m)
            if self._is_free(trail, scene_id):
                here = self._measure(trail, scene_id)
                if here is not None and here >= least and self._comes_and_goes(trail, others):
                    return True
        return False

    def _comes_and_goes(self, trail: _Trail, others: Sequence[str]) -> bool:
        """Whether other dates show the same water without the streak; false where none does."""
        looked = 0
        for scene_id in others:
            if looked == MOST_OTHERS:
                break
            there = self._measure(trail, scene_id) if self._is_free(trail, scene_id) else None
            if there is not None and there >= STAYS:
                return False
            looked += there is not None
        return looked > 0

    def _is_free(self, trail: _Trail, scene_id: str) -> bool:
        """Whether no box of a scene lies in a trail."""
        if scene_id not in self._objects:
            placed = scene_sightings(self._scenes[scene_id], self._site, self._placements[scene_id])
            self._objects[scene_id] = polygons(placed.corners)
        return not shapely.intersects(self._objects[scene_id], trail.polygon).any()

    def _measure(self, trail: _Trail, scene_id: str) -> float | None:
        """The streak of a trail in a scene; None where the scene does not tell."""
        opened = self._opened(scene_id)
        if opened is None:
            return None
        east, north = self._placements[scene_id].shift_m
        cell_m = max(LEAST_CELL_M, opened.info.gsd_m or LEAST_CELL_M)
        grid = trail.grid(cell_m, self._site.frame.crs).moved(-east, -north)
        try:
            laid = on_grid(opened, grid)
        except SceneError:
            return None
        grey = cv2.cvtColor(laid.rgb, cv2.COLOR_RGB2GRAY).astype(np.float64)
        return streak(grey, laid.seen, trail.rows(cell_m))

    def _opened(self, scene_id: str) -> Scene | None:
        """A scene; None where its file is gone or cannot be read."""
        if scene_id not in self._open:
            if len(self._open) == MOST_OPEN:
                self._close_oldest()
            try:
                self._open[scene_id] = self._scenes[scene_id].open()
            except SceneError:
                self._open[scene_id] = None
        return self._open[scene_id]

    def _close_oldest(self) -> None:
        scene = self._open.pop(next(iter(self._open)))
        if scene is not None:
            scene.close()


def streak(grey: Floats, seen: NDArray[np.bool_], cells: tuple[int, int]) -> float | None:
    """How much a streak stands out of the water beside it, in spreads of that water.

    Args:
        grey: `(h, w)` along the axis from left, the end next to the ship, to right; the line of
            the ship in the middle row.
        seen: `(h, w)`.
        cells: half the width of the streak, and of the nearer edge of the sides, in rows.

    Returns:
        0 or less where there is none; None where too little is seen.
    """
    if seen.mean() < SEEN_SHARE:
        return None
    middle, (half, beside) = grey.shape[0] // 2, cells
    blocks = [part for part in np.array_split(np.arange(grey.shape[1]), BLOCKS) if len(part)]
    line, left, right = (
        np.array([rows[:, block].mean() for block in blocks])
        for rows in (
            grey[middle - half : middle + half + 1],
            grey[: middle - beside],
            grey[middle + beside + 1 :],
        )
    )
    rise = line - np.maximum(left, right)
    spread = np.std(np.concatenate([left - left.mean(), right - right.mean()]))
    near = float(np.median(rise[:NEAREST]))  # a tug or spray at the end is no streak
    if (rise[:NEAREST] > 0).sum() < LEAST_BRIGHT or near < LEAST_LEVELS:
        return 0.0
    if near < np.median(rise[NEAREST:]):  # it grows with the distance: not of this ship
        return 0.0
    return near / max(float(spread), 1.0)


class _Trail:
    """Water ahead or astern of a ship, in a scene of `gsd_m`."""

    def __init__(self, corners: Floats, ahead: bool, gsd_m: float) -> None:
        length, width = corners[1] - corners[0], corners[3] - corners[0]
        self.length_m, self.beam_m = float(np.hypot(*length)), float(np.hypot(*width))
        self.along = length / self.length_m * (1.0 if ahead else -1.0)
        self.across = width / self.beam_m
        self.run_m = float(np.clip(LENGTHS * self.length_m, LEAST_M, MOST_M))
        clear_m = CLEAR_M
        if gsd_m >= COARSE_M:
            clear_m = COARSE_CLEAR_PX * gsd_m
            run_m = np.clip(COARSE_LENGTHS * self.length_m, COARSE_LEAST_M, COARSE_MOST_M)
            self.run_m = float(run_m)
        self.start = corners.mean(axis=0) + self.along * (self.length_m / 2 + clear_m)
        self.half_m = SIDES[1] * max(self.beam_m, LEAST_BEAM_M)

    @property
    def polygon(self) -> shapely.Polygon:
        """Its outline, local metres."""
        side, end = self.half_m * self.across, self.start + self.run_m * self.along
        return shapely.Polygon([self.start - side, end - side, end + side, self.start + side])

    def grid(self, cell_m: float, crs: str) -> Grid:
        """Cells along it, an odd number of rows."""
        rows = 2 * int(self.half_m / cell_m) + 1
        (a, d), (b, e) = cell_m * self.along, cell_m * self.across
        c, f = self.start - rows / 2 * cell_m * self.across
        columns = max(round(self.run_m / cell_m), BLOCKS)
        return Grid(Affine(*map(float, (a, b, c, d, e, f))), columns, rows, crs)

    def rows(self, cell_m: float) -> tuple[int, int]:
        """Half the width of the streak, and where the sides begin."""
        beam = max(self.beam_m, LEAST_BEAM_M)
        return int(LINE_SHARE * beam / cell_m), int(SIDES[0] * beam / cell_m)
