"""The card of a set of weights: what the network is, where it holds, how it was made."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import yaml

from detector.boxes.luck import LUCK
from detector.classes import ClassSet
from detector.errors import ConfigError, WeightsError

SUFFIX = ".safetensors"
YOLO = "yolo"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a set of weights is and how it is read, stored as YAML beside its safetensors file.

    Attributes:
        name: stem of the card's file, and of the weights' where `file` names no other.
        architecture: Ultralytics model yaml, for example `yolo11n-obb.yaml`.
        classes: names in the order of the network's outputs.
        sha256: of the safetensors file, hexadecimal.
        tile_px: side of the square tiles that the network reads.
        gsd_min_m: finest ground sample distance that the training data held.
        gsd_max_m: coarsest one; outside the range counts are flagged.
        gsd_read_m: ground sample distance to which finer scenes are reduced.
        conf: score threshold of each class.
        iou: exact polygon IoU over which two boxes of one tile are duplicates.
        licence: of the weights, apart from the code's.
        description: one paragraph.
        training: data, places, hours, recipe.
        metrics: measured by `detector evaluate`, with sample sizes and intervals.
        calibration: score to probability, recall, false alarms; empty until calibrated.
        file: the safetensors file beside the card; empty: `<name>.safetensors`. Two cards may read
            the same weights in different ways.
        mirrored: every tile that shows something is read four times, as it is and mirrored, and the
            mean counts (`detector.models.mirrors`).
        luck: what the score of one look is lucky by; the merge takes it away
            (`detector.boxes.luck`).
        family: of the network; any other than `yolo` needs a plug-in that runs it (`backend=`).
        sources: where thresholds, luck and metrics come from, as `detector card` says it.
        class_entries: plain entries, by name, of classes that `detector.classes.TABLE` doesn't
            know.
    """

    name: str
    architecture: str
    classes: tuple[str, ...]
    sha256: str
    tile_px: int
    gsd_min_m: float
    gsd_max_m: float
    gsd_read_m: float
    conf: Mapping[str, float]
    iou: float
    licence: str
    description: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] = field(default_factory=dict)
    file: str = ""
    mirrored: bool = False
    luck: float = LUCK
    family: str = YOLO
    sources: Mapping[str, Any] = field(default_factory=dict)
    class_entries: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            names = self.class_set.names
        except ConfigError as error:
            raise WeightsError(f"{error}; its `classes` and `class_entries` say them") from error
        if sorted(self.conf) != sorted(names):
            raise WeightsError(f"the card of '{self.name}' needs a conf for each class")
        if not 0 < self.gsd_min_m <= self.gsd_read_m <= self.gsd_max_m:
            raise WeightsError(
                f"the card of '{self.name}' needs 0 < gsd_min_m <= gsd_read_m <= gsd_max_m"
            )
        if self.tile_px < 32 or self.tile_px % 32:
            raise WeightsError(f"the card of '{self.name}' needs a tile_px divisible by 32")
        if not 0 <= self.luck < 1:
            raise WeightsError(f"the card of '{self.name}' needs a luck from 0 to below 1")
        if self.file and (Path(self.file).name != self.file or not self.file.endswith(SUFFIX)):
            raise WeightsError(
                f"the card of '{self.name}' has file '{self.file}'; it needs the name of "
                f"a {SUFFIX} file beside the card, without folders"
            )

    @property
    def class_set(self) -> ClassSet:
        """The classes, in the order of the network's outputs."""
        where = f"the card of '{self.name}'"
        return ClassSet.named(map(str, self.classes), self.class_entries, where)

    def covers(self, gsd_m: float | None) -> bool | None:
        """Whether a scene's gsd lies in the card's range; None where the gsd is unknown."""
        return None if gsd_m is None else self.gsd_min_m <= gsd_m <= self.gsd_max_m

    def weights_beside(self, card: Path) -> Path:
        """The safetensors file of the card that lies at this path."""
        return card.with_name(self.file) if self.file else card.with_suffix(SUFFIX)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a card.

        Raises:
            WeightsError: missing, not YAML, unknown or missing keys, or values out of range.
        """
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise WeightsError(f"{path}: no card of these weights ({error.strerror})") from error
        except yaml.YAMLError as error:
            reason = " ".join(str(error).split())
            raise WeightsError(f"{path}: not a YAML card ({reason})") from error
        if not isinstance(values, dict):
            raise WeightsError(f"{path}: a card is a YAML mapping")
        known = {item.name for item in fields(cls)}
        unknown = sorted(set(map(str, values)) - known)
        if unknown:
            raise WeightsError(f"{path}: unknown keys {', '.join(unknown)} in the card")
        try:
            return cls(**{**values, "classes": tuple(values.get("classes", ()))})
        except TypeError as error:
            raise WeightsError(f"{path}: the card is incomplete or mistyped ({error})") from error

    def to_yaml(self) -> str:
        """The card as YAML, keys in the order of the attributes."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        values["classes"] = list(self.classes)
        if self.family == YOLO:
            del values["family"]  # said only of others
        if not self.class_entries:
            del values["class_entries"]
        plain = {k: dict(v) if isinstance(v, Mapping) else v for k, v in values.items()}
        return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path}: cannot read the weights ({error.strerror})") from error
