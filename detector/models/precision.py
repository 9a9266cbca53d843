"""How exactly a network calculates: the names, and which backend can do which where."""

from __future__ import annotations

import importlib.util
import logging
import os
from functools import cache
from typing import Final

from detector.errors import DeviceError
from detector.models.devices import CPU

AUTO: Final = "auto"
F32: Final = "f32"
F16: Final = "f16"
BF16: Final = "bf16"
INT8: Final = "int8"
PRECISIONS: Final = (AUTO, F32, F16, BF16, INT8)
PRECISION_VARIABLE: Final = "QUAYWATCH_PRECISION"
BF16_CAPABILITY: Final = "BF16"  # as OpenVINO names it

logger = logging.getLogger(__name__)


def choose_precision(asked: str, backend: str, device: str, by_card: str = F32) -> str:
    """The precision to use: what the user asks for, else what is known to cost no accuracy.

    What a cheaper one costs stands in `docs/performance.md`. Where nothing is asked for,
    `$QUAYWATCH_PRECISION` is, so that unlike machines can be made to say the same.

    Args:
        asked: one of `PRECISIONS`.
        backend: that runs the network.
        device: resolved.
        by_card: that of the card, for OpenVINO on a CPU that has it.

    Raises:
        DeviceError: the backend, the device or this installation cannot do it.
    """
    if asked == AUTO:
        asked = os.environ.get(PRECISION_VARIABLE) or AUTO
        if asked not in PRECISIONS:
            raise DeviceError(
                f"{PRECISION_VARIABLE}='{asked}' is none of {', '.join(PRECISIONS)}; set another, "
                "or none"
            )
    if asked == AUTO and device != CPU:
        return F16 if backend in ("torch", "tensorrt") else F32
    if asked == AUTO and backend == "openvino" and by_card == BF16:
        if cpu_has_bf16():
            return BF16
        logger.debug("precision=auto: this CPU has no bfloat16, so float32 is used")
    if asked == AUTO:
        return F32
    if (backend == "onnx" and asked != F32) or (backend == "tensorrt" and asked not in (F16, F32)):
        able = "f32" if backend == "onnx" else "f16 and f32"
        raise DeviceError(f"backend={backend} calculates in {able}, not in {asked}; use auto")
    if asked == INT8 and backend != "openvino":
        raise DeviceError(f"precision=int8 needs backend=openvino, not '{backend}'; or use f32")
    if asked == F16 and device == CPU:
        raise DeviceError("precision=f16 is for GPUs; on the CPU use f32, bf16 or int8")
    return asked


@cache
def cpu_has_bf16() -> bool:
    """Whether this CPU calculates in bfloat16, by what OpenVINO says of it."""
    import openvino  # noqa: PLC0415 - slow to load, and only its backend asks

    return BF16_CAPABILITY in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def check_nncf() -> None:
    """Refuse int8 before any work where nothing can make it.

    Raises:
        DeviceError: NNCF is not installed.
    """
    if importlib.util.find_spec("nncf") is None:
        raise DeviceError(
            "precision=int8 is made once by NNCF, which is not installed: pip install "
            "'quaywatch[int8]', or use precision=f32 or bf16"
        )
