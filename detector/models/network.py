"""The Ultralytics network behind a card: built from its yaml, filled from safetensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from detector.documents import DocumentError, read_yaml
from detector.errors import WeightsError
from detector.models.card import YOLO, ModelCard, check_weights

# Counts training steps, which inference has no use for; older exports leave them out.
OPTIONAL_TENSOR = "num_batches_tracked"

# Folders of Ultralytics' own models, by family. A path would reach its parser, which evaluates
# what a file says; a bare name would be looked for in the current folder first.
FAMILIES: Final[Mapping[str, str]] = {
    "yolov8": "v8",
    "yolo11": "11",
    "yolo12": "12",
    "yolo26": "26",
}
ARCHITECTURE: Final = re.compile(rf"({'|'.join(FAMILIES)})([nsmlx])-obb\.yaml")
TENSOR_TYPES: Final = ("float16", "bfloat16", "float32", "float64", "int64")


class Network(nn.Module):
    """Uint8 tiles to raw oriented boxes: one module that every backend runs or exports.

    The one-to-many head is used, also where an end-to-end one exists: that one keeps 300 boxes.

    Attributes:
        strides: pixels between anchors, one a level, in the order of the anchors.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        head: Any = model.model[-1]  # type: ignore[index]
        head.end2end = False
        head.export = True
        self.strides = tuple(int(stride) for stride in head.stride)

    def forward(self, tiles: Tensor) -> Tensor:
        """Raw predictions of a batch.

        Args:
            tiles: `(B, height, width, 3)` uint8, RGB.

        Returns:
            `(B, 4 + classes + 1, anchors)` float: centre x, y, size along and across in tile
            pixels, class scores in [0, 1], angle in radians from x to y.
        """
        parameter = next(self.parameters())
        batch = tiles.permute(0, 3, 1, 2).to(parameter.dtype) / 255.0
        output: Tensor = self.model(batch.contiguous(memory_format=torch.channels_last))
        return output


def build_model(architecture: str, classes: int) -> nn.Module:
    """An untrained Ultralytics OBB model.

    Args:
        architecture: name of one of Ultralytics' own, such as `yolo11n-obb.yaml`.
        classes: number of classes.

    Raises:
        WeightsError: there is no such architecture.
    """
    # Ultralytics imports a second at least; help and configuration don't need it.
    from ultralytics.nn.tasks import OBBModel  # noqa: PLC0415

    model: nn.Module = OBBModel(  # type: ignore[no-untyped-call]
        architecture_layers(architecture), nc=classes, verbose=False
    )
    return model


def architecture_layers(name: str) -> dict[str, Any]:
    """The layers of one of Ultralytics' own OBB models, read from the installed package only.

    Args:
        name: family, size and `-obb.yaml`, such as `yolo11n-obb.yaml`.

    Raises:
        WeightsError: there is no such architecture.
    """
    import ultralytics  # noqa: PLC0415 - as above

    match = ARCHITECTURE.fullmatch(name)
    if match is None:
        raise WeightsError(
            f"architecture '{name[:100]}' is none of {', '.join(FAMILIES)} with a size n, s, m, l "
            "or x, such as yolo11n-obb.yaml"
        )
    family, size = match.groups()
    models = Path(ultralytics.__file__).parent / "cfg" / "models"
    path = models / FAMILIES[family] / f"{family}-obb.yaml"
    try:
        layers = read_yaml(path)
    except (OSError, DocumentError) as error:
        raise WeightsError(f"architecture '{name}' is unknown to Ultralytics ({error})") from error
    return {**layers, "scale": size, "yaml_file": name}


def load_tensors(model: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Fill a model, every tensor by name and shape.

    Args:
        model: as `build_model` makes it.
        tensors: by the model's own names, any float type.
        source: named in errors.

    Raises:
        WeightsError: a tensor is missing, left over, of another shape or kind, or not finite.
    """
    wanted = model.state_dict()
    missing = [n for n in wanted if n not in tensors and not n.endswith(OPTIONAL_TENSOR)]
    left_over = [name for name in tensors if name not in wanted]
    shapes = [n for n in tensors if n in wanted and tensors[n].shape != wanted[n].shape]
    for names, what in ((missing, "missing"), (left_over, "left over"), (shapes, "misshapen")):
        if names:
            raise WeightsError(
                f"{source}: {len(names)} tensors are {what}, first '{names[0]}'; "
                "the weights belong to another architecture"
            )
    kinds = {n: str(t.dtype).removeprefix("torch.") for n, t in tensors.items()}
    strange = [name for name, kind in kinds.items() if kind not in TENSOR_TYPES]
    if strange:
        raise WeightsError(
            f"{source}: tensor '{strange[0]}' is of {kinds[strange[0]]}; it needs one of "
            f"{', '.join(TENSOR_TYPES)}"
        )
    broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise WeightsError(f"{source}: tensor '{broken[0]}' holds values that are not finite")
    model.load_state_dict({n: t.to(wanted[n].dtype) for n, t in tensors.items()}, strict=False)


def load_network(card: ModelCard, weights: Path) -> Network:
    """The network of a card, in evaluation mode, on the CPU, float32.

    Raises:
        WeightsError: the file is missing or damaged, its hash is another than the card's, its
            tensors don't fit the architecture, or the network is of another family.
    """
    if card.family != YOLO:
        raise WeightsError(
            f"the weights '{card.name}' are a network of the family '{card.family}'; this needs "
            f"one of the family '{YOLO}'"
        )
    check_weights(card, weights)
    try:
        tensors = load_file(weights)
    except SafetensorError as error:
        raise WeightsError(f"{weights}: not a safetensors file ({error})") from error
    model = build_model(card.architecture, len(card.classes))
    load_tensors(model, tensors, str(weights))
    model.float().eval().requires_grad_(False)
    return Network(model.fuse(verbose=False))  # type: ignore[operator]
