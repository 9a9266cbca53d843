"""Boxes of tiles that are done, kept on disk while a scene is read, so that a killed run goes on.

A part holds the boxes of some tiles that follow each other in the plan, before the merge. It is
written whole or not at all, begins with the hash of its key and its content, so one that is
damaged, or that other settings made, is not taken over, and is called by its first tile. Parts may
come from several processes, each of which has read other rows of tiles: a tile gives the same boxes
in whichever batch it is.
"""

from __future__ import annotations

import hashlib
import io
import logging
import shutil
import time
import zipfile
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.boxes.scored import Boxes, PlanBoxes, TileBoxes
from detector.classes import ClassSet
from detector.errors import GeometryError, OutputError
from detector.files import atomic_path, file_part, make_folder
from detector.tiling.plan import TilePlan

FOLDER_PREFIX = ".begun-"
SUFFIX = ".part"
EVERY_S = 20.0  # work that a kill may cost, beside what is on its way through the pipeline
KEY_DIGITS = 16
HASH_BYTES = 32
LONGEST_NAME = 100  # of a scene's id in the folder's name

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """What some tiles gave.

    Attributes:
        start: of the plan's tiles, the first.
        stop: the one behind the last.
        boxes: of them, before the merge.
        blocks: stacks of low score too, where the scale is to be measured; else none.
        flat: how many of the tiles show nothing, and were not read by the network.
    """

    start: int
    stop: int
    boxes: TileBoxes
    blocks: TileBoxes
    flat: int = 0


@dataclass(frozen=True, slots=True)
class TilesDone:
    """What a batch was of.

    Attributes:
        tiles: how many, empty ones too.
        flat: how many of them show nothing.
    """

    tiles: int
    flat: int = 0


