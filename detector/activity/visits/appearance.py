"""What ships look like: features of their chips from the detector's own network.

A ship is cut out along its axis, stretched to one size, and taken through the first layers of the
network (down to an eighth of the size); the mean of the last of these layers over the ship is its
feature. `linking` compares them within a zone.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from affine import Affine
from numpy.typing import NDArray
from torch import nn

from detector.activity.looks.runs import Runs, RunScene
from detector.activity.looks.sightings import FileObjects
from detector.classes import PORT
from detector.errors import SceneError
from detector.geometry.frames import FilePixels
from detector.models.card import ModelCard
from detector.models.detector import find_card
from detector.models.network import load_network
from detector.scenes.grid import Grid, on_grid

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
    objects = _described(scene, scene.objects, layers, width)
    found = scene.found
    return replace(
        scene,
        objects=objects,
        found=None if found is None else _described(scene, found, layers, width),
    )


def _described(
    scene: RunScene, objects: FileObjects, layers: nn.Sequential, width: int
) -> FileObjects:
    features = np.full((len(objects), width), np.nan)
    ships = PORT.mask(objects.class_ids, "visits") & (objects.length_m >= LEAST_LENGTH_M)
    if ships.any():
        try:
            features[ships] = _features(_cut(scene, FilePixels(objects.corners[ships])), layers)
        except SceneError as error:
            logger.warning("ships of %s are not compared by their look: %s", scene.path, error)
    return replace(objects, embeddings=features)


def _cut(run_scene: RunScene, boxes: FilePixels) -> NDArray[np.uint8]:
    """Chips `(N, height, width, 3)` of boxes `(N, 4, 2)`, length from left to right."""
    with run_scene.open() as scene:
        return np.stack([on_grid(scene, _chip_grid(corners)).rgb for corners in boxes])


def _chip_grid(corners: NDArray[np.float64]) -> Grid:
    """The grid of one chip over a box `(4, 2)`, in the pixels of the file."""
    width, height = CHIP_PX
    (a, d), (b, e) = (corners[1] - corners[0]) / width, (corners[3] - corners[0]) / height
    c, f = corners[0]
    return Grid(Affine(*map(float, (a, b, c, d, e, f))), width, height, None)


def _features(chips: NDArray[np.uint8], layers: nn.Sequential) -> NDArray[np.float64]:
    parts = []
    for start in range(0, len(chips), BATCH):
        batch = torch.from_numpy(chips[start : start + BATCH]).permute(0, 3, 1, 2).float() / 255.0
        batch = nn.functional.pad(batch, (0, 0, BORDER_PX, BORDER_PX), mode="replicate")
        parts.append(layers(batch).mean(dim=(2, 3)).numpy())
    return np.concatenate(parts).astype(np.float64)
