"""`detector activity` over two looks of one yard: tables, priors of the runs, the picture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from detector.activity.schema import columns_of
from detector.cli import main as cli
from detector.counting.zones import Zones, read_zones
from detector.detections import Detections
from detector.export.stacks import STACKS_FILE, write_stacks
from detector.geometry.geodesy import apply_transform
from detector.rendering.scene import RenderedScene
from detector.rendering.write import write_scene
from detector.scenes.scene import Scene, open_scene
from detector.stacks.estimate import estimate_stacks
from detector.stacks.settings import StackSettings
from tests.activity.story import MODEL, truth_detections
from tests.activity.written_run import write_run
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
        scene = yard(blocks, replace(BARE, sky=sun))
        looks.append((scene, write_scene(scene, folder / f"look-{day}.tif")))
    first = looks[0][0]
    box = shapely.box(5, 5, first.spec.width - 5, first.spec.height - 5)
    shape = shapely.transform(box, lambda points: apply_transform(first.transform, points))
    zones = gpd.GeoDataFrame({"name": ["../야드 <1>"], "kind": ["yard"]}, geometry=[shape],
                             crs=first.crs)  # fmt: skip
    zones.to_file(folder / "zones.gpkg")
    (folder / "site.yaml").write_text("name: site\nzones: zones.gpkg\n", encoding="utf-8")
    run = _run(folder, looks, read_zones(folder / "zones.gpkg"))
    words = [str(folder / "site.yaml"), f"runs=[{run}]", f"out={folder / 'out'}", "quiet=true"]
    off = ["appearance=false", "report=false", "plots=false", "draws=20"]
    assert cli.main(["activity", *words, *off]) == 0
    return folder / "out"


def _run(folder: Path, looks: list[tuple[RenderedScene, Path]], zones: Zones) -> Path:
    settings = StackSettings(yard_tiers=[2.0, 3.0, 4.0])
    tables = []

    def seen() -> Iterator[tuple[Scene, Detections]]:
        for rendered, path in looks:
            with open_scene(path) as scene:
                found = truth_detections(rendered, scene)
                tables.append(estimate_stacks(scene, found, [], settings))
                yield scene, found

    run = write_run(folder / "run", zones, seen(), MODEL, {"stacks": asdict(settings)})
    write_stacks(run / STACKS_FILE, pd.concat(tables))
    return run


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
