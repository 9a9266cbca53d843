"""The packed data of a run on a machine with a GPU: images in one file, what is known in another.

`NAME.bin` holds encoded images one after the other, `NAME.json` a row for each: where its bytes
lie, how large it is, and its truth. Nothing here needs more than NumPy, OpenCV and `detector`'s
ground floor, so that a bare machine reads it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from detector.classes import PORT, ClassSet
from detector.evaluation.truth import EvalImage, Measure
from detector.geometry.boxes import as_corners

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PackedChip:
    """A labelled image of the training set, as `detector.data.chips.Chip` but for its pixels.

    Attributes:
        image: name of the image.
        source: name of the dataset.
        place: of the image.
        split: of the image.
        width: pixels of the chip.
        height: pixels of the chip.
        gsd_m: metres a chip pixel, None where unknown.
        corners: `(N, 4, 2)` chip pixels.
        class_ids: `(N,)`.
        taught: of each class, whether everything without a box is background.
        complete_above: of each class, the length in chip pixels from which that is so.
        encoded: bytes of the picture.
        classes: that the ids are of.
    """

    image: str
    source: str
    place: str
    split: str
    width: int
    height: int
    gsd_m: float | None
    corners: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    taught: tuple[bool, ...]
    complete_above: tuple[float, ...]
    encoded: bytes
    classes: ClassSet = PORT

    def read(self) -> NDArray[np.uint8]:
        """The pixels `(height, width, 3)`, RGB."""
        return decode(self.encoded)

    def to_plain(self) -> dict[str, Any]:
        """All but the bytes, for JSON."""
        return {
            "image": self.image,
            "source": self.source,
            "place": self.place,
            "split": self.split,
            "width": self.width,
            "height": self.height,
            "gsd_m": self.gsd_m,
            "corners": self.corners.tolist(),
            "class_ids": self.class_ids.tolist(),
            "taught": list(self.taught),
            "complete_above": list(self.complete_above),
        }

    @classmethod
    def from_plain(cls, row: Mapping[str, Any], encoded: bytes) -> PackedChip:
        """What `to_plain` wrote."""
        return cls(
            **{
                **row,
                "corners": as_corners(row["corners"]),
                "class_ids": np.array(row["class_ids"], np.int64),
                "taught": tuple(row["taught"]),
                "complete_above": tuple(row["complete_above"]),
            },
            encoded=encoded,
        )


@dataclass(frozen=True, slots=True)
class PackedScene:
    """An image of an evaluation with its truth.

    Attributes:
        truth: as `detector evaluate` scores it.
        encoded: bytes of the picture.
    """

    truth: EvalImage
    encoded: bytes

    def read(self) -> NDArray[np.uint8]:
        """The pixels `(height, width, 3)`, RGB."""
        return decode(self.encoded)

    def to_plain(self) -> dict[str, Any]:
        """The truth, for JSON."""
        truth = self.truth
        return {
            "name": truth.name,
            "source": truth.source,
            "place": truth.place,
            "width": truth.width,
            "height": truth.height,
            "gsd_m": truth.gsd_m,
            "corners": truth.corners.tolist(),
            "class_ids": truth.class_ids.tolist(),
            "measures": [str(measure) for measure in truth.measures],
            "ignored": truth.ignored.tolist(),
            "ignored_class_ids": truth.ignored_class_ids.tolist(),
            "complete_above_px": list(truth.complete_above_px),
        }

    @classmethod
    def from_plain(cls, row: Mapping[str, Any], encoded: bytes) -> PackedScene:
        """What `to_plain` wrote."""
        truth = EvalImage(
            **{
                **row,
                "corners": as_corners(row["corners"]),
                "class_ids": np.array(row["class_ids"], np.int64),
                "measures": tuple(Measure(word) for word in row["measures"]),
                "ignored": as_corners(row["ignored"]),
                "ignored_class_ids": np.array(row["ignored_class_ids"], np.int64),
                "complete_above_px": tuple(row["complete_above_px"]),
            }
        )
        return cls(truth, encoded)


def write_pack(
    folder: Path, name: str, items: Iterable[PackedChip | PackedScene], **facts: Any
) -> int:
    """Write images and rows; the bytes of both files.

    Args:
        folder: where.
        name: of the two files.
        items: all of one kind.
        facts: further values for `read_facts`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows, blob, place = [], io.BytesIO(), 0
    for item in items:
        blob.write(item.encoded)
        rows.append({**item.to_plain(), "bytes": [place, len(item.encoded)]})
        place += len(item.encoded)
    (folder / f"{name}.bin").write_bytes(blob.getvalue())
    text = json.dumps({"facts": facts, "rows": rows}, separators=(",", ":"))
    (folder / f"{name}.json").write_text(text, encoding="utf-8")
    return place + len(text)


def read_chips(folder: Path, name: str) -> list[PackedChip]:
    """The training images of a pack."""
    return [PackedChip.from_plain(row, encoded) for row, encoded in _rows(folder, name)]


def read_scenes(folder: Path, name: str) -> list[PackedScene]:
    """The images of an evaluation."""
    return [PackedScene.from_plain(row, encoded) for row, encoded in _rows(folder, name)]


def read_facts(folder: Path, name: str) -> dict[str, Any]:
    """What else was written beside the rows."""
    content = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    facts: dict[str, Any] = content["facts"]
    return facts


def encode(pixels: NDArray[np.uint8], kind: str, quality: int) -> bytes:
    """A picture `(height, width, 3)`, RGB, as `webp` or `jpeg`."""
    encoded = io.BytesIO()
    # Pillow's methods of WebP: 2 is 2.5 times as fast as 4 for 5 % more bytes.
    Image.fromarray(pixels).save(encoded, kind.upper(), quality=quality, method=2)
    return encoded.getvalue()


def decode(encoded: bytes) -> NDArray[np.uint8]:
    """The pixels `(height, width, 3)`, RGB; by Pillow where OpenCV has no decoder for them."""
    bgr = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))
    return np.ascontiguousarray(bgr[..., ::-1])


def _rows(folder: Path, name: str) -> Iterable[tuple[dict[str, Any], bytes]]:
    blob = (folder / f"{name}.bin").read_bytes()
    content = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    for row in content["rows"]:
        start, length = row.pop("bytes")
        yield row, blob[start : start + length]
