"""What ships look like: features of their chips from the detector's own network.

A ship is cut out along its axis, stretched to one size, and taken through the first layers of the
network (down to an eighth of the size); the mean of the last of these layers over the ship is its
feature. `linking` compares them within a zone.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from detector.activity.looks.runs import Runs, RunScene
from detector.classes import PORT
from detector.errors import SceneError
from detector.geometry.boxes import Corners
from detector.geometry.windows import PixelWindow
from detector.models.card import ModelCard
from detector.models.detector import find_card
from detector.models.network import load_network
from detector.scenes.scene import open_scene

LAYERS: Final = 5  # of the backbone: to stride 8
CHIP_PX: Final = (256, 48)  # length and beam
BORDER_PX: Final = 8  # above and below, or the chip is too low for the layers
LEAST_LENGTH_M: Final = 25.0  # shorter ships have too few pixels
BATCH: Final = 16

logger = logging.getLogger(__name__)


def with_appearance(runs: Runs, weights: str) -> Runs:
    """The runs, with the features of all ships from `LEAST_LENGTH_M` on as embeddings.

    Other objects, and ships of scenes whose file is gone, have NaN: nothing is known of them.

    Args:
        runs: as `read_runs` gives them.
        weights: by name or path.

    Raises:
        WeightsError: no such weights.
    """
    path = find_card(weights)
    card = ModelCard.read(path)
    layers = _first_layers(load_network(card, card.weights_beside(path)))
    with torch.inference_mode():
        width = layers(torch.zeros(1, 3, 64, 64)).shape[1]
        scenes = [_with_features(scene, layers, width) for scene in runs.scenes]
    return replace(runs, scenes=tuple(scenes))


def _first_layers(network: nn.Module) -> nn.Sequential:
    whole = next(
        module
        for module in network.modules()
        if isinstance(module, nn.Sequential) and len(module) > LAYERS
    )
    return whole[:LAYERS].eval()


def _with_features(scene: RunScene, layers: nn.Sequential, width: int) -> RunScene:
    objects = scene.objects
    features = np.full((len(objects), width), np.nan)
    ships = PORT.mask(objects.class_ids, "visits") & (objects.length_m >= LEAST_LENGTH_M)
    if ships.any():
        try:
            features[ships] = _features(_cut(scene.path, objects.corners[ships]), layers)
        except SceneError as error:
            logger.warning("ships of %s are not compared by their look: %s", scene.path, error)
    return replace(scene, objects=replace(objects, embeddings=features))


def _cut(path: str, boxes: Corners) -> NDArray[np.uint8]:
    """Chips `(N, height, width, 3)` of boxes `(N, 4, 2)`, length from left to right."""
    length, beam = CHIP_PX
    target = np.array([[0, 0], [length, 0], [length, beam], [0, beam]], np.float32)
    chips = np.zeros((len(boxes), beam, length, 3), np.uint8)
    with open_scene(path) as scene:
        for i, corners in enumerate(boxes):
            low = np.floor(corners.min(axis=0)).astype(int)
            high = np.ceil(corners.max(axis=0)).astype(int) + 1
            size = np.maximum(high - low, 1).tolist()
            rgb = scene.read(PixelWindow(int(low[0]), int(low[1]), *size)).rgb
            moved = (corners - low).astype(np.float32)
            chips[i] = cv2.warpPerspective(
                rgb, cv2.getPerspectiveTransform(moved, target), CHIP_PX, flags=cv2.INTER_AREA
            )
    return chips


def _features(chips: NDArray[np.uint8], layers: nn.Sequential) -> NDArray[np.float64]:
    parts = []
    for start in range(0, len(chips), BATCH):
        batch = torch.from_numpy(chips[start : start + BATCH]).permute(0, 3, 1, 2).float() / 255.0
        batch = nn.functional.pad(batch, (0, 0, BORDER_PX, BORDER_PX), mode="replicate")
        parts.append(layers(batch).mean(dim=(2, 3)).numpy())
    return np.concatenate(parts).astype(np.float64)
