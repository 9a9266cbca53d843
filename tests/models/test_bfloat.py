"""The layer that bfloat16 moves stays in float32."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
import torch
from safetensors.torch import load_file

from detector.models.bfloat import STAYS_FLOAT, with_float_ends
from detector.models.gpu_runner import in_precision
from detector.models.network import Network, build_model, load_tensors
from detector.models.torch_runner import openvino_model

SIDE = 128
MEAN_OF_BINS = re.compile(r"\.dfl\.")


@pytest.fixture(scope="module")
def exports(tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """The plain export and that with float ends, as they are read once they were written."""
    model = build_model("yolo11n-obb.yaml", 2)
    load_tensors(model, load_file(tiny_weights), "tiny")
    network = Network(model.eval().requires_grad_(False).fuse(verbose=False))  # type: ignore[operator]
    folder = tmp_path_factory.mktemp("exports")
    exported = openvino_model(network, (1, SIDE, SIDE))
    ov.serialize(exported, folder / "plain.xml")
    ov.serialize(with_float_ends(exported), folder / "ends.xml")
    core = ov.Core()
    return core.read_model(folder / "plain.xml"), core.read_model(folder / "ends.xml")


def _compiled(model: Any, precision: str) -> Any:
    return ov.Core().compile_model(
        model, "CPU", {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 1}
    )


def _raw(compiled: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    coarse = np.random.default_rng(3).integers(0, 255, (1, SIDE // 8, SIDE // 8, 3))
    tile = coarse.astype(np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    return np.array(compiled([tile])[0])


def test_in_float32_the_ends_change_nothing(exports: tuple[Any, Any]) -> None:
    plain, ends = (_raw(_compiled(model, "f32")) for model in exports)
    assert np.abs(plain - ends).max() < 1e-4


def test_the_mean_of_the_bins_is_a_sum_and_the_last_layers_are_marked(
    exports: tuple[Any, Any],
) -> None:
    plain, ends = exports
    convolutions = [n for n in ends.get_ordered_ops() if n.get_type_name() == "Convolution"]
    assert sum(n.get_type_name() == "Convolution" for n in plain.get_ordered_ops()) == (
        len(convolutions) + 1
    )
    assert not any(MEAN_OF_BINS.search(n.get_friendly_name()) for n in convolutions)
    marked = [
        n.get_friendly_name()
        for n in ends.get_ordered_ops()
        if any("Precision" in key or "precise" in key for key in _keys(n))
    ]
    outputs = {
        f"cv{branch}.{level}.2/" for branch in (2, 3, 4) for level in range(3)
    }  # sides, scores, angle on each of three levels
    assert len(marked) == 9
    assert all(any(f".23.{output}" in name for name in marked) for output in outputs)


@pytest.mark.skipif(
    "BF16" not in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"),
    reason="this CPU has no bfloat16",
)
def test_bfloat16_moves_boxes_by_half_as_much(exports: tuple[Any, Any]) -> None:
    exact = _raw(_compiled(exports[0], "f32"))[0]
    compiled = [_compiled(model, "bf16") for model in exports]
    plain, ends = (np.abs(_raw(c)[0] - exact)[:4].mean() for c in compiled)
    assert 0 < ends < 0.6 * plain
    convolutions = {
        n.get_friendly_name(): n.get_rt_info()["runtimePrecision"].value
        for n in compiled[1].get_runtime_model().get_ordered_ops()
        if n.get_rt_info()["layerType"].value == "Convolution"
    }
    last = re.compile(r"\.23\.cv\d\.\d\.2/")
    assert {kind for name, kind in convolutions.items() if last.search(name)} == {"f32"}
    assert {kind for name, kind in convolutions.items() if not last.search(name)} == {"bf16"}


def test_a_head_without_bins_has_its_last_layers_marked_too() -> None:
    network = Network(build_model("yolo26n-obb.yaml", 2).eval().fuse(verbose=False))  # type: ignore[operator]
    model = with_float_ends(openvino_model(network, (1, SIDE, SIDE)))
    marked = [n.get_friendly_name() for n in model.get_ordered_ops() if STAYS_FLOAT in _keys(n)]
    assert len(marked) == 9
    assert {name.split(".23.")[1].split("/")[0] for name in marked} == {
        f"cv{branch}.{level}.2" for branch in (2, 3, 4) for level in range(3)
    }
    halves = in_precision(network, "bf16")
    with torch.inference_mode():
        assert halves(torch.zeros((1, SIDE, SIDE, 3), dtype=torch.uint8)).dtype == torch.float32


def _keys(node: Any) -> list[str]:
    return list(node.get_rt_info().keys())