class Checkpoint:
    """The parts of one scene under one plan. Made for one thread at a time.

    Args:
        folder: of the scene's parts; made with the first of them.
        key: tells everything that decides the boxes, beside the plan.
        plan: of the scene.
        classes: that the boxes are of.
        needed: somebody else waits for the parts, so one that cannot be written is an error.
    """

    def __init__(
        self, folder: Path, key: str, plan: TilePlan, classes: ClassSet, *, needed: bool = False
    ) -> None:
        self._folder = folder
        self._key = _digest(key, plan)
        self._classes = classes
        self._needed = needed
        self._start = self._stop = self._flat = 0
        self._boxes: list[TileBoxes] = []
        self._blocks: list[TileBoxes] = []
        self._since = time.monotonic()
        self._is_off = False

    def pieces(self, tiles: range) -> Iterator[Part | range]:
        """What is kept of some tiles, and between it what is not, in order of the plan.

        The last part may reach beyond the tiles. What is written after the first piece was asked
        for is not seen, so that the rest may be worked off meanwhile.

        Args:
            tiles: by their index in the plan, without gaps.
        """
        starts = self._starts()
        at = tiles.start
        while at < tiles.stop:
            part = self._read(at) if at in starts else None
            if part is None:
                following = starts[bisect_right(starts, at) :]
                piece = range(at, min([tiles.stop, *following[:1]]))
                at = piece.stop
                yield piece
            else:
                at = part.stop
                yield part

    def begin(self, start: int) -> None:
        """Say that the next batch begins at a tile; what has gathered before it is written.

        Raises:
            OutputError: it cannot be written, and is needed.
        """
        self.finish()
        self._start = self._stop = start

    def finish(self) -> None:
        """Write what has gathered.

        Raises:
            OutputError: it cannot be written, and is needed.
        """
        if self._stop > self._start and not self._is_off:
            self._write()

    def add(self, done: TilesDone, boxes: Sequence[TileBoxes], blocks: Sequence[TileBoxes]) -> None:
        """Take what the next batch gave, and write what has gathered if it is time.

        A part that cannot be written costs the run nothing but the way back to it: it is said, and
        no other is tried.

        Args:
            done: the tiles of the batch.
            boxes: of its tiles.
            blocks: of its tiles.

        Raises:
            OutputError: a part cannot be written, and is needed.
        """
        if self._is_off:
            return
        self._stop += done.tiles
        self._flat += done.flat
        self._boxes += boxes
        self._blocks += blocks
        if time.monotonic() - self._since >= EVERY_S:
            self._write()

    def _write(self) -> None:
        content = _pack(
            Part(
                self._start,
                self._stop,
                TileBoxes.concatenate(self._boxes),
                TileBoxes.concatenate(self._blocks),
                self._flat,
            )
        )
        try:
            make_folder(self._folder)
            with atomic_path(self._path(self._start)) as temporary:
                temporary.write_bytes(self._hash(content) + content)
        except (OSError, OutputError) as error:
            if self._needed:
                raise OutputError(str(error)) from error
            logger.warning("%s; a run that is stopped in this scene begins it anew", error)
            self._is_off = True
        self._start = self._stop
        self._boxes, self._blocks, self._flat = [], [], 0
        self._since = time.monotonic()

    def _starts(self) -> list[int]:
        """First tiles of the parts that are there, ascending; damaged ones too."""
        names = (path.stem.rpartition("-")[2] for path in self._folder.glob(f"{self._name}*"))
        return sorted(int(name) for name in names if name.isdecimal())

    def _read(self, start: int) -> Part | None:
        path = self._path(start)
        try:
            stored = path.read_bytes()
        except OSError:
            return None
        content = stored[HASH_BYTES:]
        try:
            part = self._unpack(content) if self._hash(content) == stored[:HASH_BYTES] else None
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, GeometryError):
            part = None
        if part is None or part.start != start:
            logger.warning("%s: damaged, so its tiles are read anew", path)
            return None
        return part

    def _unpack(self, content: bytes) -> Part:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            start, stop, flat = map(int, stored["span"])
            tables = [
                TileBoxes(
                    PlanBoxes(
                        Boxes(
                            stored[f"{name}_corners"],
                            stored[f"{name}_scores"],
                            stored[f"{name}_class_ids"],
                            self._classes,
                        )
                    ),
                    stored[f"{name}_tiles"],
                )
                for name in ("boxes", "blocks")
            ]
        return Part(start, stop, tables[0], tables[1], flat)

    def _hash(self, content: bytes) -> bytes:
        return hashlib.sha256(self._key.encode() + content).digest()

    @property
    def _name(self) -> str:
        return f"{self._key[:KEY_DIGITS]}-"

    def _path(self, start: int) -> Path:
        return self._folder / f"{self._name}{start:06d}{SUFFIX}"


def checkpoint_folder(out: Path, scene_id: str) -> Path:
    """Where the parts of a scene lie while a run is not done with it."""
    return out / f"{FOLDER_PREFIX}{file_part(scene_id, LONGEST_NAME)}"


def remove_checkpoint(folder: Path) -> None:
    """Remove the parts of a scene that is done."""
    shutil.rmtree(folder, ignore_errors=True)


def remove_checkpoints(out: Path) -> None:
    """Remove what is left of scenes that a finished run did not have."""
    for folder in out.glob(f"{FOLDER_PREFIX}*"):
        if folder.is_dir() and not folder.is_symlink():
            remove_checkpoint(folder)


def of_tile(boxes: PlanBoxes, index: int) -> TileBoxes:
    """The boxes of one tile."""
    return TileBoxes(boxes, np.full(len(boxes), index, np.int64))


def _digest(key: str, plan: TilePlan) -> str:
    digest = hashlib.sha256(repr((key, plan.width, plan.height, plan.settings)).encode())
    for tile in plan.tiles:
        digest.update(repr((tile.level, tile.window, tile.core)).encode())
    return digest.hexdigest()


def _pack(part: Part) -> bytes:
    stored: dict[str, NDArray[np.generic]] = {
        "span": np.array([part.start, part.stop, part.flat], np.int64)
    }
    for name, table in (("boxes", part.boxes), ("blocks", part.blocks)):
        stored |= {
            f"{name}_corners": table.boxes.corners,
            f"{name}_scores": table.boxes.scores,
            f"{name}_class_ids": table.boxes.class_ids,
            f"{name}_tiles": table.tiles,
        }
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **stored)
    return buffer.getvalue()
