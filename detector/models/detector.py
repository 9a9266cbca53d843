"""The detector: a batch of tiles in, oriented boxes out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from detector import resources
from detector.boxes.duplicates import suppress_duplicates
from detector.boxes.luck import TILE_SHARE
from detector.boxes.scored import Boxes
from detector.errors import WeightsError
from detector.models.backends import (
    Backend,
    BackendName,
    OpenVinoBackend,
    TorchBackend,
    choose_backend,
    forward_batches,
    resolve_device,
)
from detector.models.card import SUFFIX, ModelCard
from detector.models.decode import decode_tile
from detector.models.mirrors import MirroredBackend
from detector.models.network import load_network

DEFAULT_BATCH_CPU = 1  # measured: OpenVINO gains nothing from larger ones, small scenes lose
DEFAULT_BATCH_CUDA = 32
CARD_SUFFIX = ".yaml"
PICKLED_SUFFIXES = (".pt", ".pth", ".ckpt")


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """Which weights run where.

    Attributes:
        weights: name of shipped weights, or path of a safetensors file with its card beside it.
        device: `auto`, `cpu`, `cuda`, `cuda:0`.
        backend: `auto`, `torch`, `openvino`.
        batch: tiles a batch; None for the device's default.
        threads: CPU threads; None for all that the process may use.
        conf: one threshold for all classes, over the card's.
        iou: duplicate IoU inside a tile, over the card's.
    """

    weights: str
    device: str = "auto"
    backend: BackendName = "auto"
    batch: int | None = None
    threads: int | None = None
    conf: float | None = None
    iou: float | None = None


class Detector:
    """A network with its card on a backend. Made by `load_detector`.

    Attributes:
        card: of the weights.
        batch: tiles a batch; shorter batches are padded, so that equal tiles give equal boxes.
        backend: `name` and `device` tell where it runs.
        conf: `(classes,)` scores from which objects count.
        tile_conf: `(classes,)` scores from which boxes of a tile go into the merge.
        iou: exact polygon IoU over which two boxes of one tile are duplicates.
        threads: CPU threads that the backend may use.
    """

    def __init__(
        self,
        card: ModelCard,
        backend: Backend,
        batch: int,
        conf: NDArray[np.float32],
        iou: float,
        threads: int,
    ) -> None:
        self.card = card
        self.batch = batch
        self.backend = backend
        self.conf = conf
        self.tile_conf = np.asarray(TILE_SHARE * conf, np.float32)
        self.iou = iou
        self.threads = threads

    def detect(self, tiles: NDArray[np.uint8]) -> list[Boxes]:
        """Boxes of every tile.

        Args:
            tiles: `(B, tile_px, tile_px, 3)` RGB, any B.

        Returns:
            `B` times boxes in tile pixels from `conf` on, highest score first, true duplicates
            removed.

        Raises:
            ValueError: the tiles have another shape or type.
        """
        classes = self.card.class_set
        found = [decode_tile(tile, self.conf, classes) for tile in self.forward(tiles)]
        return [
            boxes.select(suppress_duplicates(boxes, self.iou, crossing=True)) for boxes in found
        ]

    def forward(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Raw predictions `(B, 4 + classes + 1, anchors)`; the heavy half of `detect`."""
        side = self.card.tile_px
        if tiles.shape[1:] != (side, side, 3) or tiles.dtype != np.uint8:
            raise ValueError(
                f"tiles are (B, {side}, {side}, 3) uint8, not {tiles.shape} {tiles.dtype}"
            )
        if not len(tiles):
            return np.zeros((0, 4 + len(self.card.classes) + 1, 0), np.float32)
        return forward_batches(self.backend, tiles, self.batch)

    def decode(self, raw: NDArray[np.float32]) -> list[Boxes]:
        """Boxes of every tile from `tile_conf` on, as the merge wants them: duplicates included."""
        classes = self.card.class_set
        return [decode_tile(tile, self.tile_conf, classes) for tile in raw]


def load_detector(settings: DetectorSettings) -> Detector:
    """Read card and weights and set up the backend.

    Raises:
        WeightsError: weights or card are missing, damaged or of another kind.
        DeviceError: the device or backend is not there.
    """
    device = resolve_device(settings.device)
    backend_name = choose_backend(settings.backend, device)
    path = find_card(settings.weights)
    card = ModelCard.read(path)
    network = load_network(card, card.weights_beside(path))
    batch = settings.batch or (DEFAULT_BATCH_CPU if device.type == "cpu" else DEFAULT_BATCH_CUDA)
    threads = settings.threads or torch.get_num_threads()
    backend: Backend
    if backend_name == "openvino":
        shape = (batch, card.tile_px, card.tile_px)
        backend = OpenVinoBackend(network, shape, card.sha256, threads)
    else:
        backend = TorchBackend(network, device, threads)
    if card.mirrored:
        backend = MirroredBackend(backend, card.tile_px, network.strides)
    iou = card.iou if settings.iou is None else settings.iou
    conf = [card.conf[n] if settings.conf is None else settings.conf for n in card.classes]
    return Detector(card, backend, batch, np.array(conf, np.float32), iou, threads)


def find_card(name: str) -> Path:
    """The card of weights by name or path.

    Args:
        name: of shipped weights, or path of a card or of the safetensors file beside it.

    Raises:
        WeightsError: there is none, or it is a pickled checkpoint, which could run code.
    """
    path = Path(name)
    if path.suffix in PICKLED_SUFFIXES:
        raise WeightsError(
            f"{name}: pickled checkpoints can run code and are not loaded; convert it to "
            "safetensors with a card"
        )
    if path.suffix in (CARD_SUFFIX, SUFFIX) or len(path.parts) > 1:
        card = path.with_suffix(CARD_SUFFIX)
        if not card.is_file() and not path.with_suffix(SUFFIX).is_file():
            raise WeightsError(f"{path.with_suffix(SUFFIX)}: no such weights file; check the path")
        return card
    shipped = resources.weights_dir()
    card = shipped / f"{name}{CARD_SUFFIX}"
    if not card.is_file():
        known = ", ".join(sorted(p.stem for p in shipped.glob(f"*{CARD_SUFFIX}"))) or "none"
        raise WeightsError(f"weights '{name}' are not shipped; there are: {known}; or give a path")
    return card


def find_weights(name: str) -> Path:
    """The safetensors file that the card of a name or path reads.

    Raises:
        WeightsError: no card, or it cannot be read.
    """
    card = find_card(name)
    return ModelCard.read(card).weights_beside(card)
