"""Renders a port: `render(spec, seed)` gives pixels, masks and the exact truth."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from detector.classes import ObjectClass
from detector.data.synthetic.assemble import Assembly, PlacedTruth, assemble
from detector.data.synthetic.canvas import draw, fill_mask
from detector.data.synthetic.content import Content, populate
from detector.data.synthetic.georef import SceneFrame, scene_frame
from detector.data.synthetic.layout import lay_out
from detector.data.synthetic.sensor import Atmosphere, Measured, atmosphere, measure
from detector.data.synthetic.site import Site
from detector.data.synthetic.solids import Solids
from detector.data.synthetic.spec import PortSpec
from detector.data.synthetic.surface import Surroundings, dress, surroundings
from detector.data.synthetic.truth import TruthObject, truth_table
from detector.geometry.boxes import order_corners
from detector.geometry.windows import PixelWindow
from detector.scenes.metadata import parse_time

RENDER_TILE_PX = 1024
LEAST_INSIDE = 0.02  # objects with less of their box inside the scene are not in the truth


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

    def write(self, path: Path) -> Path:
        """Write it all, see `write.write_scene`; returns the raster's path."""
        from detector.data.synthetic.write import write_scene  # noqa: PLC0415 - writes scenes

        return write_scene(self, path)


@dataclass(frozen=True, slots=True)
class PreparedScene:
    """A scene ready to be rendered in windows, in any order, by any thread.

    Attributes:
        spec: what decides it.
        seed: of everything that is drawn.
        frame: geometry.
        site: fixed ground.
        assembly: what stands on it, and the truth.
        around: water and ground.
        air: clouds and edges.
    """

    spec: PortSpec
    seed: int
    frame: SceneFrame
    site: Site
    assembly: Assembly
    around: Surroundings
    air: Atmosphere

    def window(self, window: PixelWindow) -> tuple[Measured, NDArray[np.bool_], NDArray[np.bool_]]:
        """Render one window.

        Returns:
            The measured values, and the masks `(h, w)` of water and of shadow.
        """
        solids = self._solids_near(window)
        drawn = draw(solids, window, self.frame, self.around.water_rgb)
        water, shadow = drawn.water > 0.5, drawn.shadow > 0.5
        rgb = dress(drawn, window, self.around)
        return measure(rgb, window, self.spec, self.air, self.seed), water, shadow

    def windows(self) -> Iterator[PixelWindow]:
        """The grid that scenes are rendered in; noise belongs to it."""
        for row in range(0, self.spec.height, RENDER_TILE_PX):
            for col in range(0, self.spec.width, RENDER_TILE_PX):
                yield PixelWindow(
                    col,
                    row,
                    min(RENDER_TILE_PX, self.spec.width - col),
                    min(RENDER_TILE_PX, self.spec.height - row),
                )

    def _solids_near(self, window: PixelWindow) -> Solids:
        """Surfaces, then the groups that can show in the window, far ones of a lean first."""
        gsd = self.frame.gsd_m
        reach = 80.0 * (np.abs(self.frame.shadow) + np.abs(self.frame.lean)) + 4
        low = np.array([window.col, window.row]) * gsd - reach
        high = np.array([window.col_end, window.row_end]) * gsd + reach
        near = []
        for item in self.assembly.items:
            x0, y0, x1, y1 = item.bounds
            if x1 >= low[0] and y1 >= low[1] and x0 <= high[0] and y0 <= high[1]:
                near.append(
                    ((x0 + x1) / 2 * self.frame.lean[0] + (y0 + y1) / 2 * self.frame.lean[1], item)
                )
        near.sort(key=lambda pair: -pair[0])
        return Solids.concatenate([self.site.surfaces, *(item for _, item in near)])


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


def render_content(spec: PortSpec, site: Site, content: Content, seed: int) -> RenderedScene:
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
    acquired = parse_time(spec.sky.acquired)
    if acquired is None:
        raise ValueError(
            f"sky.acquired={spec.sky.acquired!r} is not a time like 2026-05-14T02:10:00Z"
        )
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
        acquired=acquired,
        zones=zones_table(prepared),
    )


