"""Frames as a moving picture, GIF or MP4, which goes by the ending of the file's name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from detector.errors import OutputError
from detector.files import atomic_path

FRAME_MS: Final = 1200
LAST_FRAME_MS: Final = 2 * FRAME_MS
FILM_FORMATS: Final = ("gif", "mp4")
MP4_CODECS: Final = ("vp09", "mp4v")  # the first is played by browsers, the second is everywhere
NO_CODEC: Final = (
    "MP4 of zones: OpenCV here can write neither VP9 nor MPEG-4; formats=[gif] shows the same"
)
CODED_IN: Final = 2  # both codecs keep colours for 2 x 2 pixels


def write_film(path: Path, frames: Sequence[NDArray[np.uint8]]) -> None:
    """Write frames one after the other, 1.2 s each, the last one twice as long.

    Args:
        path: ends with one of `FILM_FORMATS`.
        frames: at least one, RGB, `(height, width, 3)`, all of one size.

    Raises:
        OutputError: the file cannot be written, or it is MP4 and `mp4_codec` is None.
    """
    with atomic_path(path) as temporary:
        if path.suffix == ".mp4":
            _write_mp4(temporary, path, frames)
        else:
            _write_gif(temporary, frames)


def mp4_codec(folder: Path) -> str | None:
    """The first of `MP4_CODECS` that OpenCV can write here; None where it has none.

    Args:
        folder: takes a file for the try, which is removed.
    """
    before = cv2.utils.logging.getLogLevel()
    # a codec that is not there is no error, and is told in one line
    cv2.utils.logging.setLogLevel(
        cv2.utils.logging.LOG_LEVEL_SILENT
    )  # a codec that is not there is no error, and is told in one line
    probe = folder / ".codec.mp4"
    try:
        for codec in MP4_CODECS:
            film = cv2.VideoWriter(str(probe), cv2.VideoWriter.fourcc(*codec), 1.0, (64, 64))
            there = film.isOpened()
            film.release()
            if there:
                return codec
    finally:
        cv2.utils.logging.setLogLevel(before)
        probe.unlink(missing_ok=True)
    return None


def _write_gif(path: Path, frames: Sequence[NDArray[np.uint8]]) -> None:
    first, *others = [Image.fromarray(frame) for frame in frames]
    times = [FRAME_MS] * len(others) + [LAST_FRAME_MS]
    first.save(path, "GIF", save_all=True, append_images=others, duration=times, loop=0)


def _write_mp4(path: Path, final: Path, frames: Sequence[NDArray[np.uint8]]) -> None:
    codec = mp4_codec(path.parent)
    if codec is None:
        raise OutputError(f"{final}: {NO_CODEC}")
    height, width = (side + side % CODED_IN for side in frames[0].shape[:2])
    rate = 1000 / FRAME_MS
    film = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, (width, height))
    for frame in (*frames, frames[-1]):
        down, right = height - frame.shape[0], width - frame.shape[1]
        whole = np.pad(frame, ((0, down), (0, right), (0, 0)), mode="edge")
        film.write(cv2.cvtColor(whole, cv2.COLOR_RGB2BGR))
    film.release()
