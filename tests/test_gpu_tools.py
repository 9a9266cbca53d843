"""The tools for a machine with a GPU: the pack, the views that it draws, two steps of training."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from detector.classes import PORT
from detector.data.datasets import read_images
from detector.data.labelled import LabelledImage, Labelling
from detector.evaluation.dataset import labelled_dataset
from detector.geometry.boxes import corners_from_xywhr
from detector.training.mix import MixSettings
from detector.training.painting import paint_boxes
from detector.training.start import save_weights
from detector.training.views import ViewSettings, warp
from tests.data.fakes import port_pool
from tools import gpu_pack
from tools.gpu_learn import GpuModel, LearnSettings, Lesson, learn, rate_at
from tools.gpu_pixels import Chances, Changes
from tools.gpu_quick import quick_evaluation
from tools.gpu_store import (
    PackedChip,
    PackedScene,
    encode,
    read_chips,
    read_facts,
    read_scenes,
    write_pack,
)
from tools.gpu_train import as_network, join_parts, split_weights
from tools.gpu_views import Cells, ChipStore, ViewBatches, draw_batch, paint

CPU = torch.device("cpu")
BOX = np.array([[[60.0, 80.0], [140.0, 80.0], [140.0, 110.0], [60.0, 110.0]]])
STILL = Chances(0, 0, 0, 0, 0, 0, 0, 0, 0)


def chip(pixels: np.ndarray, corners: np.ndarray, **changes: object) -> PackedChip:
    """A chip of one class, all of it taught."""
    ids = np.zeros(len(corners), np.int64)
    height, width = pixels.shape[:2]
    plain = PackedChip(
        *("a.png", "HRSC2016", "p", "train"),
        *(width, height, 0.5, corners, ids, (True, False), (130.0, 0.0)),
        encode(pixels, "webp", 100),
    )
    return replace(plain, **changes)


def bright(corners: np.ndarray, side: int = 200) -> np.ndarray:
    """A white box on grey."""
    pixels = np.full((side, side, 3), 60, np.uint8)
    left, top = corners[0].min(axis=0).astype(int)
    right, bottom = corners[0].max(axis=0).astype(int)
    pixels[top:bottom, left:right] = 250
    return pixels


def rectangle_of(weights: np.ndarray) -> np.ndarray:
    """The rectangle `(4, 2)` of the same moments as what is bright."""
    rows, columns = np.indices(weights.shape) + 0.5
    points, shares = np.stack([columns.ravel(), rows.ravel()]), weights.ravel() / weights.sum()
    values, axes = np.linalg.eigh(np.cov(points, aweights=shares, ddof=0))
    length, width = np.sqrt(12 * values[::-1])
    angle = math.atan2(axes[1, 1], axes[0, 1])
    return corners_from_xywhr(np.array([[*(points @ shares), length, width, angle]]))[0]


@pytest.mark.parametrize("collage", [0.0, 1.0])
def test_boxes_follow_the_bright_pixels_through_the_views(collage: float) -> None:
    """Every whole box of 24 turned, mirrored, scaled views: corners within 1 px of the pixels."""
    chips = [chip(bright(BOX), BOX)]
    views = ViewSettings(
        tile_px=320, any_angle=1.0, collage=collage, collage_scale_min=0.35, scale_max=1.6
    )
    batch = next(iter(ViewBatches(chips, views, MixSettings(), 24, seed=3)))
    store = ChipStore(chips, CPU, 1)
    images, _ = draw_batch(batch, store)
    assert images.shape == (24, 3, 320, 320)
    counts = (0, 96) if collage else (24, 0)
    assert (len(batch.whole.chips), len(batch.collage.chips)) == counts
    compared = 0
    for xywhr, view in zip(batch.boxes, batch.images, strict=True):
        corners = corners_from_xywhr(xywhr[None])[0]
        # cut boxes lose their proportions
        if abs(xywhr[2] / xywhr[3] - 80 / 30) > 0.01:
            continue
        alone = np.zeros((320, 320), np.uint8)
        around = corners_from_xywhr(xywhr[None] + np.array([0, 0, 10, 10, 0]))[0]
        cv2.fillPoly(alone, [np.rint(around).astype(int)], 1)
        lit = np.clip((images[view, 0].numpy() - 60) / 190, 0, 1) * (alone > 0)
        seen = rectangle_of(lit * (lit > 0.05))  # compression leaves ripples
        distance = np.linalg.norm(seen[:, None] - corners[None], axis=2)
        assert distance.min(axis=1).max() < 1.0
        assert distance.min(axis=0).max() < 1.0
        compared += 1
    assert compared >= 12


@pytest.mark.parametrize("scale", [0.8, 1.0, 1.5])
def test_views_are_those_of_training(scale: float) -> None:
    """The gather gives what `training.views.warp` gives, to a level of 255."""
    rng = np.random.default_rng(0)
    smooth = cv2.resize(rng.integers(0, 255, (9, 7, 3), np.uint8), (180, 240))
    angle = 0.7
    cos, sin = math.cos(angle), math.sin(angle)
    linear = scale * np.array([[-cos, -sin], [-sin, cos]])
    matrix = np.concatenate([linear, (64 - linear @ [90.0, 120.0])[:, None]], axis=1)
    packed = chip(smooth, BOX)
    store = ChipStore([packed], CPU, 1)
    drawn = store.draw(Cells(np.zeros(1, np.int64), matrix[None], 128))[0].permute(1, 2, 0).numpy()
    expected = warp(packed.read(), matrix, 128).astype(float)
    inside = (drawn > 0).all(axis=2) & (expected > 0).all(axis=2)
    inside &= cv2.erode(inside.astype(np.uint8), np.ones((5, 5))) > 0
    assert inside.mean() > 0.4
    assert np.abs(drawn - expected)[inside].max() < 2.0
    assert np.abs(drawn - expected)[inside].mean() < 0.5


def test_coarse_views_are_averages() -> None:
    """A checkerboard of single pixels, shown at a quarter, is grey, not a pattern."""
    board = np.indices((256, 256)).sum(axis=0) % 2 * 200
    store = ChipStore([chip(np.repeat(board[..., None], 3, 2).astype(np.uint8), BOX)], CPU, 1)
    matrix = np.array([[[0.25, 0.0, 0.0], [0.0, 0.25, 0.0]]])
    drawn = store.draw(Cells(np.zeros(1, np.int64), matrix, 64))[0, :, 4:-4, 4:-4]
    assert (drawn - 100).abs().max() < 6


def test_maps_are_those_of_opencv() -> None:
    """Painted on the device or by `painting.paint_boxes`: the same coverage."""
    rng = np.random.default_rng(1)
    boxes = np.stack(
        [*rng.uniform(20, 108, (2, 40)), *rng.uniform(6, 40, (2, 40)), rng.uniform(-0.7, 2.3, 40)],
        1,
    )
    slots, images = rng.integers(0, 2, 40), rng.integers(0, 3, 40)
    maps = paint(torch.from_numpy(boxes), torch.from_numpy(images * 2 + slots), 6, 32)
    shares = boxes / [128, 128, 128, 128, 1]
    expected = paint_boxes(shares.astype(np.float32), slots, images, (3, 2, 32, 32))
    difference = np.abs(maps.view(3, 2, 32, 32).numpy() - expected)
    assert expected.mean() > 0.1
    assert difference.mean() < 0.02
    assert difference.max() < 0.6


def test_what_a_border_cuts_is_hidden() -> None:
    """A ship with a third of it in the view has no box there and leaves no bright pixel."""
    ship = np.array([[[150.0, 80.0], [198.0, 80.0], [198.0, 110.0], [150.0, 110.0]]])
    views = ViewSettings(
        tile_px=64, whole=0, on_object=0, any_angle=0, collage=0, scale_min=1, scale_max=1
    )
    batches = iter(ViewBatches([chip(bright(ship), ship)], views, MixSettings(), 64, seed=0))
    batch = next(batches)
    images, _ = draw_batch(batch, ChipStore([chip(bright(ship), ship)], CPU, 1))
    without = np.setdiff1d(batch.hidden_images, batch.images)
    assert len(without) >= 3
    for view in without:
        assert images[view].max() < 90


def test_changes_keep_padding_and_range() -> None:
    """All changes at once: padding stays 0, values stay from 0 to 255, the rest changes."""
    images = torch.full((4, 3, 32, 32), 120.0)
    images[:, :, :, 20:] = 0
    changed = Changes(Chances(1, 1, 1, 1, 1, 1, 1, 1, 1), CPU, 0)(images)
    assert (changed[:, :, :, 20:] == 0).all()
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert (changed[:, :, :, :18] - 120).abs().mean() > 1
    assert torch.equal(Changes(STILL, CPU, 0)(images), images)


def pool(tmp_path: Path) -> list[LabelledImage]:
    """The fake pool's images of the train split whose ships are oriented."""
    images = read_images("port", port_pool(tmp_path / "pool"), [])
    return [i for i in images if i.split == "train" and Labelling.ENVELOPE not in i.labelling]


