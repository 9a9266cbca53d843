"""The YOLO family: its raw predictions, `(B, 4 + classes + 1, anchors)`, stay in this backend.

Torch and Ultralytics are loaded only where a network is built: not where its export is cached.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.boxes.scored import Boxes
from detector.errors import DeviceError
from detector.models.backends import BackendFactory, BackendRequest, Reading
from detector.models.card import ModelCard, check_weights
from detector.models.decode import decode_tile
from detector.models.devices import CPU, LEAST_CHOSEN
from detector.models.exports import ONNX, ExportKey
from detector.models.fastest import best_batch, fastest
from detector.models.mirrors import MirroredRunner
from detector.models.precision import BF16, F32, INT8, check_nncf, cpu_has_bf16
from detector.models.runners import ChoosingRunner, OpenVinoRunner, Runner, started

STRIDES: Final = (8, 16, 32)
"""Pixels between anchors, one a level, of every architecture that a card may name."""

INT8_MAKER: Final = "int8-ends-float-2"
"""How the int8 network is made; another number where `quantize` or the tiles change."""

BF16_MAKER: Final = "bf16-ends-float-1"
"""How that for bfloat16 is made; another number where `bfloat` changes."""

EXAMPLES: Final = 32
"""Tiles that it is made on."""

Raw = Callable[[], Sequence[NDArray[np.float32]] | NDArray[np.float32]]
"""Gives the predictions of a batch, a tile each, once they are there."""

logger = logging.getLogger(__name__)


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
        """See `Backend.detect`; the answer may still be on its way."""
        raw: Raw
        if isinstance(self.runner, ChoosingRunner):
            raw, boxes_of = self.runner.begin_chosen(tiles), _boxes_of_chosen
        else:
            raw, boxes_of = started(self.runner, tiles), _boxes_of
        return Reading(tuple(partial(boxes_of, raw, tile) for tile in range(len(tiles))), raw)


def _boxes_of(raw: Raw, tile: int, conf: NDArray[np.float32]) -> Boxes:
    return decode_tile(raw()[tile], conf)


def _boxes_of_chosen(raw: Raw, tile: int, conf: NDArray[np.float32]) -> Boxes:
    if conf.min() < LEAST_CHOSEN:
        raise DeviceError(
            f"a GPU gives boxes from a score of {LEAST_CHOSEN} on, not from {conf.min():g}; ask "
            "for a higher one, or use device=cpu"
        )
    return decode_tile(raw()[tile], conf)


def _on_torch(request: BackendRequest) -> Runner:
    import torch

    from detector.models.network import load_network

    if request.device == CPU:
        from detector.models.torch_runner import TorchRunner

        network = load_network(request.card, request.weights)
        return TorchRunner(network, torch.device(CPU), request.threads, request.precision)

    from detector.models.gpu_runner import DealingRunner, GpuRunner

    runners = [
        GpuRunner(load_network(request.card, request.weights), torch.device(one), request.precision)
        for one in request.device.split(",")
    ]
    return DealingRunner(runners) if len(runners) > 1 else runners[0]


def _on_openvino(request: BackendRequest) -> Runner:
    card, side = request.card, request.card.tile_px
    check_weights(card, request.weights)
    shape = (request.batch, side, side)
    built = _built(card)

    def export() -> Any:
        from detector.models.network import load_network
        from detector.models.torch_runner import openvino_model

        return openvino_model(load_network(card, request.weights), shape)

    def export_bf16() -> Any:
        from detector.models.bfloat import with_float_ends

        return with_float_ends(export())

    def export_int8() -> Any:
        from detector.models.bfloat import with_float_ends
        from detector.models.quantize import quantized

        check_nncf()
        if request.examples is None:
            raise DeviceError("precision=int8 needs examples= of what the network is to read")
        logger.info("the network is made int8 once, on %d rendered tiles", EXAMPLES)
        return with_float_ends(quantized(export(), request.examples(side, EXAMPLES)))

    ways = {F32: (export, ""), BF16: (export_bf16, BF16_MAKER), INT8: (export_int8, INT8_MAKER)}
    make, maker = ways[request.precision]
    key = ExportKey(card.sha256, shape, built, request.precision, maker)
    return OpenVinoRunner(make, key, request.threads, _of_rest(request.precision))


def _of_rest(precision: str) -> str:
    """The arithmetic of all that is not in 8 bits: the cheapest that the CPU has."""
    if precision != INT8:
        return precision
    return BF16 if cpu_has_bf16() else F32


def _on_onnx(request: BackendRequest) -> Runner:
    from detector.models.onnx_runner import OnnxRunner

    card, side = request.card, request.card.tile_px
    check_weights(card, request.weights)
    shape = (request.batch, side, side)

    def export() -> bytes:
        from detector.models.network import load_network
        from detector.models.torch_runner import onnx_bytes

        return onnx_bytes(load_network(card, request.weights), shape)

    def truth() -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
        return _on_torch(replace(request, device=CPU, precision=F32)).forward

    # An ONNX file is float32; TensorRT makes halves of it.
    key = ExportKey(card.sha256, shape, _built(card), request.precision, library=ONNX)
    return OnnxRunner(export, truth, key, request.threads, request.device)


def _built(card: ModelCard) -> str:
    """Of what decides a network beside its weights."""
    return hashlib.sha256(f"{card.architecture} {len(card.classes)}".encode()).hexdigest()[:8]


def _open(run_on: Callable[[BackendRequest], Runner], request: BackendRequest) -> YoloBackend:
    runner = run_on(request)
    if request.card.mirrored:
        runner = MirroredRunner(runner, request.card.tile_px, STRIDES)
    return YoloBackend(runner)


def fastest_on_cpu(request: BackendRequest) -> str:
    """The backend that runs a network fastest on this machine, see `detector.models.fastest`."""
    return fastest(request, {"openvino": _on_openvino, "torch": _on_torch})


def best_batch_on_gpu(request: BackendRequest) -> int:
    """Tiles a batch with which the first device of a request is fastest."""
    import torch

    first = request.device.split(",")[0]
    about = torch.cuda.get_device_properties(first)
    return best_batch(
        replace(request, device=first), _on_torch, f"{about.name} {about.total_memory}"
    )


YOLO_BACKENDS: Final[Mapping[str, BackendFactory]] = {
    "torch": partial(_open, _on_torch),
    "openvino": partial(_open, _on_openvino),
    "onnx": partial(_open, _on_onnx),
    "tensorrt": partial(_open, _on_onnx),
}
