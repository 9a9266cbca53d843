"""The card of a set of weights: what the network is, where it holds, how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, cast

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from detector.boxes.luck import LUCK
from detector.classes import ClassSet
from detector.documents import DocumentError, read_yaml
from detector.errors import ConfigError, WeightsError
from detector.files import file_sha256
from detector.models.precision import F32

SUFFIX = ".safetensors"
YOLO = "yolo"
MOST_TILE_PX = 4096
UPSAMPLING = 1.5
"""Most read pixels by scene pixel, unless a card says that its network was taught more."""

MOST_UPSAMPLING = 8.0

Metres = Annotated[float, Field(strict=True, gt=0, le=1000, allow_inf_nan=False)]
Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
Line = Annotated[
    str, Field(strict=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]
# the weights' file gets it: no folders, and nothing that turns a line of text around
Name = Annotated[
    str,
    Field(
        strict=True,
        min_length=1,
        max_length=200,
        pattern=r"^[^/\\\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]+$",
    ),
]
Text = Annotated[str, Field(strict=True, max_length=100_000)]
Told = Annotated[Mapping[str, Any], Field(max_length=10_000)]


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
        gsd_read_m: ground sample distance to which finer scenes are reduced, and coarser ones
            enlarged as far as `upsampling` allows.
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
        upsampling: most read pixels by scene pixel.
        class_gsd_max_m: of classes that are not readable over the whole range, the coarsest gsd
            at which they are; 0 where they never are.
        cpu_precision: cheapest arithmetic of a CPU in which AP50 and AP75 of every class fall by
            less than 0.005 on the development split: `precision=auto` takes it
            (`detector.models.precision`).
        larger_tiles: whether the network reads large scenes as well in tiles of twice the side,
            which takes less work: by the same rule, where it was measured.
        lengths: how far the lengths of boxes are off, see `detector.lengths.LengthErrors`; empty
            where it was not measured.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: Name
    architecture: Line
    classes: Annotated[tuple[Line, ...], Field(max_length=1000)]
    sha256: Annotated[str, Field(strict=True, pattern=r"^[0-9a-f]{64}$")]
    tile_px: Annotated[int, Field(strict=True, ge=32, le=MOST_TILE_PX)]
    gsd_min_m: Metres
    gsd_max_m: Metres
    gsd_read_m: Metres
    conf: Mapping[str, Share]
    iou: Annotated[Share, Field(gt=0)]
    licence: Text
    description: Text = ""
    training: Told = field(default_factory=dict)
    metrics: Told = field(default_factory=dict)
    calibration: Told = field(default_factory=dict)
    file: Annotated[str, Field(strict=True, max_length=200)] = ""
    mirrored: Annotated[bool, Field(strict=True)] = False
    luck: Annotated[float, Field(strict=True, allow_inf_nan=False)] = LUCK
    family: Line = YOLO
    sources: Told = field(default_factory=dict)
    class_entries: Told = field(default_factory=dict)
    lengths: Told = field(default_factory=dict)
    upsampling: Annotated[
        float, Field(strict=True, ge=1, le=MOST_UPSAMPLING, allow_inf_nan=False)
    ] = UPSAMPLING
    cpu_precision: Literal["f32", "bf16"] = F32
    larger_tiles: Annotated[bool, Field(strict=True)] = True
    class_gsd_max_m: Mapping[
        str, Annotated[float, Field(strict=True, ge=0, le=1000, allow_inf_nan=False)]
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            names = self.class_set.names
        except ConfigError as error:
            raise WeightsError(f"{error}; its `classes` and `class_entries` say them") from error
        if sorted(self.conf) != sorted(names):
            raise WeightsError(f"the card of '{self.name}' needs a conf for each class")
        if not 0 < self.gsd_min_m <= self.gsd_max_m:
            raise WeightsError(f"the card of '{self.name}' needs 0 < gsd_min_m <= gsd_max_m")
        if not self.gsd_min_m / self.upsampling <= self.gsd_read_m <= self.gsd_max_m:
            raise WeightsError(
                f"the card of '{self.name}' needs gsd_min_m / upsampling <= gsd_read_m <= gsd_max_m"
            )
        strange = sorted(set(self.class_gsd_max_m) - set(names))
        if strange:
            raise WeightsError(
                f"the card of '{self.name}' has class_gsd_max_m of '{strange[0]}', no class of it"
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

    def unreadable(self, gsd_m: float | None) -> tuple[str, ...]:
        """Classes that the network cannot tell at a gsd that the card covers, by name."""
        if gsd_m is None:
            return ()
        return tuple(name for name, most in self.class_gsd_max_m.items() if gsd_m > most)

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
            values = read_yaml(path)
        except OSError as error:
            raise WeightsError(f"{path}: no card of these weights ({error.strerror})") from error
        except DocumentError as error:
            raise WeightsError(f"{path}: not a YAML card ({error})") from error
        if not isinstance(values, dict):
            raise WeightsError(f"{path}: a card is a YAML mapping")
        known = {item.name for item in fields(cls)}
        unknown = sorted(set(map(str, values)) - known)
        if unknown:
            raise WeightsError(f"{path}: unknown keys {', '.join(unknown)} in the card")
        try:
            return cast(Self, _cards.validate_python(values))
        except ValidationError as error:
            raise WeightsError(
                f"{path}: the card is incomplete or mistyped ({_first_fault(error)})"
            ) from error

    def to_yaml(self) -> str:
        """The card as YAML, keys in the order of the attributes."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        values["classes"] = list(self.classes)
        if self.family == YOLO:
            del values["family"]  # said only of others
        for name in ("class_entries", "lengths", "class_gsd_max_m"):
            if not values[name]:
                del values[name]
        if self.upsampling == UPSAMPLING:
            del values["upsampling"]
        if self.cpu_precision == F32:
            del values["cpu_precision"]
        if self.larger_tiles:
            del values["larger_tiles"]
        plain = {k: dict(v) if isinstance(v, Mapping) else v for k, v in values.items()}
        return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)


_cards = TypeAdapter(ModelCard)  # lower case: no constant of the fingerprint


def _first_fault(error: ValidationError) -> str:
    """The key, the value and what is wrong with it, in one line."""
    fault = error.errors(include_url=False)[0]
    key = ".".join(map(str, fault["loc"])) or "card"
    given = "" if fault["type"] == "missing" else f" is {str(fault['input'])[:60]!r}"
    return f"{key}{given}: {fault['msg']}"


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        return file_sha256(path)
    except OSError as error:
        raise WeightsError(f"{path}: cannot read the weights ({error.strerror})") from error


def check_weights(card: ModelCard, weights: Path) -> None:
    """Refuse weights that are not those of the card.

    Raises:
        WeightsError: the file is missing, or its hash is another than the card's.
    """
    digest = sha256_of(weights)
    if digest != card.sha256:
        raise WeightsError(
            f"{weights}: sha256 {digest[:12]}… is not the {card.sha256[:12]}… of the card; the "
            "file is damaged or was replaced, fetch weights and card again"
        )