def test_a_pack_reads_back_exactly(tmp_path: Path) -> None:
    """Labels, truth, pictures and facts are what was written."""
    settings = gpu_pack.PackSettings(tmp_path / "pack", scales={}, quality=90)
    images = pool(tmp_path)
    chips = [c for image in images for c in gpu_pack.packed_chips(image, settings)]
    write_pack(settings.out, "train", chips, recipe="r", views={"tile_px": 64})
    again = read_chips(settings.out, "train")
    assert [c.to_plain() for c in again] == [c.to_plain() for c in chips]
    assert [c.encoded for c in again] == [c.encoded for c in chips]
    assert read_facts(settings.out, "train") == {"recipe": "r", "views": {"tile_px": 64}}
    oriented = again[0]
    np.testing.assert_allclose(oriented.corners, images[0].corners, atol=1e-3)
    assert oriented.class_ids.tolist() == [0, 1]
    assert [c.taught for c in again] == [(True, True), (True, False)]
    assert oriented.complete_above == (130.0, 0.0)
    assert oriented.read().shape == (64, 64, 3)

    everything = read_images("port", tmp_path / "pool", [])
    size = gpu_pack.pack_truth(everything, "dev", settings)
    scenes = read_scenes(settings.out, "dev")
    truth = labelled_dataset([i for i in everything if i.split == "dev"]).images
    assert size == sum((settings.out / f"dev.{s}").stat().st_size for s in ("bin", "json"))
    assert [s.to_plain() for s in scenes] == [PackedScene(t, b"").to_plain() for t in truth]
    assert scenes[0].read().shape == (64, 64, 3)


