"""A tiny network with random weights: small tiles, a real card."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from detector.models.card import ModelCard, sha256_of
from detector.models.network import build_model


@dataclass(frozen=True)
class Files:
    """Weights and their card on disk."""

    weights: Path
    card: ModelCard

    def rewrite(self, **changes: object) -> None:
        """Write the card anew with other values."""
        self.weights.with_suffix(".yaml").write_text(
            replace(self.card, **changes).to_yaml()  # type: ignore[arg-type]
        )


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A YOLO11n OBB of random weights whose class bias lets some boxes through."""
    torch.manual_seed(0)
    model = build_model("yolo11n-obb.yaml", 2)
    tensors = {n: t.contiguous() for n, t in model.state_dict().items() if "num_batches" not in n}
    class_biases = [name for name in tensors if ".cv3." in name and name.endswith(".2.bias")]
    tensors |= {name: torch.full_like(tensors[name], -2.0) for name in class_biases}
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file(tensors, path)
    return path


@pytest.fixture
def tiny(tmp_path: Path, tiny_weights: Path) -> Files:
    """The tiny network's files, free to be damaged."""
    weights = Path(shutil.copy(tiny_weights, tmp_path))
    card = ModelCard(
        name="tiny",
        architecture="yolo11n-obb.yaml",
        classes=("ship", "container_stack"),
        sha256=sha256_of(weights),
        tile_px=128,
        gsd_min_m=0.3,
        gsd_max_m=2.0,
        gsd_read_m=0.5,
        conf={"ship": 0.1, "container_stack": 0.2},
        iou=0.5,
        licence="none",
    )
    files = Files(weights, card)
    files.rewrite()
    return files
