"""The YOLO family: its raw predictions, `(B, 4 + classes + 1, anchors)`, stay in this backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from detector.models.backends import BackendFactory, BackendRequest, Reading
from detector.models.decode import decode_tile
from detector.models.mirrors import MirroredRunner
from detector.models.network import Network, load_network
from detector.models.runners import OpenVinoRunner, Runner, TorchRunner


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


def _on_torch(network: Network, request: BackendRequest) -> Runner:
    return TorchRunner(network, torch.device(request.device), request.threads)


def _on_openvino(network: Network, request: BackendRequest) -> Runner:
    side = request.card.tile_px
    return OpenVinoRunner(
        network, (request.batch, side, side), request.card.sha256, request.threads
    )


def _open(
    run_on: Callable[[Network, BackendRequest], Runner], request: BackendRequest
) -> YoloBackend:
    network = load_network(request.card, request.weights)
    runner = run_on(network, request)
    if request.card.mirrored:
        runner = MirroredRunner(runner, request.card.tile_px, network.strides)
    return YoloBackend(runner)


YOLO_BACKENDS: Final[Mapping[str, BackendFactory]] = {
    "torch": partial(_open, _on_torch),
    "openvino": partial(_open, _on_openvino),
}
