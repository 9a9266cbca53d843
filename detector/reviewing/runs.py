"""A finished run as a review needs it: the boxes of its scenes, and what binds a review to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
from pyarrow import ArrowException

from detector.classes import PORT, ClassSet
from detector.documents import DocumentError, read_json
from detector.errors import ConfigError, OutputError
from detector.export.records import SceneRecord
from detector.export.run_files import read_records, run_content
from detector.export.scene_files import PARQUET_FILE
from detector.export.seals import FILES, RECORD_FILE, altered_record
from detector.export.vector import read_detections
from detector.reviewing.errors import ReviewError


@dataclass(frozen=True, slots=True)
class ReviewedRun:
    """A run whose boxes are reviewed.

    Attributes:
        folder: of the run.
        records: of its scenes that are done, by id.
        classes: that its network knows.
    """

    folder: Path
    records: dict[str, SceneRecord]
    classes: ClassSet

    @classmethod
    def read(cls, folder: Path) -> ReviewedRun:
        """Read a run.

        Raises:
            ReviewError: it is not finished, or a file of it that is read is damaged.
        """
        try:
            records = [record for record in read_records(folder) if record.status == "done"]
            told = run_content(folder).get("classes")
        except OutputError as error:
            raise ReviewError(f"{error}; name the folder out= of detector predict") from error
        return cls(folder, {record.scene_id: record for record in records}, _classes(told))

    def record(self, scene_id: str, where: str) -> SceneRecord:
        """The record of a scene.

        Raises:
            ReviewError: the run has no such scene.
        """
        if scene_id not in self.records:
            raise ReviewError(
                f"{where}: of the scene {scene_id}, which {self.folder} has not; name the run that "
                "it was exported from with run="
            )
        return self.records[scene_id]

    def found(self, scene_id: str) -> gpd.GeoDataFrame:
        """All rows that the network found in a scene, in their order.

        Raises:
            ReviewError: the table is gone, or is no more what the run wrote.
        """
        folder = self.folder / scene_id
        if altered_record(folder, [PARQUET_FILE]) is not None:
            raise ReviewError(
                f"{folder / PARQUET_FILE}: gone or changed since the run wrote it; run detector "
                "predict again with the same out="
            )
        try:
            return read_detections(folder / PARQUET_FILE)
        except (OSError, ValueError, ArrowException) as error:
            raise ReviewError(f"{folder / PARQUET_FILE}: cannot be read ({error})") from error

    def seal(self, scene_id: str) -> str:
        """SHA-256 of a scene's boxes, which a review is bound to.

        Raises:
            ReviewError: an earlier version wrote the run, without it.
        """
        return scene_seal(self.folder, scene_id)


def scene_seal(folder: Path, scene_id: str) -> str:
    """SHA-256 of a scene's boxes, by its record.

    Raises:
        ReviewError: an earlier version wrote the run, without it, or the record is damaged.
    """
    path = folder / scene_id / RECORD_FILE
    try:
        return str(read_json(path)[FILES][PARQUET_FILE])
    except (OSError, DocumentError, KeyError, TypeError) as error:
        raise ReviewError(
            f"{path}: does not say the hash of the scene's boxes, so no review can be bound to "
            "them; run detector predict again with overwrite=true"
        ) from error


def _classes(told: Any) -> ClassSet:
    if not told:
        return PORT
    try:
        return ClassSet.from_plain(told, "run.json")
    except ConfigError as error:
        raise ReviewError(f"run.json: its classes cannot be read ({error})") from error
