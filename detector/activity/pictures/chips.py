"""Chips: what the pictures show of each visit, at its first and at its last look."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from detector.activity.looks.runs import RunScene
from detector.activity.looks.sightings import ID_SEPARATOR, scene_of
from detector.errors import SceneError
from detector.files import atomic_path, file_part, prepare_folder
from detector.geometry.geodesy import apply_transform, lonlat
from detector.geometry.windows import PixelWindow

CHIPS_FOLDER: Final = "chips"
ENDS: Final = ("first", "last")
MARGIN: Final = 0.2  # of the longer side of the box, on each side
LONGEST_SIDE_PX: Final = 192
BOX_COLOUR: Final = (27, 89, 196)  # blue, green, red
PLACE_DIGITS: Final = 5
NAME_LENGTH: Final = 40  # characters of a visit's name in that of its file, 4 bytes each at most

logger = logging.getLogger(__name__)


def visit_windows(evidence: str, scenes: Mapping[str, RunScene]) -> dict[str, str]:
    """Where a visit's first and last box lie: `first_window` and `last_window`.

    Args:
        evidence: ids of boxes in order of time, `<scene_id>#<row>`.
        scenes: by id.

    Returns:
        `<scene_id>: column, row, width, height` in pixels of the file, with some margin.
    """
    ids = evidence.split(ID_SEPARATOR)
    windows = {}
    for end, name in zip(ENDS, (ids[0], ids[-1]), strict=True):
        scene_id = scene_of(name)
        window = _window(_corners(name, scenes))
        place = f"{window.col}, {window.row}, {window.width}, {window.height}"
        windows[f"{end}_window"] = f"{scene_id}: {place}"
    return windows


def visit_place(evidence: str, scenes: Mapping[str, RunScene]) -> dict[str, float]:
    """Where a visit's first box has its middle, as its scene places it: WGS84 degrees.

    Args:
        evidence: ids of boxes in order of time, `<scene_id>#<row>`.
        scenes: by id.

    Returns:
        `latitude_deg` and `longitude_deg`, to five digits, which is a metre.
    """
    name = evidence.split(ID_SEPARATOR, maxsplit=1)[0]
    scene = scenes[scene_of(name)]
    middle = apply_transform(scene.transform, _corners(name, scenes).mean(axis=0))
    lon, lat = lonlat(middle, scene.crs).tolist()
    return {
        "latitude_deg": round(lat, PLACE_DIGITS),
        "longitude_deg": round(lon, PLACE_DIGITS),
    }


def write_chips(visits: pd.DataFrame, scenes: Sequence[RunScene], out: Path) -> int:
    """Write a PNG of each visit's first and last look, and name them in the table.

    The box is drawn. A scene whose file is gone leaves the names empty.

    Args:
        visits: of an activity; its columns `first_chip` and `last_chip` are set, relative to `out`.
        scenes: of the runs.
        out: folder; the chips go to `CHIPS_FOLDER` in it.

    Returns:
        Chips written.

    Raises:
        OutputError: the folder cannot be written.
    """
    by_id = {scene.scene_id: scene for scene in scenes}
    jobs: dict[str, list[tuple[int, str, str]]] = {}
    for number, evidence in enumerate(visits["evidence"]):
        ids = evidence.split(ID_SEPARATOR)
        for end, name in zip(ENDS, (ids[0], ids[-1]), strict=True):
            jobs.setdefault(scene_of(name), []).append((number, end, name))
    names: dict[str, list[str | None]] = {end: [None] * len(visits) for end in ENDS}
    folder = prepare_folder(out / CHIPS_FOLDER, mark=True)
    for scene_id, wanted in jobs.items():  # each scene is opened once
        try:
            chips = _read(by_id[scene_id], [_corners(name, by_id) for _, _, name in wanted])
        except SceneError as error:
            logger.warning("no chips of %s: %s", scene_id, error)
            continue
        for (number, end, _), chip in zip(wanted, chips, strict=True):
            visit = file_part(str(visits["visit_id"].iloc[number]), NAME_LENGTH)
            path = folder / f"{number + 1:04d}-{visit}-{end}.png"
            write_png(path, chip)
            names[end][number] = f"{CHIPS_FOLDER}/{path.name}"
    for end in ENDS:
        visits[f"{end}_chip"] = pd.Series(names[end], dtype=object, index=visits.index)
    return sum(name is not None for end in ENDS for name in names[end])


def _corners(name: str, scenes: Mapping[str, RunScene]) -> NDArray[np.float64]:
    objects = scenes[scene_of(name)].objects
    return np.asarray(objects.corners[np.flatnonzero(objects.ids == name)[0]])


def _window(corners: NDArray[np.float64]) -> PixelWindow:
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin = MARGIN * float((high - low).max())
    left, top = np.floor(low - margin).astype(int).tolist()
    right, bottom = np.ceil(high + margin).astype(int).tolist()
    return PixelWindow(left, top, max(right - left, 1), max(bottom - top, 1))


def _read(scene: RunScene, boxes: Sequence[NDArray[np.float64]]) -> list[NDArray[np.uint8]]:
    """BGR pictures of the boxes, the boxes drawn."""
    chips = []
    with scene.open() as opened:
        for corners in boxes:
            window = _window(corners)
            scale = min(1.0, LONGEST_SIDE_PX / max(window.width, window.height))
            size = max(1, round(window.width * scale)), max(1, round(window.height * scale))
            chip = np.ascontiguousarray(opened.read(window, size).rgb[..., ::-1])
            line = np.rint((corners - [window.col, window.row]) * scale).astype(np.int32)
            cv2.polylines(chip, [line], isClosed=True, color=BOX_COLOUR, thickness=1)
            chips.append(chip)
    return chips


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a picture `(h, w, 3)`, blue, green, red.

    Raises:
        OutputError: it cannot be written.
    """
    _, data = cv2.imencode(".png", picture)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.tobytes())


def no_chips() -> dict[str, Any]:
    """The columns of a visit whose chips are not written."""
    return dict.fromkeys((f"{end}_chip" for end in ENDS), None)
