"""The demo's story as runs of a perfect detector: its truth boxes, written as `predict` writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from detector.counting.zones import read_zones
from detector.detections import Detections
from detector.export.records import ModelUse
from detector.geometry.boxes import as_corners
from detector.geometry.geodesy import box_measures
from detector.rendering import RenderedScene, tell_chain
from detector.rendering.demo import DEMO_CLOUDS, DEMO_DAYS, DEMO_PORT, DEMO_RAILHEAD
from detector.scenes.scene import Scene, open_scene
from tests.activity.written_run import write_run

COARSE = [
    replace(DEMO_PORT, width=600, height=467, gsd_m=1.5),
    replace(DEMO_RAILHEAD, width=467, height=333, gsd_m=1.5),
]
MODEL = ModelUse("truth", "ab" * 32, True, "0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Written:
    """The files of the story.

    Attributes:
        folder: of the scenes, `visits.csv` and `looks.csv`.
        runs: folder of each site's run.
        sites: `site.yaml` of each.
    """

    folder: Path
    runs: dict[str, Path]
    sites: dict[str, Path]

    @property
    def visits(self) -> pd.DataFrame:
        """True visits."""
        return pd.read_csv(self.folder / "visits.csv")

    @property
    def looks(self) -> pd.DataFrame:
        """What a perfect counter counts on every date and zone."""
        return pd.read_csv(self.folder / "looks.csv")


def write_story(folder: Path, seed: int = 7) -> Written:
    """Render the demo's story at 1.5 m and write a run for each site."""
    story = tell_chain(COARSE, seed, DEMO_DAYS, DEMO_CLOUDS)
    told: dict[str, list[tuple[RenderedScene, Path]]] = {}
    story.write(folder, lambda site, scene, path: told.setdefault(site, []).append((scene, path)))
    runs, sites = {}, {}
    for name, scenes in told.items():
        zones = read_zones(folder / f"{name}.geojson")
        runs[name] = write_run(folder / "runs" / name, zones, _seen(scenes), MODEL, {})
        sites[name] = folder / f"{name}.yaml"
        sites[name].write_text(
            f"name: {name}\nzones: {name}.geojson\ntime_zone: Asia/Vladivostok\n", encoding="utf-8"
        )
    return Written(folder, runs, sites)


def _seen(scenes: list[tuple[RenderedScene, Path]]) -> Iterator[tuple[Scene, Detections]]:
    """Scenes with the detections that are the truth."""
    for rendered, path in scenes:
        with open_scene(path) as scene:
            yield scene, truth_detections(rendered, scene)


def truth_detections(rendered: RenderedScene, scene: Scene) -> Detections:
    """Objects that a perfect detector finds: seen by half, deck cargo marked."""
    truth = [item for item in rendered.truth if item.role == "object" and item.visible >= 0.5]
    corners = as_corners([item.corners for item in truth])
    map_corners = scene.to_map(corners)
    length_m, width_m, axis_deg = box_measures(map_corners, rendered.crs)
    n = len(truth)
    return Detections(
        scene_id=scene.info.scene_id,
        acquired=scene.info.acquired,
        crs=scene.info.crs,
        class_ids=np.array([item.class_id for item in truth], np.int64),
        scores=np.full(n, 0.99, np.float32),
        corners=corners,
        map_corners=map_corners,
        length_m=length_m,
        width_m=width_m,
        axis_deg=axis_deg,
        on_ship=np.array([item.on_ship for item in truth], np.bool_),
    )