def prepare(spec: PortSpec, site: Site, content: Content, seed: int) -> PreparedScene:
    """Assemble a scene without rendering it."""
    frame = scene_frame(spec)
    shift = np.array(spec.sensor.shift_m)
    if shift.any():
        site, content = site.moved(shift), content.moved(shift)
    return PreparedScene(
        spec=spec,
        seed=seed,
        frame=frame,
        site=site,
        assembly=assemble(site, content, frame),
        around=surroundings(spec, seed, frame, site, content.ships),
        air=atmosphere(spec, seed, frame),
    )


def seen_truth(prepared: PreparedScene, seen: NDArray[np.bool_]) -> tuple[TruthObject, ...]:
    """The truth in pixels and map coordinates, with the share of every box that is seen.

    Args:
        prepared: the scene.
        seen: `(h, w)` valid and not under cloud.
    """
    scene = shapely.box(0, 0, prepared.spec.width, prepared.spec.height)
    objects = []
    for placed in prepared.assembly.truth:
        corners = image_corners(placed, prepared.frame)
        inside = shapely.Polygon(corners).intersection(scene).area
        if inside / shapely.Polygon(corners).area < LEAST_INSIDE:
            continue
        visible = _seen_share(corners, seen) * inside / shapely.Polygon(corners).area
        objects.append(_truth_object(placed, corners, prepared.frame, visible))
    return tuple(objects)


def image_corners(placed: PlacedTruth, frame: SceneFrame) -> NDArray[np.float64]:
    """Corners `(4, 2)` in pixels around the tops as they show with the view's lean."""
    along = placed.box[1] - placed.box[0]
    axis = along / np.hypot(*along)
    across = np.array([-axis[1], axis[0]])
    shown = (placed.tops + placed.top_m[:, None, None] * frame.lean).reshape(-1, 2)
    if placed.class_id == ObjectClass.SHIP:
        shown = placed.box + placed.top_m.max() * frame.lean
    low = np.array([(shown @ axis).min(), (shown @ across).min()])
    high = np.array([(shown @ axis).max(), (shown @ across).max()])
    frame_corners = np.array(
        [[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]]
    )
    metres = frame_corners @ np.stack([axis, across])
    return np.asarray(order_corners(metres[None] / frame.gsd_m)[0])


def zones_table(prepared: PreparedScene) -> gpd.GeoDataFrame:
    """The zones of the scene's site, in the scene's CRS."""
    zones = prepared.site.zones
    scene = shapely.box(0, 0, *prepared.spec.size_m)
    inside = [zone for zone in zones if zone.polygon.intersects(scene)]
    gsd, frame = prepared.frame.gsd_m, prepared.frame
    shapes = [
        shapely.transform(
            zone.polygon.intersection(scene), lambda points: frame.to_map(points / gsd)
        )
        for zone in inside
    ]
    columns = {"name": [zone.name for zone in inside], "kind": [zone.kind for zone in inside]}
    return gpd.GeoDataFrame(columns, geometry=shapes, crs=frame.crs)


def _truth_object(
    placed: PlacedTruth, corners: NDArray[np.float64], frame: SceneFrame, visible: float
) -> TruthObject:
    edges = np.hypot(*(np.roll(placed.box, -1, axis=0) - placed.box).T)
    cargo = placed.cargo
    return TruthObject(
        object_id=placed.object_id,
        class_id=placed.class_id,
        kind=placed.kind,
        role=placed.role,
        corners=corners,
        map_corners=frame.to_map(corners),
        length_m=float(max(edges[0], edges[1])),
        width_m=float(min(edges[0], edges[1])),
        tiers=cargo.tiers if cargo else 0,
        slots=cargo.slots if cargo else 0,
        containers=cargo.containers if cargo else 0,
        teu=cargo.teu if cargo else 0,
        on_ship=placed.on_ship,
        state=placed.state,
        zone=placed.zone,
        visible=float(visible),
    )


def _seen_share(corners: NDArray[np.float64], seen: NDArray[np.bool_]) -> float:
    """Share of the box's pixels inside the scene that are seen."""
    low = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(corners.max(axis=0)).astype(int), [seen.shape[1], seen.shape[0]])
    part = seen[low[1] : high[1], low[0] : high[0]]
    if part.size == 0 or part.all():
        return 1.0 if part.size else 0.0
    mask = fill_mask([corners - low], (part.shape[0], part.shape[1]))
    return float(part[mask].mean()) if mask.any() else 0.0
