"""What the STAC item of a scene says that its file contradicts, or that is of no use."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from affine import Affine

from detector.geometry.geodesy import lonlat
from detector.scenes.types import SceneOptions

NEAR_DEG: Final = 0.05  # footprints are drawn around, and rounded


def item_remarks(
    options: SceneOptions, crs: str | None, centre: tuple[float, float], *, clouds_known: bool
) -> list[str]:
    """A sentence each, without a full stop.

    Args:
        options: of the scene, what its item tells among them.
        crs: of the scene, or None.
        centre: of the scene, in `crs`.
        clouds_known: a cloud mask was found.
    """
    return [*_cloud_remarks(options, clouds_known), *_place_remarks(options, crs, centre)]


def centre_of(transform: Affine, width: int, height: int) -> tuple[float, float]:
    """The middle of a scene on its map."""
    x, y = transform @ (width / 2, height / 2)
    return float(x), float(y)


def _cloud_remarks(options: SceneOptions, known: bool) -> list[str]:
    cover = options.cloud_cover
    if cover is None or known or options.clouds != "auto":
        return []
    return [
        f"its STAC item says {cover:g} % clouds, but not where, so they are unknown; if you have "
        "looked and there are none, say scene.clouds=clear"
    ]


def _place_remarks(
    options: SceneOptions, crs: str | None, centre: tuple[float, float]
) -> list[str]:
    if options.footprint is None or crs is None:
        return []
    west, south, east, north = options.footprint
    lon, lat = (float(value) for value in lonlat(np.array(centre), crs))
    if not (math.isfinite(lon) and math.isfinite(lat)):
        return []
    across = (west - NEAR_DEG <= lon <= east + NEAR_DEG) or (
        west > east and (lon >= west - NEAR_DEG or lon <= east + NEAR_DEG)
    )
    if across and south - NEAR_DEG <= lat <= north + NEAR_DEG:
        return []
    return [
        f"it lies at {lon:.2f}, {lat:.2f}, outside of the footprint of its STAC item ({west:.2f} "
        f"to {east:.2f}, {south:.2f} to {north:.2f}): another scene, or one that is wrongly placed"
    ]
