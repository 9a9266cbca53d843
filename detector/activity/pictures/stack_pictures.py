"""Difference pictures: two looks of a zone in one, for every pair between which stacks changed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from affine import Affine
from numpy.typing import NDArray

from detector.activity.changes.blocks import CLAIMS
from detector.activity.looks.ground import Floats, difference_picture, levelled
from detector.activity.looks.runs import RunScene
from detector.activity.looks.sightings import ID_SEPARATOR, scene_of
from detector.activity.looks.sites import Site
from detector.activity.looks.zone_looks import Placement, scene_sightings
from detector.activity.pictures.chips import NAME_LENGTH, write_png
from detector.errors import SceneError
from detector.files import file_part, prepare_folder
from detector.geometry.boxes import Corners
from detector.scenes.grid import Grid, GridPixels, first_on_top, on_grid

DIFFERENCES_FOLDER: Final = "differences"
MARGIN_M: Final = 60.0  # around the changed blocks: what did not change tells where one is
FINEST_CELL_M: Final = 0.5
LONGEST_SIDE_PX: Final = 1200
PAIR: Final = ["site", "zone", "from_day", "to_day"]

logger = logging.getLogger(__name__)

Ground = tuple[NDArray[np.uint8], NDArray[np.bool_]]


def write_differences(
    tables: Mapping[str, pd.DataFrame],
    sites: Sequence[Site],
    scenes: Sequence[RunScene],
    out: Path,
) -> int:
    """Write a PNG for every pair of looks between which stacks changed, and name it in the table.

    Red is what only the first look has, cyan what only the second has; blocks that appeared or grew
    are outlined in green, those that are gone or shrank in red. North is up, scenes are registered,
    black was not seen in both. A scene whose file is gone leaves the names empty.

    Args:
        tables: of an activity; `picture` of `stack_changes` is set, relative to `out`.
        sites: with their frames.
        scenes: of the runs.
        out: folder; the pictures go to `DIFFERENCES_FOLDER` in it.

    Returns:
        Pictures written.

    Raises:
        OutputError: the folder cannot be written.
    """
    changes = tables["stack_changes"]
    claims = changes[changes["kind"].isin(CLAIMS)]
    by_name = {site.name: site for site in sites}
    names: dict[Any, str | None] = dict.fromkeys(changes.index)
    if claims.empty:
        return 0
    folder = prepare_folder(out / DIFFERENCES_FOLDER, mark=True)
    written = 0
    for _, rows in claims.groupby(PAIR, sort=False):
        site, zone, first, last = rows[PAIR].iloc[0]
        pictures = _Pictures(by_name[site], scenes, tables["registration"])
        looks = [_scene_ids(tables["looks"], (site, zone, day)) for day in (first, last)]
        try:
            picture = pictures.draw(rows, looks)
        except SceneError as error:
            logger.warning("no difference picture of '%s', %s to %s: %s", zone, first, last, error)
            continue
        written += 1
        fit = file_part(str(zone), NAME_LENGTH)
        path = folder / f"{written:04d}-{fit}-{first}-{last}.png"
        write_png(path, picture[..., ::-1])
        names |= dict.fromkeys(rows.index, f"{DIFFERENCES_FOLDER}/{path.name}")
    changes["picture"] = pd.Series(names, dtype=object)
    return written


class _Pictures:
    """Draws the differences of one site."""

    def __init__(self, site: Site, scenes: Sequence[RunScene], registration: pd.DataFrame) -> None:
        mine = registration[registration["site"] == site.name]
        columns = ("scene_id", "shift_east_m", "shift_north_m", "residual_m")
        self._placements = {
            scene_id: Placement((float(east), float(north)), float(residual))
            for scene_id, east, north, residual in mine[list(columns)].itertuples(index=False)
        }
        self._site = site
        self._scenes = {s.scene_id: s for s in scenes if s.scene_id in self._placements}

    def draw(self, changes: pd.DataFrame, looks: Sequence[Sequence[str]]) -> NDArray[np.uint8]:
        """The picture `(h, w, 3)` RGB of changes between two looks, each the ids of its scenes."""
        came = self._corners(changes, ("appeared", "grown"), "blocks_after")
        left = self._corners(changes, ("gone", "shrunk"), "blocks_before")
        grid = _grid(np.concatenate([came, left]).reshape(-1, 2), self._site.frame.crs)
        before, after = (self._read(ids, grid) for ids in looks)
        both = before[1] & after[1]
        one, two = before[0], levelled(after[0], before[0], both)
        one[~both], two[~both] = 0, 0
        # lines are drawn from the centre of a pixel
        return difference_picture(one, two, grid.to_cells(came) - 0.5, grid.to_cells(left) - 0.5)

    def _corners(self, changes: pd.DataFrame, kinds: Sequence[str], column: str) -> Corners:
        """Corners `(N, 4, 2)` of the blocks of some changes, local metres."""
        chosen = changes.loc[changes["kind"].isin(kinds), column]
        names = [name for cell in chosen for name in cell.split(ID_SEPARATOR) if name]
        found = [np.zeros((0, 4, 2))]
        for scene_id in dict.fromkeys(map(scene_of, names)):
            placed = self._placements[scene_id]
            objects = scene_sightings(self._scenes[scene_id], self._site, placed)
            found.append(objects.corners[np.isin(objects.ids, names)])
        return np.concatenate(found)

    def _read(self, scene_ids: Sequence[str], grid: Grid) -> Ground:
        """What the scenes of a look show together, the one that saw most of the zone on top."""

        def laid(scene_id: str) -> GridPixels:
            east, north = self._placements[scene_id].shift_m
            with self._scenes[scene_id].open() as opened:
                return on_grid(opened, grid.moved(-east, -north))

        # all are read, so that a scene that is gone is told also where others hide it
        return first_on_top([laid(scene_id) for scene_id in scene_ids], grid)


def _grid(points: Floats, crs: str) -> Grid:
    """The grid around points `(N, 2)` of local metres, north up."""
    low, high = points.min(axis=0) - MARGIN_M, points.max(axis=0) + MARGIN_M
    cell = max(FINEST_CELL_M, float((high - low).max()) / LONGEST_SIDE_PX)
    width, height = (len(np.arange(cell / 2, side, cell)) for side in high - low)
    return Grid(Affine(cell, 0, float(low[0]), 0, -cell, float(high[1])), width, height, crs)


def _scene_ids(looks: pd.DataFrame, look: tuple[str, str, Any]) -> list[str]:
    mine = (looks["site"] == look[0]) & (looks["zone"] == look[1]) & (looks["day"] == look[2])
    return str(looks.loc[mine, "scene_ids"].iloc[0]).split(ID_SEPARATOR)