def test_a_packed_image_that_is_made_smaller_keeps_its_limits(tmp_path: Path) -> None:
    """Half the size: half the corners, half the length from which ships are boxed."""
    settings = gpu_pack.PackSettings(tmp_path, scales={"HRSC2016": 0.5})
    stackless = pool(tmp_path)[1]
    (packed,) = gpu_pack.packed_chips(stackless, settings)
    assert (packed.width, packed.height, packed.gsd_m) == (32, 32, 1.0)
    np.testing.assert_allclose(packed.corners, stackless.corners / 2, atol=1e-3)
    assert packed.complete_above == (65.0, 0.0)


def test_sources_that_come_first_come_whole(tmp_path: Path) -> None:
    """Yards before anything else; the others in equal shares; too little room is an error."""
    first, other = pool(tmp_path)
    images = [replace(other, source="SIMD")] * 4 + [replace(other, source="iSAID")] * 2
    images += [replace(first, source="yards")]
    order = [image.source for image in gpu_pack._in_order(images, 0)]
    assert order == ["yards", "SIMD", "iSAID", "SIMD", "SIMD", "iSAID", "SIMD"]
    config = gpu_pack.load_config("train", gpu_pack.TrainConfig, ["experiment=smoke"])
    settings = gpu_pack.PackSettings(tmp_path / "pack")
    with pytest.raises(SystemExit, match="raise --limit-mib"):
        gpu_pack.pack_training(images, config, settings, room=100)
    whole = sum(
        len(c.encoded) + len(str(c.to_plain())) for c in gpu_pack.packed_chips(images[-1], settings)
    )
    gpu_pack.pack_training(images, config, settings, room=whole + 10)
    assert [c.source for c in read_chips(settings.out, "train")] == ["yards"]


