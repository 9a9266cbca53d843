"""The table of blocks, from pictures painted by hand: sizes, flags, limits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from detector.scenes.scene import open_scene
from detector.stacks.estimate import COLUMNS, NUMBERS, estimate_stacks
from detector.stacks.settings import StackSettings
from tests.counting.make import STACK, Row, make_detections
from tests.scenes.rasters import utm_transform, write_raster

BAY_M, ROW_M = 12.642, 2.838
SCALE = 1 / 0.9996  # metres a metre of map, on the central meridian
FEW = StackSettings(draws=100)


def blocks_of(gsd: float, *blocks: tuple[float, float, int, int, bool]) -> np.ndarray:
    """`(3, h, w)`: coloured blocks of `x, y, bays, rows, upright`, metres, on grey ground."""
    side = round(160 / gsd)
    y, x = (np.mgrid[0:side, 0:side] + 0.5) * gsd
    values = np.full((side, side, 3), 110.0)
    tints = np.array([[150.0, 50, 40], [40, 70, 150], [40, 130, 70], [190, 120, 40]])
    for left, top, bays, rows, upright in blocks:
        u, v = (y - top, x - left) if upright else (x - left, y - top)
        bay, row = np.floor(u / BAY_M).astype(int), np.floor(v / ROW_M).astype(int)
        inside = (u >= 0) & (u < bays * BAY_M - 0.45) & (v >= 0) & (v < rows * ROW_M - 0.4)
        taken = inside & (u - bay * BAY_M < 12.192) & (v - row * ROW_M < 2.438)
        tint = tints[(3 * bay + 5 * row + bay * row) % 4]
        values = np.where(inside[..., None], 30.0, values)
        values = np.where(taken[..., None], tint, values)
    noise = np.random.default_rng(1).normal(0, 1.5, values.shape)
    return np.moveaxis((values + noise).clip(1, 255).astype(np.uint8), -1, 0)


def box(left: float, top: float, wide: float, high: float, gsd: float) -> Row:
    """A detection by its metres of the map, 0.1 m larger on each side."""
    wide, high = wide + 0.2, high + 0.2
    x, y = (left - 0.1 + wide / 2) / gsd, (top - 0.1 + high / 2) / gsd
    if wide >= high:
        return (STACK, x, y, wide / gsd, high / gsd, 0.0)
    return (STACK, x, y, high / gsd, wide / gsd, np.pi / 2)


def estimate(
    folder: Path,
    rows: list[Row],
    values: np.ndarray,
    gsd: float = 0.25,
    zones: list[tuple[str, str]] | None = None,
    settings: StackSettings = FEW,
    on_ship: tuple[int, ...] = (),
    **properties: float,
) -> pd.DataFrame:
    path = write_raster(folder / "a.tif", values, transform=utm_transform(gsd))
    item = {"properties": {name.replace("__", ":"): value for name, value in properties.items()}}
    path.with_suffix(".json").write_text(json.dumps(item))
    found = make_detections(rows, transform=utm_transform(gsd), on_ship=on_ship)
    with open_scene(path) as scene:
        return estimate_stacks(scene, found, zones or [], settings)


LONG = (4 * BAY_M - 0.45, 6 * ROW_M - 0.4)
ACROSS = (14 * ROW_M - 0.4, 2 * BAY_M - 0.45)


def test_sizes_go_along_and_across_the_containers(tmp_path: Path) -> None:
    """Four bays of six rows, and two of fourteen, which are wider than long."""
    values = blocks_of(0.25, (30, 30, 4, 6, False), (30, 80, 2, 14, True))
    rows = [box(30, 30, *LONG, 0.25), box(30, 80, *ACROSS, 0.25)]
    table = estimate(tmp_path, rows, values, zones=[("A", "yard"), ("", "")])
    assert tuple(table.columns) == COLUMNS
    assert table["along_m"].tolist() == pytest.approx(
        [(LONG[0] + 0.2) * SCALE, (ACROSS[1] + 0.2) * SCALE], rel=1e-4
    )
    assert table["across_m"].tolist() == pytest.approx(
        [(LONG[1] + 0.2) * SCALE, (ACROSS[0] + 0.2) * SCALE], rel=1e-4
    )
    assert table["rows"].tolist() == [6, 14]
    assert table["places"].tolist() == [48, 56]
    assert table["size_sd_m"].tolist() == pytest.approx([0.75, 0.75], rel=1e-3)
    assert table["row_pitch_m"].tolist() == pytest.approx([ROW_M, ROW_M], rel=0.02)
    assert table["area_px"].tolist() == pytest.approx(
        [(LONG[0] + 0.2) * (LONG[1] + 0.2) * 16, (ACROSS[0] + 0.2) * (ACROSS[1] + 0.2) * 16]
    )
    assert table["id"].tolist() == ["najin-0123abcd#0", "najin-0123abcd#1"]
    assert table["zone"].tolist() == ["A", ""]
    assert table["zone_kind"].tolist() == ["yard", ""]
    assert table["flags"].tolist() == ["no_sun", "no_sun"]
    assert table["method"].tolist() == ["prior", "prior"]
    assert (table["fill"] > 0.98).all()
    assert (table["share_40ft"] > 0.9).all()
    assert table["lean_east"].isna().all()
    for name in NUMBERS:
        assert (table[f"{name}_low"] <= table[name]).all()
        assert (table[name] <= table[f"{name}_high"]).all()


@pytest.mark.parametrize(("gsd", "flags"), [(1.15, "no_sun"), (1.25, "too_coarse")])
def test_nothing_is_seen_above_a_metre_and_a_fifth(tmp_path: Path, gsd: float, flags: str) -> None:
    values = blocks_of(gsd, (30, 30, 4, 6, False))
    row = estimate(tmp_path, [box(30, 30, *LONG, gsd)], values, gsd).iloc[0]
    assert row["flags"] == flags
    assert row["places"] == 48  # by its size
    assert np.isnan(row["fill"])
    assert row["share_40ft"] == 0.78  # the prior's median
    assert row["size_sd_m"] == pytest.approx(0.5 + gsd * SCALE, rel=1e-4)


@pytest.mark.parametrize(
    ("width_m", "kind", "flags"),
    [
        (4.1, "railhead", "wagons"),
        (4.5, "railhead", "no_sun"),
        (4.1, "yard", "no_sun"),
    ],
)
def test_a_train_is_narrow_and_at_a_railhead(
    tmp_path: Path, width_m: float, kind: str, flags: str
) -> None:
    values = blocks_of(0.5, (30, 30, 6, 1, False))
    rows = [box(30, 30, 80.0, width_m, 0.5)]
    row = estimate(tmp_path, rows, values, 0.5, [("r", kind)]).iloc[0]
    assert row["flags"] == flags
    if flags == "wagons":
        assert row["tiers"] == 1.0
        assert np.isnan(row["share_sd"])


@pytest.mark.parametrize(("off_nadir", "used"), [(15.0, True), (-15.0, True), (15.1, False)])
def test_shadows_are_used_up_to_fifteen_degrees(
    tmp_path: Path, off_nadir: float, used: bool
) -> None:
    values = blocks_of(0.25, (30, 30, 4, 6, False))
    angles = {"view__sun_elevation": 45.0, "view__sun_azimuth": 180.0, "view__azimuth": 90.0}
    row = estimate(
        tmp_path, [box(30, 30, *LONG, 0.25)], values, view__off_nadir=off_nadir, **angles
    ).iloc[0]
    assert (row["flags"] == "oblique_view") == (not used)
    # Tops lean away from the sensor, westward; the lean of 4 m of tops is not the block's length.
    lean = np.tan(np.radians(abs(off_nadir)))
    assert row["lean_east"] == pytest.approx(-lean)
    assert row["lean_north"] == pytest.approx(0.0, abs=1e-9)
    assert row["along_m"] == pytest.approx((LONG[0] + 0.2) * SCALE - 4 * lean, abs=0.02)
    assert row["across_m"] == pytest.approx((LONG[1] + 0.2) * SCALE, abs=0.02)


def test_a_lean_takes_half_of_a_side_at_most(tmp_path: Path) -> None:
    values = blocks_of(0.25, (30, 30, 4, 1, False))
    row = estimate(
        tmp_path,
        [box(30, 30, LONG[0], 2.438, 0.25)],
        values,
        view__off_nadir=40.0,
        view__azimuth=180.0,
    ).iloc[0]
    assert row["across_m"] == pytest.approx((2.438 + 0.2) * SCALE / 2, rel=1e-3)


@pytest.mark.parametrize(("clouded", "flag"), [(0.0, False), (0.01, False), (0.04, True)])
def test_a_block_seen_by_less_than_98_hundredths_is_a_bound(
    tmp_path: Path, clouded: float, flag: bool
) -> None:
    values = blocks_of(0.25, (30, 30, 4, 6, False))
    mask = np.zeros(values.shape[1:], np.uint8)
    mask[:, : round((30 + clouded * LONG[0]) / 0.25)] = clouded > 0
    write_raster(tmp_path / "a_cloud.tif", mask[None], transform=utm_transform(0.25))
    row = estimate(tmp_path, [box(30, 30, *LONG, 0.25)], values).iloc[0]
    assert ("under_cloud" in row["flags"]) == flag
    if flag:
        seen = row["fill_sd"] / 0.06  # both are those of the seen part
        assert 0.93 < seen < 0.98
        assert row["fill"] == pytest.approx(seen, abs=0.02)


def test_deck_cargo_has_slots_and_no_more(tmp_path: Path) -> None:
    values = blocks_of(0.25, (30, 30, 4, 6, False))
    angles = {"view__sun_elevation": 45.0, "view__sun_azimuth": 180.0}
    row = estimate(tmp_path, [box(30, 30, *LONG, 0.25)], values, on_ship=(0,), **angles).iloc[0]
    assert (row["flags"], row["method"]) == ("deck_cargo", "area_only")
    assert row["slots"] == pytest.approx(48, abs=2)
    for name in ("tiers", "containers", "teu"):
        assert row[[name, f"{name}_low", f"{name}_high"]].isna().all()
