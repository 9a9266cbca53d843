"""The seam to what finds boxes in tiles: any family of networks, anywhere that it runs.

A backend does the heavy half of finding in `detect` and leaves the light half, which makes boxes of
what the network said, in the `Reading` that it gives. So the pipeline makes the boxes of one batch
on another thread while the network reads the next, evaluation takes boxes at other thresholds out
of the same reading, and nobody but the backend knows how its network's output is laid out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from detector.boxes.scored import Boxes
from detector.errors import DeviceError, PluginError
from detector.models.card import ModelCard
from detector.models.devices import CPU
from detector.models.kinds import BACKENDS
from detector.models.precision import F32

CACHE_VARIABLE = "QUAYWATCH_CACHE"

Examples = Callable[[int, int], NDArray[np.uint8]]
"""Tiles `(N, side, side, 3)` by side and number."""

BoxesFrom = Callable[[NDArray[np.float32]], Boxes]


def _at_once() -> None:
    """Of what is there already."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a backend read in some tiles, before boxes are made of it.

    Attributes:
        tiles: for each tile what makes its boxes: from thresholds `(classes,)` on, in tile pixels,
            highest score first, duplicates included. It may be called several times, from any
            thread.
        wait: returns when the heavy half is done, for a backend that works on while its reading is
            given out; the tiles wait for it themselves.
    """

    tiles: tuple[BoxesFrom, ...]
    wait: Callable[[], object] = _at_once

    def __len__(self) -> int:
        return len(self.tiles)

    @classmethod
    def of(cls, found: Sequence[Boxes]) -> Self:
        """The reading of a backend that has its boxes already, one `Boxes` a tile, at any score."""
        return cls(tuple(partial(_boxes_from, boxes) for boxes in found))

    def boxes(self, conf: NDArray[np.float32]) -> list[Boxes]:
        """Boxes of every tile from the thresholds `(classes,)` on: the light half."""
        return [boxes_from(conf) for boxes_from in self.tiles]


class Backend(Protocol):
    """Finds oriented boxes in batches of tiles.

    Attributes:
        name: what it is, in the record of a run.
        device: where it runs, in the record of a run.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - said above

    @property
    def device(self) -> str: ...  # noqa: D102 - said above

    def detect(self, tiles: NDArray[np.uint8]) -> Reading:
        """Read `(batch, tile_px, tile_px, 3)` RGB tiles; always so many, the last are padded.

        Equal tiles must give equal boxes, whatever else is in the batch.
        """
        ...


@dataclass(frozen=True, slots=True)
class BackendRequest:
    """What a backend is made of.

    Attributes:
        card: of the weights.
        weights: the safetensors file.
        device: of torch, resolved: `cpu`, `cuda:0`.
        batch: tiles in every call of `detect`.
        threads: CPU threads that it may use.
        precision: of its arithmetic, see `detector.models.precision`.
        examples: gives so many tiles `(N, side, side, 3)` of a side, by which ranges of values are
            measured; None where there are none.
    """

    card: ModelCard
    weights: Path
    device: str
    batch: int
    threads: int
    precision: str = F32
    examples: Examples | None = None


BackendFactory = Callable[[BackendRequest], Backend]


