"""Loading, decoding and backends."""

from __future__ import annotations

import math
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from detector import resources
from detector.boxes.duplicates import suppress_duplicates
from detector.errors import DeviceError, WeightsError
from detector.geometry.boxes import centres, corners_from_xywhr, edge_lengths
from detector.models.card import ModelCard, sha256_of
from detector.models.decode import decode_tile
from detector.models.detector import Detector, DetectorSettings, find_weights, load_detector
from detector.rendering import LayoutSpec, PortSpec, render
from tests.models.conftest import Files
from tests.models.raw import raw_predictions


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests: an export takes seconds."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUAYWATCH_CACHE", str(cache))


def _load(files: Files, **changes: object) -> Detector:
    values = {"weights": str(files.weights), "device": "cpu", "backend": "torch", **changes}
    return load_detector(DetectorSettings(**values))  # type: ignore[arg-type]


def _tiles(count: int, side: int = 128) -> np.ndarray:
    coarse = np.random.default_rng(3).integers(0, 255, (count, 8, 8, 3)).astype(np.uint8)
    return coarse.repeat(side // 8, axis=1).repeat(side // 8, axis=2)


# Loading ----------------------------------------------------------------------------------------


def test_a_wrong_hash_is_refused(tiny: Files) -> None:
    tiny.rewrite(sha256="0" * 64)
    with pytest.raises(WeightsError, match=r"tiny\.safetensors: sha256 .* not the 000000000000"):
        _load(tiny)


def test_weights_of_another_architecture_are_refused(tiny: Files) -> None:
    tiny.rewrite(architecture="yolo11s-obb.yaml")
    with pytest.raises(WeightsError, match="misshapen"):
        _load(tiny)


@pytest.mark.parametrize("architecture", ["yolo11n.yaml", "nothing-obb.yaml", "../x-obb.yaml"])
def test_an_unknown_architecture_is_refused(tiny: Files, architecture: str) -> None:
    tiny.rewrite(architecture=architecture)
    with pytest.raises(WeightsError, match="architecture"):
        _load(tiny)


@pytest.mark.parametrize("damage", ["missing", "left over", "not finite"])
def test_tensors_must_fit(tiny: Files, damage: str) -> None:
    tensors = load_file(tiny.weights)
    first = next(iter(tensors))
    if damage == "missing":
        tensors.pop(first)
    elif damage == "left over":
        tensors["extra"] = torch.zeros(1)
    else:
        tensors[first].view(-1)[0] = math.nan
    save_file(tensors, tiny.weights)
    tiny.rewrite(sha256=sha256_of(tiny.weights))
    with pytest.raises(WeightsError, match=damage):
        _load(tiny)


def test_a_file_that_is_no_safetensors_is_refused(tiny: Files) -> None:
    tiny.weights.write_bytes(b"x" * 100)
    tiny.rewrite(sha256=sha256_of(tiny.weights))
    with pytest.raises(WeightsError, match="not a safetensors file"):
        _load(tiny)


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path}/exploded",)

    path = tmp_path / "best.pt"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(WeightsError, match="pickled"):
        find_weights(str(path))
    assert not (tmp_path / "exploded").exists()


def test_unknown_names_list_what_is_shipped() -> None:
    with pytest.raises(WeightsError, match=r"there are: .*port-n"):
        find_weights("nothing")
    with pytest.raises(WeightsError, match="no such weights file"):
        find_weights("folder/nothing.safetensors")


@pytest.mark.parametrize("device", ["cuda:99", "tpu", "gpu0", "cuda:x", "meta"])
def test_an_unknown_device_is_refused(tiny: Files, device: str) -> None:
    with pytest.raises(DeviceError, match="device "):
        _load(tiny, device=device)


# Decoding ---------------------------------------------------------------------------------------


def _raw(boxes: list[tuple[float, ...]]) -> np.ndarray:
    """`(4 + 2 + 1, N)` from `(x, y, along, across, ship, stack, angle)`."""
    return np.array(boxes, np.float32).T.reshape(7, -1)


CONF = np.array([0.5, 0.25], np.float32)
SHIPPED = "port-n"


