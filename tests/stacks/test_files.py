"""`stacks.csv` back and forth, the defaults, the documented columns, and sums of blocks."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from detector.config.compose import load_config
from detector.errors import OutputError
from detector.export.stacks import join_stacks, no_stacks, read_stacks, write_stacks
from detector.prediction.options import PredictConfig
from detector.scenes.scene import open_scene
from detector.stacks.estimate import COLUMNS, estimate_stacks, factors_of
from detector.stacks.settings import StackSettings
from detector.stacks.simulate import SHARE_SHARE, simulate
from tests.stacks.yards import BARE, found, write, yard


def test_the_defaults_in_conf_are_those_of_the_code() -> None:
    config = load_config("predict", PredictConfig, [], paths=["a.tif"])
    assert asdict(config.stacks) == asdict(StackSettings())


def test_every_column_is_described() -> None:
    text = (Path(__file__).parents[2] / "docs" / "stacks.md").read_text(encoding="utf-8")
    section = text.split("## Columns of stacks.csv")[1].split("\n## ")[0]
    names = {
        name
        for cell in re.findall(r"^\|([^|]*)\|", section, re.MULTILINE)
        for name in re.findall(r"`([^`]+)`", cell)
    }
    assert names == {re.sub("_(low|high)$", "", name) for name in COLUMNS}


def test_a_run_joins_its_scenes(tmp_path: Path) -> None:
    scene = yard({(60.0, 60.0): np.full((3, 4), 2), (120.0, 60.0): np.full((2, 4), 3)})
    with open_scene(write(scene, tmp_path)) as opened:
        table = estimate_stacks(opened, found(scene), [], StackSettings())
    one, two, empty = (tmp_path / f"{name}.csv" for name in "abc")
    write_stacks(one, table)
    write_stacks(two, table.iloc[:1])
    write_stacks(empty, no_stacks())
    join_stacks(tmp_path / "run.csv", [one, empty, tmp_path / "absent.csv", two])
    back = read_stacks(tmp_path / "run.csv")
    assert len(back) == 3
    assert back["teu"].tolist() == [*table["teu"].round(3).tolist(), round(table["teu"][0], 3)]
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "bad.parquet")
    with pytest.raises(OutputError, match=r"bad\.parquet: no column 'scene_id'"):
        read_stacks(tmp_path / "bad.csv")


def test_blocks_without_shadow_go_together(tmp_path: Path) -> None:
    """What a zone's blocks have in common does not cancel: the sum is wider than if independent."""
    blocks = {(40.0 + 45 * i, 40.0 + 60 * j): np.full((2, 4), 2) for i in range(3) for j in (0, 1)}
    scene = yard(blocks, replace(BARE, sensor=replace(BARE.sensor, off_nadir_deg=20.0)))
    with open_scene(write(scene, tmp_path)) as opened:
        table = estimate_stacks(opened, found(scene), [], StackSettings())
    assert set(table["method"]) == {"prior"}
    draws = simulate(factors_of(table, StackSettings()), StackSettings())
    independent = np.sqrt((draws.teu.std(axis=0) ** 2).sum())
    assert draws.teu.sum(axis=1).std() > 1.4 * independent
    again = simulate(factors_of(table, StackSettings()), StackSettings())
    assert np.array_equal(draws.teu, again.teu)
    assert (draws.tiers >= 1).all()
    assert (draws.containers <= draws.teu).all()


def test_errors_of_a_zone_do_not_cancel() -> None:
    """Sixteen blocks of one measured share: their sum is as unsure as what they have in common."""
    count = 16
    columns = dict.fromkeys(COLUMNS, np.nan) | {
        "along_m": 62.7, "across_m": 16.8, "size_sd_m": 0.01, "fill": 1.0, "fill_sd": 0.0,
        "share_40ft": 0.5, "share_sd": 0.1, "row_pitch_m": 2.838, "row_pitch_sd": 0.0,
        "half_bay_m": 6.3215, "half_bay_sd": 0.0, "shadow_tiers": 3.0, "shadow_sd": 0.0,
        "zone_kind": "yard", "flags": "",
    }  # fmt: skip
    table = pd.DataFrame([columns] * count)
    draws = simulate(factors_of(table, StackSettings()), StackSettings())
    share = 2.0 * (1.0 - draws.containers.sum(axis=1) / draws.teu.sum(axis=1))
    alone = 0.1 / np.sqrt(count)
    together = 0.1 * np.sqrt(SHARE_SHARE + (1 - SHARE_SHARE) / count)
    assert share.std() == pytest.approx(together, rel=0.06)
    assert together > 2 * alone
    assert draws.teu.mean() == pytest.approx(60 * 3.0, rel=0.01)
