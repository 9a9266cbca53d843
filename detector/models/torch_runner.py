"""What of running a network needs torch: its own runner, and the export for OpenVINO."""

from __future__ import annotations

import io
import logging
import sys
import warnings
from typing import Any, Final

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray

from detector.models.devices import FORWARD, error_line, gone, is_no_memory, no_tile_fits
from detector.models.gpu_runner import in_precision
from detector.models.network import Network
from detector.models.precision import F32
from detector.profiling import span

ONNX_OPSET: Final = 18  # read by every ONNX Runtime from 1.14 on
ONNX_INPUT: Final = "tiles"

logger = logging.getLogger(__name__)


class TorchRunner:
    """Torch: channels last, convolution and norm fused by `load_network`.

    In half precision or bfloat16 all layers but the last calculate so.

    Args:
        network: of a card.
        device: that it runs on.
        threads: of the CPU.
        precision: `f32`, `f16` or `bf16`.
    """

    name = "torch"

    def __init__(
        self, network: Network, device: torch.device, threads: int, precision: str = F32
    ) -> None:
        self.device = str(device)
        self._device = device
        if device.type == "cpu":
            torch.set_num_threads(threads)
        network = network.to(device).to(memory_format=torch.channels_last)
        self._most = sys.maxsize  # tiles at a time
        self._network = in_precision(network, precision)

    @torch.inference_mode()
    def forward(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Runner.forward`.

        A batch that does not fit into memory is read in halves, and so are the later ones.

        Raises:
            DeviceError: not even one tile fits, or the device is gone or failed.
        """
        step = min(self._most, len(tiles))
        try:
            parts = [self._run(tiles[at : at + step]) for at in range(0, len(tiles), step)]
            return np.concatenate(parts)
        except (MemoryError, RuntimeError) as error:
            if not is_no_memory(error):
                raise gone(self.device, error) from error
            reason = error_line(error)[:120]
        if step <= 1:
            raise no_tile_fits(self.device, reason)
        self._most = step // 2
        logger.warning(
            "%s: %d tiles do not fit into memory (%s); %d at a time from here on",
            *(self.device, step, reason, self._most),
        )
        return self.forward(tiles)

    def _run(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        with span(FORWARD):
            batch = torch.from_numpy(np.ascontiguousarray(tiles))
            batch = batch.to(self._device, non_blocking=True)
            output: NDArray[np.float32] = self._network(batch).float().cpu().numpy()
        return output


def openvino_model(network: Network, shape: tuple[int, int, int]) -> Any:
    """A network as OpenVINO's model, for batches of `(B, height, width)` tiles."""
    example = torch.zeros((*shape, 3), dtype=torch.uint8)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # OpenVINO's converter traces
        network(example)  # the head caches its anchors, which must be constants in the trace
        model: Any = ov.convert_model(network, example_input=example, input=[example.shape])
    return model


def onnx_bytes(network: Network, shape: tuple[int, int, int]) -> bytes:
    """A network as an ONNX file, for batches of `(B, height, width)` tiles."""
    example = torch.zeros((*shape, 3), dtype=torch.uint8)
    file = io.BytesIO()
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that traces is said to be old
        network(example)  # as above
        export: Any = torch.onnx.export  # it takes open files too, which its types do not say
        # The newer exporter gives another tensor of the network as its output (torch 2.14).
        export(
            *(network, (example,), file),
            dynamo=False,
            opset_version=ONNX_OPSET,
            input_names=[ONNX_INPUT],
        )
    return file.getvalue()
