"""A site of one yard with a run over rendered looks, detected as a perfect network would."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely

from detector.counting.zones import read_zones
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

RIM_PX = 5  # between the yard and the edge of the scene


def write_yard_site(
    folder: Path,
    looks: Sequence[RenderedScene],
    zone: str,
    settings: StackSettings,
    missed: Collection[tuple[int, int]] = (),
) -> tuple[Path, Path]:
    """Write scenes, `site.yaml` and a run with `stacks.csv`.

    Args:
        folder: to write to.
        looks: in order of time, of one ground.
        zone: name of the yard, which is all of the scene but its rim.
        settings: of the run.
        missed: look and true object, by their numbers, that the network does not find.

    Returns:
        The site file and the folder of the run.
    """
    paths = [write_scene(scene, folder / f"look-{at}.tif") for at, scene in enumerate(looks)]
    spec, transform = looks[0].spec, looks[0].transform
    box = shapely.box(RIM_PX, RIM_PX, spec.width - RIM_PX, spec.height - RIM_PX)
    shape = shapely.transform(box, lambda points: apply_transform(transform, points))
    table = {"name": [zone], "kind": ["yard"]}
    gpd.GeoDataFrame(table, geometry=[shape], crs=looks[0].crs).to_file(folder / "zones.gpkg")
    site = folder / "site.yaml"
    site.write_text("name: site\nzones: zones.gpkg\n", encoding="utf-8")

    def seen() -> Iterator[tuple[Scene, Detections]]:
        for at, (rendered, path) in enumerate(zip(looks, paths, strict=True)):
            with open_scene(path) as scene:
                found = truth_detections(rendered, scene)
                kept = [row for row in range(len(found)) if (at, row) not in missed]
                found = found.select(np.array(kept, np.int64))
                table = estimate_stacks(scene, found, [], settings)
                yield scene, found  # then the scene has its folder, and the run is not sealed yet
                write_stacks(folder / "run" / scene.info.scene_id / STACKS_FILE, table)

    zones = read_zones(folder / "zones.gpkg")
    run = write_run(folder / "run", zones, seen(), MODEL, {"stacks": asdict(settings)})
    return site, run
