"""Which backend and which batch are the fastest here: measured once a network, and remembered.

Another answer in a later run would give other last digits and start its scenes anew, so a choice
that cannot be remembered is not made.
"""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from detector.documents import DocumentError, read_json
from detector.errors import DeviceError, OutputError, QuaywatchError
from detector.files import atomic_path
from detector.models.backends import BackendRequest, cache_folder
from detector.models.devices import is_no_memory
from detector.models.exports import TORCH_VERSION, openvino_version
from detector.models.runners import Runner

TILES: Final = 3  # that are timed, after one that warms up
BATCHES: Final = (8, 256)  # tiles, that are tried
GAIN: Final = 0.95  # of a tile's time in half the batch is taken at most by one worth its memory
CLEARLY: Final = 0.8  # of the usual one's time is taken at most by one that is preferred to it

logger = logging.getLogger(__name__)


def fastest(
    request: BackendRequest, runners: Mapping[str, Callable[[BackendRequest], Runner]]
) -> str:
    """The name of the fastest way to run a network on the CPU.

    Args:
        request: what is to be run.
        runners: by name; the first is the usual one, which another must clearly beat.
    """
    usual = next(iter(runners))
    path = cache_folder() / "fastest" / f"{_key(request)}.json"
    known = _said(path).get("backend")
    if known in runners:
        return str(known)
    if not _keep(path, {"backend": usual}):
        logger.debug("backend=auto: %s cannot be written, so %s is used unmeasured", path, usual)
        return usual
    seconds = {name: _seconds(name, runner, request) for name, runner in runners.items()}
    best = min(seconds, key=seconds.__getitem__)
    chosen = best if seconds[best] < CLEARLY * seconds[usual] else usual
    told = ", ".join(f"{name} {value:.3f} s" for name, value in seconds.items())
    logger.info("backend=auto: %s a tile, so %s is used here from now on", told, chosen)
    _keep(path, {"backend": chosen, "cpu_s_by_tile": seconds})
    return chosen


def best_batch(
    request: BackendRequest, runner: Callable[[BackendRequest], Runner], device: str
) -> int:
    """Tiles a batch on a GPU: doubled while that makes a tile cheaper and fits into memory.

    Args:
        request: what is to be run; its batch is used where none can be remembered.
        runner: that runs it.
        device: which GPU that is, with its memory.
    """
    path = cache_folder() / "batch" / f"{_key(request, device)}.json"
    known = _said(path).get("batch")
    if isinstance(known, int) and known > 0:
        return known
    if not _keep(path, {"batch": request.batch}):
        logger.debug(
            "batch=null: %s cannot be written, so batches of %d are used unmeasured",
            *(path, request.batch),
        )
        return request.batch
    seconds: dict[int, float] = {}
    size = BATCHES[0]
    while size <= BATCHES[1]:
        taken = _wall_seconds(runner, replace(request, batch=size))
        if not taken < GAIN * seconds.get(size // 2, float("inf")):
            break
        seconds[size] = taken
        size *= 2
    best = max(seconds, default=request.batch)
    told = ", ".join(f"{number} tiles {1e3 * value:.1f} ms" for number, value in seconds.items())
    logger.info("batch=null: a tile in %s, so batches of %d are used here", told, best)
    _keep(path, {"batch": best, "wall_s_by_tile": {str(n): s for n, s in seconds.items()}})
    return best


def _wall_seconds(runner: Callable[[BackendRequest], Runner], request: BackendRequest) -> float:
    """Wall seconds a tile; batches that do not fit take for ever."""
    try:
        made, taken = _timed(runner, request, time.perf_counter)
    except (MemoryError, RuntimeError, DeviceError) as error:
        if is_no_memory(error):
            return float("inf")
        raise
    if getattr(made, "step", request.batch) < request.batch:
        return float("inf")
    return taken


def _seconds(
    name: str, runner: Callable[[BackendRequest], Runner], request: BackendRequest
) -> float:
    """Processor seconds a tile; a backend that does not run here takes for ever."""
    try:
        return _timed(runner, request, time.process_time)[1]
    except (QuaywatchError, ImportError) as error:
        logger.warning("backend=auto: %s does not run here (%s)", name, error)
        return float("inf")


def _timed(
    runner: Callable[[BackendRequest], Runner],
    request: BackendRequest,
    clock: Callable[[], float],
) -> tuple[Runner, float]:
    """The runner, and the seconds that it takes a tile once it is warm."""
    side = request.card.tile_px
    tiles = np.random.default_rng(0).integers(0, 255, (request.batch, side, side, 3), np.uint8)
    made = runner(request)
    made.forward(tiles)
    start = clock()
    for _ in range(TILES):
        made.forward(tiles)
    return made, (clock() - start) / TILES / request.batch


def _key(request: BackendRequest, device: str = "") -> str:
    """Of all that decides it: another processor or version may be another machine's answer."""
    parts = (
        *(request.card.sha256, request.batch, request.threads, request.precision),
        *(platform.machine(), _processor(), TORCH_VERSION, openvino_version()),
        *((device,) if device else ()),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith("model name")), platform.processor())


def _said(path: Path) -> dict[str, Any]:
    try:
        said: Any = read_json(path)
    except (OSError, DocumentError):
        return {}
    return said if isinstance(said, dict) else {}


def _keep(path: Path, said: Mapping[str, Any]) -> bool:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(said), encoding="utf-8")
    except (OSError, OutputError):
        return False
    return True
