"""`detector activity` over two looks of one yard: tables, priors of the runs, the picture."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from detector.activity.schema import columns_of
from detector.cli import main as cli
from detector.stacks.settings import StackSettings
from tests.stacks.yard_site import write_yard_site
from tests.stacks.yards import BARE, sky, yard

STAYS = {(60.0, 40.0): np.full((4, 5), 3), (60.0, 75.0): np.full((4, 5), 2)}
NEW = {(60.0, 110.0): np.full((5, 5), 3)}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of one yard with an evil name, and a run over two looks; activity over them."""
    folder = tmp_path_factory.mktemp("activity")
    looks = []
    for day, blocks in ((14, STAYS), (19, STAYS | NEW)):
        sun = replace(sky(40.0 + day, 130.0 + 5 * day), acquired=f"2026-05-{day}T02:10:00Z")
        looks.append(yard(blocks, replace(BARE, sky=sun)))
    settings = StackSettings(yard_tiers=[2.0, 3.0, 4.0])
    site, run = write_yard_site(folder, looks, "../야드 <1>", settings)
    words = [str(site), f"runs=[{run}]", f"out={folder / 'out'}", "quiet=true"]
    off = ["appearance=false", "report=false", "plots=false", "draws=20"]
    assert cli.main(["activity", *words, *off]) == 0
    return folder / "out"


def test_the_command_tells_the_new_block_and_shows_it(written: Path) -> None:
    content = json.loads((written / "activity.json").read_text(encoding="utf-8"))
    (change,) = content["stack_changes"]
    assert list(change) == list(columns_of("stack_changes"))
    assert (change["kind"], change["from_day"]) == ("appeared", "2026-05-14")
    assert change["teu_low"] <= 150 <= change["teu_high"]
    assert change["picture"] == "differences/0001-_야드_1_-2026-05-14-2026-05-19.png"
    picture = cv2.imdecode(np.fromfile(written / change["picture"], np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[:2] == pytest.approx((2 * (13.8 + 120), 2 * (62.8 + 120)), abs=8)
    assert (picture == (60, 220, 40)).all(axis=2).sum() > 200  # the block is outlined
    assert pd.read_csv(written / "stack_changes.csv")["picture"].tolist() == [change["picture"]]
    assert not any("run.json" in warning for warning in content["warnings"])