def test_each_class_has_its_threshold() -> None:
    raw = _raw(
        [
            (50, 50, 20, 10, 0.51, 0, 0),
            (90, 50, 20, 10, 0.49, 0, 0),
            (50, 90, 20, 10, 0, 0.26, 0),
            (90, 90, 20, 10, 0, 0.24, 0),
        ]
    )
    boxes = decode_tile(raw, CONF)
    assert boxes.class_ids.tolist() == [0, 1]
    assert centres(boxes.corners) == pytest.approx(np.array([[50, 50], [50, 90]]))


def test_duplicates_are_left_to_the_merge() -> None:
    ten_parallel = [(300.0, 100.0 + 34 * i, 180, 28, 0.9 - i / 100, 0, 0.0) for i in range(10)]
    shifted = [(302.0, 101.0 + 34 * i, 178, 28, 0.7, 0, 0.01) for i in range(10)]
    boxes = decode_tile(_raw(ten_parallel + shifted), CONF)
    assert len(boxes) == 20
    kept = boxes.select(suppress_duplicates(boxes, 0.5))
    assert kept.scores.tolist() == pytest.approx([0.9 - i / 100 for i in range(10)])


def test_there_is_no_cap_on_boxes() -> None:
    raw = _raw([(20.0 * (i % 50), 20.0 * (i // 50), 15, 8, 0.9, 0, 0.3) for i in range(2500)])
    assert len(decode_tile(raw, CONF)) == 2500


def test_boxes_without_size_or_number_go() -> None:
    raw = _raw(
        [
            (50, 50, 0, 10, 0.9, 0, 0),
            (math.nan, 50, 20, 10, 0.9, 0, 0),
            (50, 50, 20, -1, 0.9, 0, 0),
        ]
    )
    assert len(decode_tile(raw, CONF)) == 0


@given(
    st.floats(0, 640),
    st.floats(0, 640),
    st.floats(2, 400),
    st.floats(2, 400),
    st.floats(-math.pi / 4, 3 * math.pi / 4),
)
def test_corners_are_the_rotated_rectangle(
    x: float, y: float, along: float, across: float, angle: float
) -> None:
    box = decode_tile(_raw([(x, y, along, across, 0.9, 0, angle)]), CONF)
    length, width = edge_lengths(box.corners)
    assert (length[0], width[0]) == pytest.approx(
        (max(along, across), min(along, across)), rel=1e-4, abs=1e-3
    )
    assert centres(box.corners)[0] == pytest.approx((x, y), abs=1e-3)
    first = box.corners[0, 1] - box.corners[0, 0]
    axis = angle if along >= across else angle + math.pi / 2
    cross = first[0] * math.sin(axis) - first[1] * math.cos(axis)
    if abs(along - across) > 1:
        assert abs(cross) / length[0] < 1e-3


# Backends ---------------------------------------------------------------------------------------


def test_openvino_and_torch_agree_anchor_by_anchor(tiny: Files) -> None:
    tiles = _tiles(3)
    one = raw_predictions(_load(tiny, backend="torch"), tiles)
    other = raw_predictions(_load(tiny, backend="openvino"), tiles)
    above = (one[:, 4:6] > 0.1).any(axis=1)
    assert above.sum() > 100
    assert np.abs(one[:, 4:6] - other[:, 4:6]).max() < 0.02
    a, b = (
        corners_from_xywhr(raw[:, [0, 1, 2, 3, 6]].transpose(0, 2, 1)[above])
        for raw in (one, other)
    )
    # Which end comes first may differ for an almost square box, so each corner looks for its own.
    gaps = np.linalg.norm(a[:, :, None] - b[:, None], axis=-1).min(axis=2)
    assert gaps.max() < 1.0


def test_openvino_is_the_default_on_the_cpu_and_its_export_is_cached(
    tiny: Files, cache: Path
) -> None:
    first = _load(tiny, backend="auto")
    assert (first.backend.name, first.backend.device) == ("openvino", "cpu")
    exports = sorted((cache / "openvino").rglob(f"{tiny.card.sha256[:16]}-1x*/*"))
    names = [".quaywatch", "network.bin", "network.xml", "sha256.json"]
    assert [path.name for path in exports] == names
    stamps = [path.stat().st_mtime_ns for path in exports]
    _load(tiny, backend="auto")
    assert [path.stat().st_mtime_ns for path in exports] == stamps


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_a_short_batch_gives_the_same_bytes(tiny: Files, backend: str) -> None:
    detector = _load(tiny, backend=backend, batch=2)
    tiles = _tiles(3)
    alone = raw_predictions(detector, tiles[2:])
    assert np.array_equal(raw_predictions(detector, tiles)[2:], alone)
    low = np.full(2, 0.05, np.float32)
    there = detector.forward(tiles).boxes(low)[2]
    [here] = detector.forward(tiles[2:]).boxes(low)
    assert len(here) > 0
    assert np.array_equal(there.corners, here.corners)
    assert np.array_equal(there.scores, here.scores)


def test_no_tiles_no_boxes(tiny: Files) -> None:
    assert _load(tiny).detect(_tiles(0)) == []


def test_tiles_of_another_size_are_refused(tiny: Files) -> None:
    with pytest.raises(ValueError, match="128"):
        _load(tiny).detect(_tiles(1, 64))


def test_the_users_threshold_wins(tiny: Files) -> None:
    few = _load(tiny, conf=0.99).detect(_tiles(1))[0]
    many = _load(tiny, conf=0.01).detect(_tiles(1))[0]
    assert len(few) == 0 < len(many)


@pytest.mark.slow
def test_the_shipped_weights_find_the_same_boxes_on_all_backends() -> None:
    card = ModelCard.read(resources.weights_dir() / f"{SHIPPED}.yaml")
    # Half a metre a pixel and a full tile, so that there is something to find.
    layout = LayoutSpec(sectors=("container", "general"), coast_deg=-12.0)
    spec = PortSpec(width=card.tile_px, height=card.tile_px, gsd_m=0.5, layout=layout)
    tile = render(spec, seed=5).rgb[None]
    one, other, third = (
        load_detector(DetectorSettings(SHIPPED, device="cpu", backend=name, conf=0.2)).detect(tile)[
            0
        ]  # type: ignore[arg-type]
        for name in ("torch", "openvino", "onnx")
    )
    assert np.array_equal(third.class_ids, other.class_ids)
    assert np.abs(third.corners - other.corners).max() < 0.01
    assert np.abs(third.scores - other.scores).max() < 1e-4
    assert len(one) == len(other) >= 5
    assert np.array_equal(one.class_ids, other.class_ids)
    gaps = np.linalg.norm(one.corners[:, :, None] - other.corners[:, None], axis=-1).min(axis=2)
    assert gaps.max() < 1.0
    assert np.abs(one.scores - other.scores).max() < 0.02


# The export in the cache ------------------------------------------------------------------------


def _answers(detector: Detector) -> np.ndarray:
    (boxes,) = detector.detect(_tiles(1))
    return np.concatenate([boxes.corners.reshape(len(boxes), -1), boxes.scores[:, None]], axis=1)


@pytest.mark.parametrize("damage", ["zeros", "no hashes"])
def test_a_damaged_export_is_made_anew(
    tiny: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setenv("QUAYWATCH_CACHE", str(tmp_path / "cache"))
    whole = _answers(_load(tiny, backend="openvino"))
    assert len(whole)
    (values,) = (tmp_path / "cache").rglob("network.bin")
    intact = values.read_bytes()
    if damage == "zeros":
        values.write_bytes(intact[:8192] + bytes(4096) + intact[12288:])
    else:
        values.with_name("sha256.json").unlink()
    assert np.array_equal(_answers(_load(tiny, backend="openvino")), whole)
    assert values.read_bytes() == intact


def test_a_cache_that_cannot_be_written_is_no_obstacle(
    tiny: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUAYWATCH_CACHE", str(tmp_path / "cache"))
    _load(tiny, backend="openvino")
    kept = _answers(_load(tiny, backend="openvino"))  # as it is read back
    blocked = tmp_path / "a file"
    blocked.write_text("")
    monkeypatch.setenv("QUAYWATCH_CACHE", str(blocked))
    assert np.array_equal(_answers(_load(tiny, backend="openvino")), kept)
