"""A contact sheet: what the network sees after augmentation, with what it is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.data.chips import Chip
from detector.errors import OutputError
from detector.files import atomic_path, make_folder
from detector.geometry.boxes import corners_from_xywhr
from detector.training.dataset import ChipViews, MixSampler
from detector.training.loss import TAUGHT
from detector.training.settings import TrainingSettings

COLOURS = ((0, 255, 0), (255, 220, 0))  # RGB of ships, stacks
NOT_TAUGHT = (255, 0, 0)


def contact_sheet(
    chips: Sequence[Chip], settings: TrainingSettings, count: int, columns: int, cell_px: int
) -> NDArray[np.uint8]:
    """Views as one picture.

    Args:
        chips: to draw from, with the shares of `settings.mix`.
        settings: of a run.
        count: number of views.
        columns: in a row.
        cell_px: side of a view in the picture.

    Returns:
        `(rows * cell_px, columns * cell_px, 3)` uint8, RGB. Ships are green, stacks yellow; a red
        frame marks views that do not teach a class.
    """
    seed = settings.trainer.seed
    views = ChipViews(chips, settings.views, settings.augment, seed)
    drawn = list(MixSampler(chips, settings.mix, seed))
    rows = -(-count // columns)
    sheet = np.zeros((rows * cell_px, columns * cell_px, 3), np.uint8)
    for number in range(count):
        item = views[drawn[number % len(drawn)]]
        cell = cv2.resize(_drawn(item), (cell_px, cell_px), interpolation=cv2.INTER_AREA)
        row, column = divmod(number, columns)
        sheet[row * cell_px : (row + 1) * cell_px, column * cell_px : (column + 1) * cell_px] = cell
    return sheet


def write_sheet(sheet: NDArray[np.uint8], path: Path) -> None:
    """Write a picture, by the suffix of its name.

    Raises:
        OutputError: the suffix is no picture's, or the file cannot be written.
    """
    try:
        done, data = cv2.imencode(path.suffix, sheet[..., ::-1])
    except cv2.error as error:
        raise OutputError(f"{path}: '{path.suffix}' is no picture; use .png or .jpg") from error
    if not done:
        raise OutputError(f"{path}: the picture could not be encoded")
    make_folder(path.parent)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.tobytes())


def _drawn(item: dict[str, object]) -> NDArray[np.uint8]:
    pixels = np.ascontiguousarray(np.asarray(item["img"]).transpose(1, 2, 0))
    side = pixels.shape[0]
    boxes = np.asarray(item["bboxes"], np.float64) * [side, side, side, side, 1.0]
    corners = corners_from_xywhr(boxes) if len(boxes) else np.zeros((0, 4, 2))
    for box, class_id in zip(corners, np.asarray(item["cls"]).ravel().astype(int), strict=True):
        cv2.polylines(pixels, [np.rint(box).astype(np.int32)], True, COLOURS[class_id], 2)
    if not np.asarray(item[TAUGHT]).all():
        cv2.rectangle(pixels, (0, 0), (side - 1, side - 1), NOT_TAUGHT, 6)
    return np.asarray(pixels, np.uint8)
