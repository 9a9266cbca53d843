"""Ships set down on open water: where they show, where they may not be, from one seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
import torch

from detector.classes import PORT
from detector.config.compose import load_config
from detector.data.chips import Chip
from detector.geometry.boxes import corners_from_xywhr, edge_lengths, polygons
from detector.training.dataset import ChipViews
from detector.training.options import TrainConfig
from detector.training.paste import ShipLibrary
from detector.training.views import ChipView, ViewSettings
from tests.training.chips import make_chip

SIDE = 256
WATER = (40, 60, 70)
SCALES = (0.5, 1.6)


def water(side: int = SIDE, colour: tuple[int, ...] = WATER, rough: float = 3.0) -> np.ndarray:
    noise = np.random.default_rng(5).normal(0, rough, (side, side, 3))
    return np.clip(np.array(colour) + noise, 1, 255).astype(np.uint8)


def blank(pixels: np.ndarray) -> ChipView:
    return ChipView(pixels, np.zeros((0, 4, 2)), np.zeros(0, np.int64))


def donor(folder: Path, *, x: float = 80.0, taught: bool = True, rough: float = 3.0) -> Chip:
    """A chip of water with one ship of grey 250, 60 by 16 px, its middle at x and 80."""
    chip = make_chip(folder, "donor", ships=1, taught=(taught, True))
    pixels = water(160, rough=rough)
    box = np.array([[x, 80.0, 60.0, 16.0, 0.0]])
    pixels[72:88, max(int(x) - 30, 0) : int(x) + 30] = 250
    np.save(chip.pixels, pixels)
    return replace(chip, corners=corners_from_xywhr(box))


def pasted(library: ShipLibrary, view: ChipView, count: int = 20) -> list[ChipView]:
    rng = np.random.default_rng(3)
    return [library.paste(view, rng, SCALES) for _ in range(count)]


def test_pasted_ships_are_boxed_where_they_show(tmp_path: Path) -> None:
    views = pasted(ShipLibrary([donor(tmp_path)]), blank(water()))
    assert sum(len(view.corners) for view in views) > 20
    scales = []
    for view in views:
        assert (view.class_ids == PORT.id("ship")).all()
        assert len(view.class_ids) == len(view.corners)
        assert view.corners.size == 0 or 0 <= view.corners.min() <= view.corners.max() <= SIDE
        rows, cols = np.nonzero(view.pixels.min(axis=2) > 150)
        bright = shapely.points(cols + 0.5, rows + 0.5)
        shapes = polygons(view.corners)
        for box, shape in zip(view.corners, shapes, strict=True):
            length, width = (edge[0] for edge in edge_lengths(box[None]))
            scales.append(length / 60.0)
            assert length / width == pytest.approx(60 / 16, rel=1e-6)
            own = bright[shapely.contains(shape.buffer(2), bright)]
            # the hull is the box without its corners: eight triangles are a fifteenth of it
            assert len(own) / shape.area == pytest.approx(0.93, abs=0.12)
            offsets = shapely.get_coordinates(own) - box.mean(axis=0)
            for edge, extent in ((box[1] - box[0], length), (box[2] - box[1], width)):
                along = offsets @ edge / np.hypot(*edge)
                assert np.abs([along.min() + extent / 2, along.max() - extent / 2]).max() < 1.5
        far = shapely.unary_union([shape.buffer(1.5) for shape in shapes])
        assert shapely.contains(far, bright).all()
    assert 0.5 <= min(scales) < 0.7
    assert 1.3 < max(scales) <= 1.6


def test_the_edge_is_soft_and_the_rest_of_the_view_is_kept(tmp_path: Path) -> None:
    before = water()
    for view in pasted(ShipLibrary([donor(tmp_path)]), blank(before), 5):
        changed = (view.pixels != before).any(axis=2)
        level = view.pixels.max(axis=2)
        between = ((level > 90) & (level < 220)).sum()
        assert between > 0.5 * (level >= 220).sum() ** 0.5
        rows, cols = np.nonzero(changed)
        near = shapely.unary_union([shape.buffer(3) for shape in polygons(view.corners)])
        assert shapely.contains_xy(near, cols + 0.5, rows + 0.5).all()
    assert np.array_equal(before, water())


def test_pasted_ships_lie_on_nothing(tmp_path: Path) -> None:
    truth = corners_from_xywhr(
        np.array([[60.0, 60.0, 80.0, 30.0, 0.4], [190.0, 180.0, 90.0, 20.0, 2.0]])
    )
    view = ChipView(water(), truth, np.array([0, 0]))
    found = pasted(ShipLibrary([donor(tmp_path)]), view, 30)
    assert sum(len(one.corners) > 2 for one in found) > 10
    for one in found:
        np.testing.assert_array_equal(one.corners[:2], truth)
        shapes = polygons(one.corners)
        for number, shape in enumerate(shapes[2:], 2):
            assert min(shape.distance(other) for other in np.delete(shapes, number)) >= 3.9


@pytest.mark.parametrize(
    "pixels",
    [
        water(colour=(150, 140, 120)),  # concrete
        water(colour=(90, 95, 60)),  # soil and grass
        water(rough=25.0),  # dark but rough: woods, roofs
        np.full((SIDE, SIDE, 3), WATER, np.uint8),  # painted over: an ignored object
        np.zeros((SIDE, SIDE, 3), np.uint8),  # padding
    ],
    ids=["concrete", "soil", "rough", "painted", "padding"],
)
def test_nothing_is_pasted_but_on_water(pixels: np.ndarray, tmp_path: Path) -> None:
    for view in pasted(ShipLibrary([donor(tmp_path)]), blank(pixels)):
        assert len(view.corners) == 0
        np.testing.assert_array_equal(view.pixels, pixels)


def test_of_half_a_view_of_land_only_the_water_gets_ships(tmp_path: Path) -> None:
    pixels = water()
    pixels[:, 128:] = water(colour=(150, 140, 120))[:, 128:]
    pixels[:60, :60] = WATER  # an ignored object
    found = pasted(ShipLibrary([donor(tmp_path)]), blank(pixels), 60)
    boxes = np.concatenate([view.corners for view in found])
    assert len(boxes) > 20
    assert boxes[..., 0].max() < 128
    assert not shapely.intersects(polygons(boxes), shapely.box(0, 0, 60, 60)).any()


def test_only_whole_ships_alone_on_smooth_water_are_taken(tmp_path: Path) -> None:
    good = donor(tmp_path / "good")
    assert len(ShipLibrary([good])) == 1
    assert len(ShipLibrary([donor(tmp_path / "untaught", taught=False)])) == 0
    cut = donor(tmp_path / "cut", x=32.0)  # its surroundings reach beyond the chip
    rough = donor(tmp_path / "rough", rough=25.0)  # at a quay
    beside = corners_from_xywhr(np.array([[80.0, 100.0, 60.0, 16.0, 0.0]]))
    row = replace(
        donor(tmp_path / "row"),
        corners=np.concatenate([good.corners, beside]),
        class_ids=np.array([0, 0]),
    )
    for chip in (cut, rough, row):
        for view in pasted(ShipLibrary([chip]), blank(water())):
            assert len(view.corners) == 0


def test_one_seed_pastes_the_same(tmp_path: Path) -> None:
    library, view = ShipLibrary([donor(tmp_path)]), blank(water())
    for one, other in zip(pasted(library, view, 4), pasted(library, view, 4), strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        np.testing.assert_array_equal(one.corners, other.corners)
    again = library.paste(view, np.random.default_rng(4), SCALES)
    assert not np.array_equal(again.pixels, pasted(library, view, 1)[0].pixels)


def count(chips: list[Chip], share: float) -> list[int]:
    """Ships in twelve views of the first chip, with that chance of pasted ones."""
    settings = ViewSettings(
        tile_px=160,
        scale_min=1.0,
        scale_max=1.0,
        whole=0.0,
        any_angle=0.0,
        collage=0.0,
        paste_ships=share,
    )
    views = ChipViews(chips, settings, None, 1)
    return [len(views[0]["cls"]) for _ in range(12)]


def test_views_get_ships_where_asked_and_where_ships_are_taught(tmp_path: Path) -> None:
    chip = donor(tmp_path)
    assert count([chip], 0.0) == [1] * 12
    assert max(count([chip], 1.0)) > 1
    untaught = replace(chip, taught=(False, True))
    assert count([untaught, chip], 1.0) == [1] * 12
    land = replace(chip, corners=chip.corners[:0], class_ids=chip.class_ids[:0])
    assert count([land, chip], 1.0) == [0] * 12


def test_a_series_with_pasted_ships_is_fixed_by_its_seed(tmp_path: Path) -> None:
    chips = [donor(tmp_path)]
    settings = ViewSettings(tile_px=160, collage=0.0, paste_ships=1.0)
    one, other = (ChipViews(chips, settings, None, 9) for _ in range(2))
    for _ in range(3):
        first, second = one[0], other[0]
        assert torch.equal(first["img"], second["img"])
        assert torch.equal(first["bboxes"], second["bboxes"])


def test_ships_are_not_pasted_unless_asked_for() -> None:
    assert ViewSettings().paste_ships == 0.0
    assert load_config("train", TrainConfig, []).views.paste_ships == 0.0
