"""The YOLO family: its raw predictions, `(B, 4 + classes + 1, anchors)`, stay in this backend.

Torch and Ultralytics are loaded only where a network is built: not where its export is cached.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.models.backends import BackendFactory, BackendRequest, Reading
from detector.models.card import check_weights
from detector.models.decode import decode_tile
from detector.models.mirrors import MirroredRunner
from detector.models.runners import OpenVinoRunner, Runner

STRIDES: Final = (8, 16, 32)
"""Pixels between anchors, one a level, of every architecture that a card may name."""


class YoloBackend:
    """A YOLO network on a runner.

    Attributes:
        runner: gives raw predictions.
    """

    def __init__(self, runner: Runner) -> None:
        self.name = runner.name
        self.device = runner.device
        self.runner = runner

    def detect(self, tiles: NDArray[np.uint8]) -> Reading:
        """See `Backend.detect`."""
        return Reading(tuple(partial(decode_tile, raw) for raw in self.runner.forward(tiles)))


def _on_torch(request: BackendRequest) -> Runner:
    import torch

    from detector.models.network import load_network
    from detector.models.torch_runner import TorchRunner

    network = load_network(request.card, request.weights)
    return TorchRunner(network, torch.device(request.device), request.threads)


def _on_openvino(request: BackendRequest) -> Runner:
    card, side = request.card, request.card.tile_px
    check_weights(card, request.weights)
    shape = (request.batch, side, side)
    size = "x".join(map(str, shape))
    built = hashlib.sha256(f"{card.architecture} {len(card.classes)}".encode()).hexdigest()[:8]
    name = f"{card.sha256[:16]}-{size}-{built}"

    def export() -> Any:
        from detector.models.network import load_network
        from detector.models.torch_runner import openvino_model

        return openvino_model(load_network(card, request.weights), shape)

    return OpenVinoRunner(export, name, request.threads)


def _open(run_on: Callable[[BackendRequest], Runner], request: BackendRequest) -> YoloBackend:
    runner = run_on(request)
    if request.card.mirrored:
        runner = MirroredRunner(runner, request.card.tile_px, STRIDES)
    return YoloBackend(runner)


YOLO_BACKENDS: Final[Mapping[str, BackendFactory]] = {
    "torch": partial(_open, _on_torch),
    "openvino": partial(_open, _on_openvino),
}
