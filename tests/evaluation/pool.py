"""A port pool made by code, and a network that sees exactly its bright rectangles."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.geometry.boxes import Corners, corners_from_xywhr
from detector.models.detector import Detector
from detector.models.yolo import YoloBackend
from tests.inference.blobs import CARD

SHIP_CHANNEL, STACK_CHANNEL = 1, 0  # of RGB
MAX_BLOBS = 64
SIDE_PX = 400


@dataclass(frozen=True)
class Blob:
    """A rectangle; its brightness is the score that it gets."""

    xywhr: tuple[float, float, float, float, float]
    score: float = 0.9
    class_id: int = 0
    labelled: bool = True


@dataclass(frozen=True)
class PoolImage:
    """An image of the pool."""

    name: str
    blobs: tuple[Blob, ...]
    place: str
    source: str = "DOTA-v1"
    split: str = "dev"
    gsd_m: str = "0.5"
    ship_labels: str = "obb"
    stack_labels: str = "complete"
    unseen: tuple[tuple[float, float, float, float, float], ...] = ()
    ignored: tuple[tuple[float, float, float, float, float], ...] = ()


class BlobRunner:
    """Gives the raw predictions of a network for bright rectangles; brightness is the score."""

    name = "blobs"
    device = "cpu"

    def forward(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        raw = np.zeros((len(tiles), 7, MAX_BLOBS), np.float32)
        for i, tile in enumerate(tiles):
            rows = [row for channel in (0, 1) for row in self._rows(tile, channel)]
            if rows:
                raw[i, :, : len(rows)] = np.array(rows, np.float32).T
        return raw

    def _rows(self, tile: NDArray[np.uint8], channel: int) -> list[list[float]]:
        values = np.ascontiguousarray(tile[..., channel])
        contours, _ = cv2.findContours(
            (values > 2).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        rows = []
        for contour in contours:
            (x, y), (w, h), angle = cv2.minAreaRect(contour)
            if min(w, h) < 2:
                continue
            score = float(values[int(y), int(x)]) / 255
            scores = [score, 0.0] if channel == SHIP_CHANNEL else [0.0, score]
            rows.append([x + 0.5, y + 0.5, w + 0.5, h + 0.5, *scores, float(np.deg2rad(angle))])
        return rows


def blob_detector(conf: float = 0.5) -> Detector:
    """A whole `Detector` over `BlobRunner`."""
    never_lucky = replace(CARD, luck=0.0)  # its scores do not err
    return Detector(never_lucky, YoloBackend(BlobRunner()), 3, np.full(2, conf, np.float32), 0.5, 1)


def write_pool(root: Path, images: list[PoolImage]) -> Path:
    """Write images, labels and the index."""
    for folder in ("images", "labels", "labels_hbb", "labels_ignore"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    columns = "image,source,split,width,height,gsd_m,place,ships,ship_labels,stacks,stack_labels"
    with (root / "index.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns.split(","))
        for image in images:
            _write_image(root, image)
            ships = sum(b.class_id == 0 and b.labelled for b in image.blobs)
            writer.writerow(
                [
                    f"{image.name}.png",
                    image.source,
                    image.split,
                    SIDE_PX,
                    SIDE_PX,
                    image.gsd_m,
                    image.place,
                    ships,
                    image.ship_labels,
                    len(image.blobs) - ships,
                    image.stack_labels,
                ]
            )
    return root


def _write_image(root: Path, image: PoolImage) -> None:
    rgb = np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8)
    rgb[..., 2] = 255  # neither black, which is nodata, nor dark, which is stretched
    for blob in image.blobs:
        channel = SHIP_CHANNEL if blob.class_id == 0 else STACK_CHANNEL
        plane = np.ascontiguousarray(rgb[..., channel])
        points = np.rint((_corners(blob.xywhr) - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(plane, [points], round(255 * blob.score), shift=4)
        rgb[..., channel] = plane
    cv2.imwrite(str(root / "images" / f"{image.name}.png"), rgb[..., ::-1])
    lines, upright = [], []
    for blob in image.blobs:
        if not blob.labelled:
            continue
        corners = _corners(blob.xywhr)
        if image.ship_labels == "hbb" and blob.class_id == 0:
            (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
            values = np.array([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0]) / SIDE_PX
            upright.append(" ".join(["0", *(f"{v:.6f}" for v in values)]))
        else:
            lines.append(_line(blob.class_id, corners))
    lines += [_line(0, _corners(xywhr)) for xywhr in image.unseen]
    (root / "labels" / f"{image.name}.txt").write_text("\n".join(lines))
    if upright:
        (root / "labels_hbb" / f"{image.name}.txt").write_text("\n".join(upright))
    if image.ignored:
        text = "\n".join(_line(0, _corners(xywhr)) for xywhr in image.ignored)
        (root / "labels_ignore" / f"{image.name}.txt").write_text(text)


def _line(class_id: int, corners: NDArray[np.float64]) -> str:
    return " ".join([str(class_id), *(f"{v:.6f}" for v in corners.ravel() / SIDE_PX)])


def _corners(xywhr: tuple[float, ...]) -> NDArray[np.float64]:
    corners: Corners = corners_from_xywhr(np.array([xywhr], float))
    return corners[0]


def standard_pool(root: Path) -> Path:
    """Seven places: ships found, missed, false, ignored, weak; stacks; envelopes; a negative."""
    ship, other = (100.0, 100.0, 80.0, 20.0, 0.5), (280.0, 250.0, 60.0, 16.0, 2.0)
    stack = (200.0, 330.0, 70.0, 24.0, 0.2)
    images = [
        PoolImage(f"plain{i}", (Blob(ship), Blob(other), Blob(stack, class_id=1)), f"place {i}")
        for i in range(4)
    ]
    images += [
        PoolImage("weak", (Blob(ship), Blob(other, 0.3)), "place 4"),
        PoolImage("missed", (Blob(ship),), "place 5", unseen=(other,)),
        PoolImage("false", (Blob(ship), Blob(other, labelled=False)), "place 5"),
        PoolImage(
            "ignored", (Blob(ship), Blob(other, labelled=False)), "place 6", ignored=(other,)
        ),
        PoolImage(
            "upright", (Blob(ship),), "place 6", source="xView", ship_labels="hbb", gsd_m="0.3"
        ),
        PoolImage("none", (), "place 7", ship_labels="none_labelled", stack_labels="none_seen"),
        PoolImage("training", (Blob(ship),), "place 8", split="train"),
    ]
    return write_pool(root, images)
