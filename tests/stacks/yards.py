"""Small yards with exact truth: blocks of given tiers on bare ground, rendered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from detector.detections import Detections
from detector.geometry.boxes import edge_lengths
from detector.rendering.canvas import GROUND_M
from detector.rendering.cargo import Bays
from detector.rendering.content import Content, populate
from detector.rendering.layout import lay_out
from detector.rendering.scene import RenderedScene, render_content
from detector.rendering.site import PortSite, YardBlock
from detector.rendering.spec import (
    LayoutSpec,
    PortSpec,
    SensorSpec,
    SkySpec,
    TrafficSpec,
)
from detector.rendering.truth import truth_corners
from detector.rendering.write import write_scene

BARE = PortSpec(
    name="yard",
    width=400,
    height=320,
    gsd_m=0.5,
    layout=LayoutSpec(["railhead"], coast_deg=0.0, land_fraction=1.0),
    traffic=TrafficSpec(0, 0, 0, 0, 0, 0, 5, trucks=False),
    sky=SkySpec(sun_elevation_deg=45.0, sun_azimuth_deg=150.0, haze=0.05, wind_ms=1.0),
    sensor=SensorSpec(noise=2.0),
)

__all__ = ["BARE", "GROUND_M", "found", "sky", "view", "write", "yard"]


def sky(elevation: float = 45.0, azimuth: float = 150.0) -> SkySpec:
    return replace(BARE.sky, sun_elevation_deg=elevation, sun_azimuth_deg=azimuth)


def view(off_nadir: float = 0.0, azimuth: float = 90.0) -> SensorSpec:
    return replace(BARE.sensor, off_nadir_deg=off_nadir, view_azimuth_deg=azimuth)


def yard(
    blocks: dict[tuple[float, float], np.ndarray],
    spec: PortSpec = BARE,
    *,
    wagons: bool = False,
    paired: float = 0.0,
) -> RenderedScene:
    """Render blocks at metres from the scene's corner; each `(bays, rows)` of tiers."""
    site: PortSite = lay_out(spec, 3)
    content: Content = populate(site, spec, 3)
    placed, bays = [], {}
    for number, (centre, tiers) in enumerate(blocks.items()):
        name = f"block-{number}"
        placed.append(_block(name, centre, tiers.shape, wagons))
        pairs = np.arange(len(tiers)) < paired * len(tiers)
        # the colours of a place are those of the place, as of containers that stayed
        bays[name] = Bays(tiers.astype(np.int64), pairs, int(centre[0] * 7 + centre[1]))
    site = replace(site, blocks=tuple(placed), lots=())
    content = replace(content, bays=bays, ships=(), lorries={})
    return render_content(spec, site, content, seed=5)


def _block(
    name: str, centre: tuple[float, float], shape: tuple[int, int], wagons: bool
) -> YardBlock:
    return YardBlock(
        block_id=name, centre=np.array(centre), angle=0.0, shape=shape, zone="", wagons=wagons
    )


def found(scene: RenderedScene) -> Detections:
    """The true boxes as detections."""
    stacks = tuple(item for item in scene.truth if item.class_id == 1)
    corners = truth_corners(stacks)
    length, width = edge_lengths(corners)
    count = len(stacks)
    gsd = scene.spec.gsd_m
    return Detections(
        scene_id="yard",
        acquired=scene.acquired,
        crs=scene.crs,
        class_ids=np.ones(count, np.int64),
        scores=np.ones(count, np.float32),
        corners=corners,
        map_corners=corners,
        length_m=length * gsd,
        width_m=width * gsd,
        axis_deg=np.zeros(count),
        on_ship=np.zeros(count, bool),
    )


def write(scene: RenderedScene, folder: Path) -> Path:
    return write_scene(scene, folder / "yard.tif")
