"""Renders a port: `render(spec, seed)` gives pixels, masks and the exact truth."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import geopandas as gpd
import numpy as np
from affine import Affine
from numpy.typing import NDArray

from detector.rendering.content import Content, populate
from detector.rendering.layout import lay_out
from detector.rendering.prepared import prepare, seen_truth, zones_table
from detector.rendering.site import PortSite
from detector.rendering.spec import PortSpec
from detector.rendering.truth import TruthObject, truth_table
from detector.rendering.write import write_scene


@dataclass(frozen=True, slots=True)
class RenderedScene:
    """A rendered scene, whole in memory.

    Attributes:
        spec: what decided it.
        seed: of everything that was drawn.
        values: `(h, w, bands)` uint8 or uint16, as stored; 0 is nodata.
        valid: `(h, w)` there is data.
        cloud: `(h, w)` nothing is seen for cloud.
        water: `(h, w)` more than half of the pixel is water.
        shadow: `(h, w)` more than half of the pixel is in shadow.
        truth: objects, those outside the scene left out.
        transform: pixel to map, as written (a geolocation error is in the content).
        crs: of the map.
        acquired: time of acquisition, UTC.
        zones: columns `name`, `kind` and geometry in `crs`.
    """

    spec: PortSpec
    seed: int
    values: NDArray[np.uint8] | NDArray[np.uint16]
    valid: NDArray[np.bool_]
    cloud: NDArray[np.bool_]
    water: NDArray[np.bool_]
    shadow: NDArray[np.bool_]
    truth: tuple[TruthObject, ...]
    transform: Affine
    crs: str
    acquired: datetime
    zones: gpd.GeoDataFrame

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """`(h, w, 3)` uint8 for the eye: linear values are stretched, one band is repeated."""
        values = self.values
        if values.dtype != np.uint8:
            low, high = (
                np.percentile(values[self.valid], [0.5, 99.7]) if self.valid.any() else (0, 1)
            )
            light = np.clip((values.astype(np.float32) - low) / max(high - low, 1), 0, 1)
            values = np.rint(light ** (1 / 1.6) * 255).astype(np.uint8)
        return np.asarray(np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values)

    def truth_table(self) -> gpd.GeoDataFrame:
        """One row an object, see `truth.truth_table`."""
        return truth_table(self.truth, self.crs)

    def write(self, path: str | Path, *, cog: bool = False) -> Path:
        """Write the raster and what belongs to it, see `write.write_scene`."""
        return write_scene(self, Path(path), cog=cog)


def render(spec: PortSpec, seed: int) -> RenderedScene:
    """Render a port.

    The same spec and seed give the same scene on any machine, to within one grey level.

    Args:
        spec: everything that decides the scene.
        seed: of layout, content, water, clouds and noise.

    Examples:
        >>> scene = render(PortSpec(width=256, height=256), seed=1)
        >>> scene.values.shape
        (256, 256, 3)
    """
    site = lay_out(spec, seed)
    return render_content(spec, site, populate(site, spec, seed), seed)


def render_content(spec: PortSpec, site: PortSite, content: Content, seed: int) -> RenderedScene:
    """Render given content on a given site, as a story does for each of its dates."""
    prepared = prepare(spec, site, content, seed)
    bands = 1 if spec.sensor.bands == "pan" else 3
    shape = (spec.height, spec.width)
    values = np.zeros((*shape, bands), np.uint8 if spec.sensor.bits == 8 else np.uint16)
    valid, cloud, water, shadow = (np.zeros(shape, bool) for _ in range(4))
    windows = list(prepared.windows())
    with ThreadPoolExecutor(min(len(windows), os.cpu_count() or 1)) as pool:
        for window, done in zip(windows, pool.map(prepared.window, windows), strict=True):
            part = slice(window.row, window.row_end), slice(window.col, window.col_end)
            measured, water[part], shadow[part] = done
            values[part], valid[part], cloud[part] = measured.values, measured.valid, measured.cloud
    return RenderedScene(
        spec=spec,
        seed=seed,
        values=values,
        valid=valid,
        cloud=cloud,
        water=water,
        shadow=shadow,
        truth=seen_truth(prepared, valid & ~cloud),
        transform=prepared.frame.transform,
        crs=spec.place.crs,
        acquired=spec.sky.time,
        zones=zones_table(prepared),
    )
