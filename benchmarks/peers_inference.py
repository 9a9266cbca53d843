"""The same weights through other people's pipelines: SAHI, supervision, plain Ultralytics.

All get the same network (torch), the same tile size and overlap, and the same 8-bit pixels. Every
other setting is the library's default. Outputs of the network are kept per image and shared, since
several of them ask for the same tiles.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from detector.boxes.scored import Boxes
from detector.classes import PORT
from detector.geometry.boxes import as_corners, order_corners
from detector.geometry.rectangles import min_rectangles
from detector.models.card import ModelCard
from detector.models.detector import find_card, find_weights
from detector.models.network import build_model, load_tensors

Pixels: TypeAlias = NDArray[np.uint8]
Finder: TypeAlias = Callable[[Pixels, float], Boxes]
"""From RGB pixels `(h, w, 3)` and a score threshold to boxes in these pixels."""

WHOLE_SIDES_PX = (640, 1280)  # letterboxed sides of one pass over the whole image
MAX_DETECTIONS = 300  # Ultralytics' own default


@dataclass(frozen=True, slots=True)
class Tiling:
    """Tiles of the peers.

    Attributes:
        tile_px: side.
        overlap_px: of neighbours.
    """

    tile_px: int
    overlap_px: int


class Peers:
    """The peers on one set of weights."""

    def __init__(self, weights: str, threads: int) -> None:
        torch.set_num_threads(threads)
        self.card = ModelCard.read(find_card(weights))
        self._cache: dict[bytes, Any] = {}
        self._model = _ultralytics(self.card, load_file(find_weights(weights)), self._cache)

    def finders(self, tiling: Tiling) -> dict[str, Finder]:
        """All peers by name."""
        whole = {
            f"Ultralytics, whole image at {side} px": self._whole(side) for side in WHOLE_SIDES_PX
        }
        return {
            "SAHI (GREEDYNMM, IOS 0.5, with whole image)": self._sahi(tiling),
            "supervision InferenceSlicer (NMS, IOU 0.5)": self._supervision(tiling),
            **whole,
        }

    def forget(self) -> None:
        """Drop the kept outputs, after each image."""
        self._cache.clear()

    def _predict(self, rgb: Pixels, conf: float, side: int) -> Any:
        bgr = np.ascontiguousarray(rgb[..., ::-1])
        return self._model.predict(bgr, conf=conf, imgsz=side, verbose=False, device="cpu")[0]

    def _whole(self, side: int) -> Finder:
        def find(rgb: Pixels, conf: float) -> Boxes:
            return _boxes(self._predict(rgb, conf, side).obb)

        return find

    def _sahi(self, tiling: Tiling) -> Finder:
        from sahi.models.ultralytics import UltralyticsDetectionModel
        from sahi.predict import get_sliced_prediction

        # Importing it sets its level; it tells of its change at low scores for every image.
        logging.getLogger("sahi").setLevel(logging.ERROR)
        ratio = tiling.overlap_px / tiling.tile_px

        def find(rgb: Pixels, conf: float) -> Boxes:
            network = UltralyticsDetectionModel(
                model=self._model,
                confidence_threshold=conf,
                device="cpu",
                image_size=tiling.tile_px,
            )
            result = get_sliced_prediction(
                rgb,
                network,
                slice_height=tiling.tile_px,
                slice_width=tiling.tile_px,
                overlap_height_ratio=ratio,
                overlap_width_ratio=ratio,
                verbose=0,
            )
            return _from_sahi(result.object_prediction_list)

        return find

    def _supervision(self, tiling: Tiling) -> Finder:
        import supervision as sv

        def find(rgb: Pixels, conf: float) -> Boxes:
            def on_tile(tile: Pixels) -> Any:
                return sv.Detections.from_ultralytics(self._predict(tile, conf, tiling.tile_px))

            slicer = sv.InferenceSlicer(
                on_tile, slice_wh=tiling.tile_px, overlap_wh=tiling.overlap_px
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = slicer(rgb)
            if not len(found):
                return Boxes.empty()
            corners = np.asarray(found.data[sv.config.ORIENTED_BOX_COORDINATES], np.float64)
            return Boxes(
                order_corners(corners.reshape(-1, 4, 2)),
                np.asarray(found.confidence, np.float32),
                np.asarray(found.class_id, np.int64),
            )

        return find


def _ultralytics(
    card: ModelCard,
    tensors: dict[str, torch.Tensor],
    cache: dict[bytes, Any],
    *,
    keep: bool = True,
) -> Any:
    """An Ultralytics model with our weights, made in memory; its network outputs are kept.

    Where its speed is measured they are not kept, and convolutions and norms are fused.
    """
    from ultralytics import YOLO
    from ultralytics.models.yolo.obb import OBBPredictor

    class KeepingPredictor(OBBPredictor):
        def inference(self, im: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            key = hashlib.sha256(im.numpy().tobytes() + str(tuple(im.shape)).encode()).digest()
            if key not in cache:
                cache[key] = super().inference(im, *args, **kwargs)
            return _copied(cache[key])

    model = YOLO(card.architecture, task="obb", verbose=False)
    network = build_model(card.architecture, len(card.classes))
    load_tensors(network, tensors, card.name)
    network.names = dict(enumerate(PORT.names))
    network.args = {}
    model.model = network.eval().float()
    if not keep:
        model.fuse()
    # The first call decides which predictor all later ones use, SAHI's too.
    blank = np.zeros((64, 64, 3), np.uint8)
    predictor = KeepingPredictor if keep else OBBPredictor
    model.predict(blank, predictor=predictor, imgsz=64, verbose=False, device="cpu")
    return model


def _copied(output: Any) -> Any:
    """The postprocessing of Ultralytics writes into its input."""
    if isinstance(output, torch.Tensor):
        return output.clone()
    if isinstance(output, list | tuple):
        return type(output)(_copied(item) for item in output)
    if isinstance(output, dict):
        return {key: _copied(value) for key, value in output.items()}
    return output


def _boxes(found: Any) -> Boxes:
    if found is None or not len(found):
        return Boxes.empty()
    corners = found.xyxyxyxy.cpu().numpy().astype(np.float64)
    return Boxes(
        order_corners(corners),
        found.conf.cpu().numpy().astype(np.float32),
        found.cls.cpu().numpy().astype(np.int64),
    )


def _from_sahi(found: list[Any]) -> Boxes:
    """SAHI's polygons; one that it has merged becomes the smallest rectangle around it."""
    outlines, scores, classes = [], [], []
    for item in found:
        points = np.concatenate([np.reshape(part, (-1, 2)) for part in item.mask.segmentation])
        if len(points) < 3:
            continue
        outlines.append(points)
        scores.append(item.score.value)
        classes.append(item.category.id)
    if not outlines:
        return Boxes.empty()
    corners = as_corners(min_rectangles(outlines))
    return Boxes(corners, np.array(scores, np.float32), np.array(classes, np.int64))
