"""How exactly a network calculates: the names, and which backend can do which where."""

from __future__ import annotations

import importlib.util
from typing import Final

from detector.errors import DeviceError
from detector.models.devices import CPU

AUTO: Final = "auto"
F32: Final = "f32"
F16: Final = "f16"
BF16: Final = "bf16"
INT8: Final = "int8"
PRECISIONS: Final = (AUTO, F32, F16, BF16, INT8)


def choose_precision(asked: str, backend: str, device: str) -> str:
    """The precision to use: what the user asks for, else float32, on CUDA half precision.

    Those that calculate otherwise move boxes and scores: what that costs stands in
    `docs/performance.md`.

    Args:
        asked: one of `PRECISIONS`.
        backend: that runs the network.
        device: resolved.

    Raises:
        DeviceError: the backend, the device or this installation cannot do it.
    """
    if asked == AUTO:
        return F16 if backend in ("torch", "tensorrt") and device != CPU else F32
    if (backend == "onnx" and asked != F32) or (backend == "tensorrt" and asked not in (F16, F32)):
        able = "f32" if backend == "onnx" else "f16 and f32"
        raise DeviceError(f"backend={backend} calculates in {able}, not in {asked}; use auto")
    if asked == INT8 and backend != "openvino":
        raise DeviceError(f"precision=int8 needs backend=openvino, not '{backend}'; or use f32")
    if asked == F16 and device == CPU:
        raise DeviceError("precision=f16 is for GPUs; on the CPU use f32, bf16 or int8")
    return asked


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
