"""The detector: a batch of tiles in, oriented boxes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector import resources
from detector.boxes.duplicates import suppress_duplicates
from detector.boxes.luck import TILE_SHARE
from detector.boxes.scored import Boxes
from detector.errors import ConfigError, WeightsError
from detector.files import is_file
from detector.models.backends import (
    Backend,
    BackendRequest,
    Examples,
    Reading,
    choose_backend,
    open_backend,
)
from detector.models.card import SUFFIX, YOLO, ModelCard, check_weights
from detector.models.devices import CPU, default_threads, resolve_device
from detector.models.kinds import BACKENDS
from detector.models.precision import AUTO, F32, choose_precision
from detector.models.yolo import YOLO_BACKENDS, best_batch_on_gpu, fastest_on_cpu

DEFAULT_BATCH_CPU = 1  # measured: OpenVINO gains nothing from larger ones, small scenes lose
DEFAULT_BATCH_CUDA = 32  # where none was found by probing
LARGER_TILES: Final = 2.0  # sides of a card's tiles, 640 px: 1,280; see docs/performance.md
LARGEST_TILES_PX: Final = 1280  # a pixel costs more in larger ones, and so does memory
TILE_STEP_PX: Final = 32  # of sides of tiles: the coarsest anchors of the network
CARD_SUFFIX = ".yaml"
AUTO_WEIGHTS = ("port-n4", "port-s2")  # of `auto`: the first whose card covers the scene's gsd
PICKLED_SUFFIXES = (".pt", ".pth", ".ckpt")


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """Which weights run where.

    Attributes:
        weights: name of shipped weights, or path of a safetensors file with its card beside it;
            `auto`: those that fit a scene (`detector.models.choice`), here the first of them.
        device: `auto`, `cpu`, `cuda`, `cuda:0`; several GPUs as `cuda:0,cuda:1`.
        backend: `auto`, `torch`, `openvino`, `onnx`, `tensorrt`, or the name of a plug-in's.
        batch: tiles a batch; None for the device's default.
        threads: CPU threads; None for all that the process may use.
        conf: one threshold for all classes, over the card's.
        iou: duplicate IoU inside a tile, over the card's.
        precision: `auto`, or one of `detector.models.precision`.
    """

    weights: str
    device: str = "auto"
    backend: str = "auto"
    batch: int | None = None
    threads: int | None = None
    conf: float | None = None
    iou: float | None = None
    precision: str = AUTO


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
        precision: of its arithmetic.
        open_tiles: opens the same backend for tiles of another side and batch; None where it reads
            those of the card alone.
    """

    def __init__(
        self,
        card: ModelCard,
        backend: Backend,
        batch: int,
        conf: NDArray[np.float32],
        iou: float,
        threads: int,
        precision: str = F32,
        open_tiles: Callable[[int, int], Backend] | None = None,
    ) -> None:
        self.card = card
        self.batch = batch
        self.backend = backend
        self.conf = conf
        self.tile_conf = np.asarray(TILE_SHARE * conf, np.float32)
        self._classes = card.class_set  # made anew at every call, and every tile asks
        self.iou = iou
        self.threads = threads
        self.precision = precision
        self.open_tiles = open_tiles
        self._of_tiles: dict[int, Detector] = {card.tile_px: self}

    @property
    def larger_px(self) -> int | None:
        """Side of the larger tiles in which it may read a large scene, pixels; None: it cannot."""
        if self.open_tiles is None:
            return None
        return larger_tile_px(self.card)

    def of_tiles(self, side_px: int) -> Detector:
        """The same network on tiles of another side; opened when first asked for, then kept.

        A batch holds about as many pixels, so that memory stays what it was.

        Args:
            side_px: that of the card, or `larger_px`.

        Raises:
            ConfigError: its backend reads the card's tiles alone.
            DeviceError: the backend does not run so.
        """
        if side_px not in self._of_tiles:
            if self.open_tiles is None:
                raise ConfigError(f"this network reads tiles of {self.card.tile_px} px alone")
            batch = max(1, int(self.batch * (self.card.tile_px / side_px) ** 2))
            self._of_tiles[side_px] = Detector(
                replace(self.card, tile_px=side_px),
                self.open_tiles(side_px, batch),
                batch,
                self.conf,
                self.iou,
                self.threads,
                self.precision,
            )
        return self._of_tiles[side_px]

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
        found = self._with_classes(self.forward(tiles).boxes(self.conf))
        return [
            boxes.select(suppress_duplicates(boxes, self.iou, crossing=True)) for boxes in found
        ]

    def forward(self, tiles: NDArray[np.uint8]) -> Reading:
        """What the backend reads in the tiles, in batches of one size; `detect`'s heavy half.

        The last batch is padded: a network that runs at one size gives equal tiles equal boxes,
        wherever in a batch they are.

        Raises:
            ValueError: the tiles have another shape or type.
        """
        side = self.card.tile_px
        if tiles.shape[1:] != (side, side, 3) or tiles.dtype != np.uint8:
            raise ValueError(
                f"tiles are (B, {side}, {side}, 3) uint8, not {tiles.shape} {tiles.dtype}"
            )
        missing = -len(tiles) % self.batch
        padded = np.pad(tiles, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else tiles
        parts = [
            self.backend.detect(padded[start : start + self.batch])
            for start in range(0, len(padded), self.batch)
        ]
        read = [boxes_from for part in parts for boxes_from in part.tiles]
        return Reading(tuple(read[: len(tiles)]), lambda: [part.wait() for part in parts])

    def decode(self, reading: Reading, conf: NDArray[np.float32] | None = None) -> list[Boxes]:
        """Boxes of every tile, as the merge wants them: duplicates included.

        Args:
            reading: of the tiles.
            conf: `(classes,)` scores from which on; `tile_conf` by default.
        """
        return self._with_classes(reading.boxes(self.tile_conf if conf is None else conf))

    def _with_classes(self, found: list[Boxes]) -> list[Boxes]:
        """A backend numbers classes as the card orders them, and need not know them."""
        return [replace(boxes, classes=self._classes) for boxes in found]


def load_detector(settings: DetectorSettings, examples: Examples | None = None) -> Detector:
    """Read card and weights and set up the backend.

    Args:
        settings: which weights run where.
        examples: gives tiles on which an int8 network is made; without them only one that was made
            before can be used. `detector.rendering.examples.load_detector` has them at hand.

    Raises:
        WeightsError: weights or card are missing, damaged or of another kind.
        DeviceError: the device or backend is not there.
        PluginError: the plug-in of that backend cannot be used.
    """
    device = resolve_device(settings.device)
    BACKENDS.check_taken(settings.backend)
    backend_name = choose_backend(settings.backend, device)
    path = find_card(settings.weights)
    card = ModelCard.read(path)
    batch = settings.batch or (DEFAULT_BATCH_CPU if device == CPU else DEFAULT_BATCH_CUDA)
    threads = settings.threads or default_threads()
    precision = choose_precision(settings.precision, backend_name, device, card.cpu_precision)
    weights = card.weights_beside(path)
    request = BackendRequest(card, weights, device, batch, threads, precision, examples)
    if backend_name in YOLO_BACKENDS:
        _check_family(card)
        if (settings.backend, device, precision) == (AUTO, CPU, F32):
            backend_name = fastest_on_cpu(request)
        elif backend_name == "torch" and device != CPU and settings.batch is None:
            batch = best_batch_on_gpu(request)
            request = replace(request, batch=batch)
    else:
        _check_for_plugin(request, backend_name)
    backend = open_backend(backend_name, request, YOLO_BACKENDS)
    open_tiles = (
        partial(_open_tiles, backend_name, request) if backend_name in YOLO_BACKENDS else None
    )
    iou = card.iou if settings.iou is None else settings.iou
    conf = np.array(
        [card.conf[n] if settings.conf is None else settings.conf for n in card.classes], np.float32
    )
    return Detector(card, backend, batch, conf, iou, threads, precision, open_tiles)


def larger_tile_px(card: ModelCard) -> int | None:
    """Side of the larger tiles in which a network of ours may read a large scene, pixels.

    None where the card's are large already or it says that larger ones cost accuracy, or its family
    is another: what that makes of other tiles only its plug-in can know.
    """
    if not card.larger_tiles:
        return None
    larger = TILE_STEP_PX * round(LARGER_TILES * card.tile_px / TILE_STEP_PX)
    return larger if card.family == YOLO and larger <= LARGEST_TILES_PX else None


def _open_tiles(name: str, request: BackendRequest, side_px: int, batch: int) -> Backend:
    card = replace(request.card, tile_px=side_px)
    return open_backend(name, replace(request, card=card, batch=batch), YOLO_BACKENDS)


def find_card(name: str) -> Path:
    """The card of weights by name or path.

    Args:
        name: of shipped weights, or path of a card or of the safetensors file beside it.

    Raises:
        WeightsError: there is none, or it is a pickled checkpoint, which could run code.
    """
    name = AUTO_WEIGHTS[0] if name == AUTO else name
    path = Path(name)
    if path.suffix in PICKLED_SUFFIXES:
        raise WeightsError(
            f"{name}: pickled checkpoints can run code and are not loaded; convert it to "
            "safetensors with a card"
        )
    if path.suffix in (CARD_SUFFIX, SUFFIX) or len(path.parts) > 1:
        card = path.with_suffix(CARD_SUFFIX)
        if not is_file(card) and not is_file(path.with_suffix(SUFFIX)):
            raise WeightsError(f"{path.with_suffix(SUFFIX)}: no such weights file; check the path")
        return card
    shipped = resources.weights_dir()
    card = shipped / f"{name}{CARD_SUFFIX}"
    if not is_file(card):
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


def _check_family(card: ModelCard) -> None:
    """Our own backends run YOLO; what runs another family only the user can say."""
    if card.family == YOLO:
        return
    added = ", ".join(name for name in BACKENDS.names() if name not in BACKENDS.built_in)
    raise WeightsError(
        f"the weights '{card.name}' are a network of the family '{card.family}', which needs a "
        f"plug-in; say backend= with the one that runs it (there are: {added or 'none'})"
    )


def _check_for_plugin(request: BackendRequest, name: str) -> None:
    """A plug-in gets weights that are those of the card, and no card that only ours can read."""
    check_weights(request.card, request.weights)
    if request.card.mirrored:
        raise WeightsError(
            f"the weights '{request.card.name}' are read mirrored, which backend={name} does not "
            "do; name weights whose card says mirrored: false, or use torch or openvino"
        )