class PluginBackend:
    """A backend of another distribution; its answers are checked, since counts rest on them."""

    def __init__(self, name: str, factory: Callable[..., Any], request: BackendRequest) -> None:
        self._who = f"the backend '{name}' of {BACKENDS.distribution(name)}"
        self._classes = len(request.card.classes)
        self._name = name
        with BACKENDS.blaming(name):
            self._backend = factory(request)
        if not callable(getattr(self._backend, "detect", None)):
            raise PluginError(
                f"{self._who} gives a {type(self._backend).__name__} without detect(tiles); see "
                "docs/extending/backends.md"
            )
        # The version is in the name: results of another one are not taken over by a later run.
        self.name = f"{name} of {BACKENDS.distribution(name)}"
        self.device = str(getattr(self._backend, "device", request.device))

    def detect(self, tiles: NDArray[np.uint8]) -> Reading:
        """See `Backend.detect`.

        Raises:
            PluginError: it failed, or its answer is no reading of so many tiles.
        """
        with BACKENDS.blaming(self._name):
            reading: Any = self._backend.detect(tiles)
        gave = len(reading) if isinstance(reading, Reading) else type(reading).__name__
        if gave != len(tiles):
            raise PluginError(
                f"{self._who} gave a reading of {gave}; it must give a Reading of {len(tiles)} "
                "tiles; see docs/extending/backends.md"
            )
        return Reading(tuple(partial(self._checked, boxes_from) for boxes_from in reading.tiles))

    def _checked(self, boxes_from: BoxesFrom, conf: NDArray[np.float32]) -> Boxes:
        with BACKENDS.blaming(self._name):
            boxes: Any = boxes_from(conf)
        wrong = self._wrong(boxes, conf) if isinstance(boxes, Boxes) else "no Boxes"
        if wrong:
            raise PluginError(f"{self._who} gave {wrong}; see docs/extending/backends.md")
        checked: Boxes = boxes
        return checked

    def _wrong(self, boxes: Boxes, conf: NDArray[np.float32]) -> str:
        if np.shape(boxes.corners) != (len(boxes), 4, 2) or not np.isfinite(boxes.corners).all():
            return "corners that are not (N, 4, 2) finite numbers"
        ids = np.asarray(boxes.class_ids)
        if not ((ids >= 0) & (ids < self._classes)).all():
            return f"class ids that are not below {self._classes}"
        if not ((boxes.scores >= conf[ids]) & (boxes.scores <= 1)).all():
            return "scores below the thresholds or above 1"
        return ""


def open_backend(
    name: str, request: BackendRequest, built_in: Mapping[str, BackendFactory]
) -> Backend:
    """The backend of a name.

    Args:
        name: of ours, or of a plug-in's.
        request: what it is made of.
        built_in: how ours are made.

    Raises:
        PluginError: the plug-in of that name cannot be used.
        WeightsError: the weights are damaged, or of a family that it cannot run.
    """
    factory = BACKENDS.get(name, built_in)
    if name in built_in:
        return factory(request)
    return PluginBackend(name, factory, request)


def choose_backend(backend: str, device: str) -> str:
    """The backend to use: OpenVINO on the CPU, torch on CUDA, unless the user says otherwise.

    Of `auto` on the CPU it is the usual one, which `fastest` may replace.

    Raises:
        DeviceError: it does not run on that device.
    """
    if backend == "auto":
        return "openvino" if device == CPU else "torch"
    if backend in ("openvino", "onnx") and device != CPU:
        raise DeviceError(
            f"backend={backend} runs on the CPU, not on '{device}'; use backend=torch"
        )
    if backend == "tensorrt" and device == CPU:
        raise DeviceError("backend=tensorrt runs on NVIDIA GPUs, not on the CPU; use backend=auto")
    if backend == "tensorrt" and "," in device:
        raise DeviceError(f"backend=tensorrt runs on one GPU, not on '{device}'; use backend=torch")
    return backend


def cache_folder() -> Path:
    """Folder of exported networks: `$QUAYWATCH_CACHE`, else `quaywatch` in the user's cache."""
    given = os.environ.get(CACHE_VARIABLE)
    base = os.environ.get("XDG_CACHE_HOME")
    if given or base:
        return Path(given) if given else Path(str(base)) / "quaywatch"
    # without a home expanduser leaves the ~, where Path.home raises
    return Path(os.path.expanduser("~/.cache")) / "quaywatch"  # noqa: PTH111


def _boxes_from(boxes: Boxes, conf: NDArray[np.float32]) -> Boxes:
    kept = np.flatnonzero(boxes.scores >= conf[boxes.class_ids])
    return boxes.select(kept[np.argsort(-boxes.scores[kept], kind="stable")])