def test_a_source_of_which_little_fits_is_shown_as_often() -> None:
    """A quarter of the images, four times the weight; a source that stayed behind has none."""
    mix = MixSettings(sources={"iSAID": 0.6, "xView": 3.0})
    there, packed = {"iSAID": 8, "xView": 2, "SIMD": 4}, {"iSAID": 2, "xView": 2, "SIMD": 0}
    balanced = gpu_pack.balanced(mix, there, packed)
    assert balanced.sources == pytest.approx({"iSAID": 2.4, "xView": 3.0})
    assert (balanced.stacks, balanced.empty) == (mix.stacks, mix.empty)


def test_two_steps_of_training(tmp_path: Path) -> None:
    """The loop runs on a pack of the fake pool, moves the weights, and what it leaves can look."""
    settings = gpu_pack.PackSettings(tmp_path / "pack", scales={})
    chips = [c for image in pool(tmp_path) for c in gpu_pack.packed_chips(image, settings)]
    views = ViewSettings(tile_px=64, stack_gsd_min=0.4, stack_gsd_max=0.6)
    lesson = Lesson(chips, ChipStore(chips, CPU, 1), views, MixSettings(), Chances())
    how = LearnSettings("yolo11n-obb.yaml", "", batch=2, steps=2)
    lines: list[dict[str, object]] = []
    model = learn(lesson, how, 600.0, lines.append)
    assert lines[-1]["step"] == 2
    for name in ("loss", "box_loss", "cls_loss", "dfl_loss", "angle_loss", "paint_loss"):
        assert all(0 <= float(str(line[name])) < 1e4 for line in lines[1:]), name
    torch.manual_seed(how.seed)
    fresh = GpuModel("yolo11n-obb.yaml", nc=len(PORT), verbose=False).state_dict()
    moved = [
        k for k, v in model.state_dict().items() if k in fresh and not torch.equal(v, fresh[k])
    ]
    assert sum("conv.weight" in name for name in moved) > 50

    save_weights(tmp_path / "net.safetensors", model.state_dict(), how.architecture)
    before = load_file(tmp_path / "net.safetensors")
    assert not [name for name in before if name.startswith("paint")]
    parts = split_weights(tmp_path / "net.safetensors", 2e6)
    assert len(parts) == 3
    assert max(p.stat().st_size for p in parts) < 2.2e6
    join_parts(tmp_path)
    after = load_file(tmp_path / "net.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)

    gpu_pack.pack_truth(read_images("port", tmp_path / "pool", []), "dev", settings)
    scenes = read_scenes(settings.out, "dev")
    found = quick_evaluation(as_network(model, CPU), scenes, 64, 0.5, math.inf)
    assert (found["images"], found["left_out"]) == (1, 0)
    ships = found["ap"]["ship/polygon/all"]
    assert (ships["ap50"], ships["objects"], ships["images"]) == (None, 0, 1)
    late = quick_evaluation(as_network(model, CPU), scenes, 64, 0.5, -math.inf)
    assert (late["images"], late["left_out"]) == (0, 1)


def test_small_weights_stay_one_file(tmp_path: Path) -> None:
    """A file below the limit is not split."""
    save_file({"a": torch.zeros(4)}, tmp_path / "a.safetensors")
    assert split_weights(tmp_path / "a.safetensors", 1e6) == [tmp_path / "a.safetensors"]


def test_the_rate_rises_then_falls() -> None:
    """A line up over the first 6 %, half a cosine down to a hundredth."""
    assert rate_at(0.03) == pytest.approx(0.5)
    assert rate_at(0.06) == pytest.approx(1.0)
    assert rate_at(0.53) == pytest.approx(0.505)
    assert rate_at(1.0) == pytest.approx(0.01)
