"""What a perfect counter says of every zone of a rendered scene."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from detector.geometry.boxes import centres
from detector.geometry.geodesy import apply_transform
from detector.rendering.canvas import fill_mask
from detector.rendering.scene import RenderedScene
from detector.rendering.truth import STACK_ID


def zone_truth(scene: RenderedScene, zones: gpd.GeoDataFrame | None = None) -> pd.DataFrame:
    """One row a zone: what is seen of it, and what stands in it.

    An object belongs to the zone that holds the centre of its box, as in the counting.

    Args:
        scene: rendered.
        zones: columns `name`, `kind`, geometry in the scene's CRS; by default the scene's own.

    Returns:
        Columns `acquired, zone, kind, observed_fraction, ships, stacks, stack_area_m2, teu`;
        objects seen by less than half are not counted.
    """
    zones = scene.zones if zones is None else zones
    seen = scene.valid & ~scene.cloud
    counted = [item for item in scene.truth if item.counts]
    middles = centres(np.array([item.corners for item in counted]).reshape(-1, 4, 2))
    rows = []
    for name, kind, polygon in zip(zones["name"], zones["kind"], zones.geometry, strict=True):
        ring = shapely.get_coordinates(polygon.exterior)
        outline = apply_transform(~scene.transform, ring)
        mask = fill_mask([outline], (seen.shape[0], seen.shape[1]))
        inside = shapely.contains_xy(shapely.Polygon(outline), middles[:, 0], middles[:, 1])
        here = [item for item, at in zip(counted, inside, strict=True) if at]
        stacks = [item for item in here if item.class_id == STACK_ID]
        rows.append(
            {
                "acquired": scene.acquired,
                "zone": name,
                "kind": kind,
                "observed_fraction": float(seen[mask].mean()) if mask.any() else 0.0,
                "ships": len(here) - len(stacks),
                "stacks": len(stacks),
                "stack_area_m2": sum(item.length_m * item.width_m for item in stacks),
                "teu": sum(item.teu for item in stacks),
            }
        )
    return pd.DataFrame(rows)
