"""A scene ready to be rendered in windows, and its truth as it shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from detector.geometry.boxes import order_corners
from detector.geometry.windows import PixelWindow
from detector.rendering.assemble import Assembly, PlacedTruth, assemble_port
from detector.rendering.canvas import draw, fill_mask
from detector.rendering.content import Content
from detector.rendering.georef import SceneFrame, scene_frame
from detector.rendering.sensor import Atmosphere, Measured, atmosphere, measure
from detector.rendering.site import PortSite
from detector.rendering.solids import Solids
from detector.rendering.spec import PortSpec
from detector.rendering.surface import Surroundings, dress, surroundings
from detector.rendering.truth import SHIP_ID, TruthObject

RENDER_TILE_PX = 1024
LEAST_INSIDE = 0.02  # objects with less of their box inside the scene are not in the truth
TALLEST_M = 80.0


@dataclass(frozen=True, slots=True)
class PreparedRendering:
    """A scene ready to be rendered in windows, in any order, by any thread.

    Attributes:
        spec: what decides it.
        seed: of everything that is drawn.
        frame: geometry.
        site: fixed ground.
        assembly: what stands on it, and the truth.
        around: water and ground.
        air: clouds and edges.
        bounds: `(N, 4)` of the assembly's groups, local metres.
        surface_bounds: `(M, 4)` of the site's surfaces.
    """

    spec: PortSpec
    seed: int
    frame: SceneFrame
    site: PortSite
    assembly: Assembly
    around: Surroundings
    air: Atmosphere
    bounds: NDArray[np.float64]
    surface_bounds: NDArray[np.float64]

    def window(self, window: PixelWindow) -> tuple[Measured, NDArray[np.bool_], NDArray[np.bool_]]:
        """Render one window.

        Returns:
            The measured values, and the masks `(h, w)` of water and of shadow.
        """
        solids = self.near(window)
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

    def near(self, window: PixelWindow) -> Solids:
        """Surfaces, then the groups that can show in the window, far ones of a lean first."""
        gsd, lean = self.frame.gsd_m, self.frame.lean
        reach = TALLEST_M * (np.abs(self.frame.shadow) + np.abs(lean)) + 4
        low = np.array([window.col, window.row]) * gsd - reach
        high = np.array([window.col_end, window.row_end]) * gsd + reach
        chosen = np.flatnonzero(_meets(self.bounds, low, high))
        along = (self.bounds[chosen, :2] + self.bounds[chosen, 2:]) @ lean
        order = chosen[np.argsort(-along, kind="stable")]
        surfaces = self.site.surfaces
        ground = surfaces.select(np.flatnonzero(_meets(self.surface_bounds, low, high)))
        return Solids.concatenate([ground, *(self.assembly.items[i] for i in order.tolist())])


def _meets(
    bounds: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which `(N, 4)` bounds touch a rectangle."""
    return np.asarray((bounds[:, 2:] >= low).all(axis=1) & (bounds[:, :2] <= high).all(axis=1))


def prepare(spec: PortSpec, site: PortSite, content: Content, seed: int) -> PreparedRendering:
    """Assemble a scene without rendering it."""
    frame = scene_frame(spec)
    shift = spec.sensor.shift_m
    if shift.any():
        site, content = site.moved(shift), content.moved(shift)
    assembly = assemble_port(site, content, frame)
    return PreparedRendering(
        spec=spec,
        seed=seed,
        frame=frame,
        site=site,
        assembly=assembly,
        around=surroundings(spec, seed, frame, site, content.ships),
        air=atmosphere(spec, seed, frame),
        bounds=np.array([item.bounds for item in assembly.items]).reshape(-1, 4),
        surface_bounds=site.surfaces.each_bounds(),
    )


def seen_truth(
    prepared: PreparedRendering, seen: NDArray[np.bool_], step: int = 1
) -> tuple[TruthObject, ...]:
    """The truth in pixels and map coordinates, with the share of every box that is seen.

    Args:
        prepared: the scene.
        seen: `(h, w)` valid and not under cloud, every `step`th pixel.
        step: pixels from one value of `seen` to the next.
    """
    scene = shapely.box(0, 0, prepared.spec.width, prepared.spec.height)
    objects = []
    for placed in prepared.assembly.truth:
        corners = image_corners(placed, prepared.frame)
        box = shapely.Polygon(corners)
        inside = box.intersection(scene).area / box.area
        if inside >= LEAST_INSIDE:
            visible = inside * _seen_share(corners / step, seen)
            objects.append(_truth_object(placed, corners, prepared.frame, visible))
    return tuple(objects)


def image_corners(placed: PlacedTruth, frame: SceneFrame) -> NDArray[np.float64]:
    """Corners `(4, 2)` in pixels around the tops as they show with the view's lean."""
    along = placed.box[1] - placed.box[0]
    axis = along / np.hypot(*along)
    across = np.array([-axis[1], axis[0]])
    shown = (placed.tops + placed.top_m[:, None, None] * frame.lean).reshape(-1, 2)
    if placed.class_id == SHIP_ID:
        shown = placed.box + placed.top_m.max() * frame.lean
    low = np.array([(shown @ axis).min(), (shown @ across).min()])
    high = np.array([(shown @ axis).max(), (shown @ across).max()])
    frame_corners = np.array(
        [[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]]
    )
    metres = frame_corners @ np.stack([axis, across])
    return np.asarray(order_corners(metres[None] / frame.gsd_m)[0])


def zones_table(prepared: PreparedRendering) -> gpd.GeoDataFrame:
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
