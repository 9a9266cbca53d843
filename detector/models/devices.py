"""Devices by name, found without torch where there is nothing for it to find.

Loading torch takes longer than a small scene does, and the CPU's default backend needs none of it.
"""

from __future__ import annotations

import ctypes
import logging
import os
import re
from typing import Final

from detector.errors import DeviceError

CPU: Final = "cpu"
CUDA: Final = re.compile(r"cuda(?::(\d{1,3}))?")
# What torch says on a CPU and a GPU, cuBLAS, and OpenVINO; torch has a type for CUDA's alone.
NO_MEMORY: Final = (
    "out of memory",
    "cublas_status_alloc_failed",
    "can't allocate memory",
    "not enough memory",
    "bad_alloc",
)
FORWARD: Final = "forward"  # the stage in which a network runs, and its threads
LEAST_CHOSEN: Final = 0.0005  # score of the boxes that a GPU brings back
DRIVERS: Final = ("libcuda.so.1", "nvcuda.dll")  # of CUDA, on Linux and on Windows

logger = logging.getLogger(__name__)


def is_no_memory(error: BaseException) -> bool:
    """Whether an error is that of a memory that is full."""
    words = str(error).lower()
    return isinstance(error, MemoryError) or any(told in words for told in NO_MEMORY)


def error_line(error: BaseException) -> str:
    """What a library said, in one line."""
    return " ".join(str(error).split())[:200]


def gone(device: str, error: BaseException) -> DeviceError:
    """The sentence on a device that fails while it runs."""
    return DeviceError(
        f"device '{device}' failed while it ran ({error_line(error)}); see whether it is still "
        "there and start the run again: it goes on where it was"
    )


def no_tile_fits(device: str, reason: str) -> DeviceError:
    """The sentence on a device that has no room for one tile."""
    return DeviceError(
        f"{device}: not even one tile fits into memory ({reason}); end what else runs there, or "
        "use device=cpu"
    )


def resolve_device(device: str) -> str:
    """The device of a name such as `auto`, `cpu`, `cuda`, `cuda:1`, as torch calls it.

    Several GPUs are named with commas between them: `cuda:0,cuda:1`.

    Raises:
        DeviceError: the name is unknown or the device is not there.
    """
    if "," in device:
        several = device.replace(" ", "").split(",")
        if len(set(several)) < len(several) or not all(n.startswith("cuda:") for n in several):
            raise DeviceError(
                f"device '{device}': several devices are different GPUs, such as cuda:0,cuda:1"
            )
        return ",".join(resolve_device(name) for name in several)
    if device == "auto":
        if cuda_devices():
            return "cuda:0"
        if _has_driver():
            logger.warning(
                "device=auto: a driver of NVIDIA is here, but torch finds no GPU that it can use; "
                "the CPU is used (see 'detector doctor')"
            )
        return CPU
    if device == CPU:
        return CPU
    named = CUDA.fullmatch(device)
    if named is None:
        raise DeviceError(f"device '{device}' is unknown; use auto, cpu, cuda or cuda:0")
    count = cuda_devices()
    if int(named[1] or 0) >= count:
        raise DeviceError(
            f"device '{device}' is not there: {count} CUDA devices; use device=cpu or auto"
        )
    return device


def cuda_devices() -> int:
    """How many GPUs torch can use; torch is asked only where a driver is."""
    if not _has_driver():
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def default_threads() -> int:
    """CPU threads that this process may use: its cores, or fewer where OMP_NUM_THREADS says so."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdecimal() and int(told) > 0 else usable_cores()


def usable_cores() -> int:
    """Cores of the CPU that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _has_driver() -> bool:
    return any(_loads(name) for name in DRIVERS)


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True
